"""Custom profiles in the browser: list, page, editor with its live check, downloads, comparison, recording, import."""

import json
from collections.abc import Callable

import pytest
import yaml
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from policies.actions import profiles
from policies.actions.profiles import Draft
from policies.domain.controls import Mechanism
from policies.domain.profiles.examples import EXAMPLES
from policies.models import Profile
from policies.web.actors import actor_of
from tests import factories
from tests.integration.web.conftest import HTMX
from tests.unit.domain.profiles.apparmor_texts import SELF_CANCELLING

Browser = Callable[[str], Client]
FIVE_CALLS = EXAMPLES[Mechanism.SECCOMP]
NEXT = FIVE_CALLS.replace('"stat"', '"statx"')


def make(
    name: str = "web", text: str = FIVE_CALLS, mechanism: Mechanism = Mechanism.SECCOMP
) -> Profile:
    return profiles.create_profile(
        name=name,
        mechanism=mechanism,
        draft=Draft(text),
        by=actor_of(factories.user("operator")),
        now=timezone.now(),
    )


def save(profile: Profile, base: int, text: str, role: str = "operator") -> None:
    profiles.add_version(
        profile_id=profile.pk,
        base_number=base,
        draft=Draft(text),
        by=actor_of(factories.user(role)),
        now=timezone.now(),
    )


def page(client: Client, name: str, /, *args: object, **query: str) -> str:
    answer = client.get(reverse(f"policies:{name}", args=args), query)
    assert answer.status_code == 200
    return answer.content.decode()


def test_list_says_each_answer_in_words(browser: Browser) -> None:
    make()
    make("shop", SELF_CANCELLING, Mechanism.APPARMOR)

    shown = page(browser("viewer"), "profiles")

    for word in ("Valid", "Portable", "Unusable", "Enforcing", "operator/web.json", "k8s-web-app"):
        assert word in shown
    assert "You may not write or retire a profile" in shown


def test_list_takes_the_same_number_of_queries_however_many(
    browser: Browser, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    client = browser("viewer")
    make()
    with django_assert_num_queries(7):
        page(client, "profiles")
    for number in range(4):
        make(f"web-{number}")
    with django_assert_num_queries(7):
        page(client, "profiles")


def test_page_of_a_profile_shows_text_checks_and_its_use(
    browser: Browser, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    profile = make()
    client = browser("viewer")

    with django_assert_num_queries(10):
        shown = page(client, "profile", profile.pk)

    for part in (
        "cannot start a process",
        'href="#L4"',
        'id="L4" class="code-error"',
        "localhostProfile: operator/web.json",
        "localhostProfile: profiles/web.json",
        "kind: SeccompProfile",
        "There is one version so far",
    ):
        assert part in shown


def test_apparmor_page_names_what_is_cancelled_and_why_it_is_not_exported(
    browser: Browser,
) -> None:
    profile = make("shop", SELF_CANCELLING, Mechanism.APPARMOR)

    shown = page(browser("viewer"), "profile", profile.pk)

    assert "“deny /** w” in line 16 cancels “/tmp/** rw” in line 12" in shown
    assert "would allow more than the text" in shown
    assert "localhostProfile: k8s-web-app" in shown
    assert "localhostProfile: shop" in shown


def test_versions_are_compared_whole_page_or_fragment(browser: Browser) -> None:
    profile = make()
    save(profile, 1, NEXT)
    client = browser("viewer")
    address = reverse("policies:profile", args=[profile.pk])

    whole = client.get(address).content.decode()
    fragment = client.get(address, {"before": "2", "after": "1"}, headers=HTMX).content.decode()

    assert "version 1 against 2" in whole
    assert "<html" in whole
    assert "version 2 against 1" in fragment
    assert "<html" not in fragment


@pytest.mark.parametrize(
    "query", [{"version": "9"}, {"version": "x"}, {"before": "9"}, {"after": "1" * 12}]
)
def test_version_that_does_not_exist_is_not_found(browser: Browser, query: dict[str, str]) -> None:
    profile = make()

    answer = browser("viewer").get(reverse("policies:profile", args=[profile.pk]), query)

    assert answer.status_code == 404


def test_older_version_says_that_it_is_one(browser: Browser) -> None:
    profile = make()
    save(profile, 1, NEXT)

    assert "This is an older version" in page(browser("viewer"), "profile", profile.pk, version="1")


@pytest.mark.parametrize(
    ("mechanism", "text", "name"),
    [
        (Mechanism.SECCOMP, FIVE_CALLS, "web.json"),
        (Mechanism.APPARMOR, SELF_CANCELLING, "web"),
    ],
)
def test_file_is_downloaded_byte_for_byte(
    browser: Browser, mechanism: Mechanism, text: str, name: str
) -> None:
    profile = make("web", text, mechanism)

    answer = browser("viewer").get(reverse("policies:profile-download", args=[profile.pk]))

    assert answer.content.decode() == text
    assert answer["Content-Disposition"] == f'attachment; filename="{name}"'
    assert answer["X-Content-Type-Options"] == "nosniff"


def test_object_of_the_operator_is_downloaded_or_refused(browser: Browser) -> None:
    client = browser("viewer")
    seccomp = reverse("policies:profile-download", args=[make().pk])
    apparmor = make("shop", SELF_CANCELLING, Mechanism.APPARMOR)

    answer = client.get(seccomp, {"object": "v1beta1"})
    refused = client.get(reverse("policies:profile-download", args=[apparmor.pk]), {"object": "v1"})

    assert yaml.safe_load(answer.content)["spec"] == json.loads(FIVE_CALLS)
    assert refused.status_code == 409
    assert "would allow more" in refused.content.decode()
    assert client.get(seccomp, {"object": "v9"}).status_code == 404


def post(client: Client, name: str, /, *args: object, **values: object) -> object:
    return client.post(reverse(f"policies:{name}", args=args), values)


def test_example_fills_the_editor_and_is_found_unusable(browser: Browser) -> None:
    client = browser("viewer")

    shown = page(client, "profile-new", mechanism="seccomp", example="")
    cancelled = page(client, "profile-new", mechanism="apparmor", example="")

    assert "cannot start a process" in shown
    assert "Unusable" in shown
    assert "deny-cancels-grant" in cancelled
    assert client.get(reverse("policies:profile-new"), {"mechanism": "x"}).status_code == 404


def test_profile_is_saved_from_the_form_without_script(browser: Browser) -> None:
    typed = FIVE_CALLS.replace("\n", "\r\n")

    answer = post(
        browser("operator"), "profile-new", name="web", mechanism="seccomp", text=typed, note="n"
    )

    profile = Profile.objects.get()
    assert (answer.status_code, answer["Location"]) == (303, f"/profiles/{profile.pk}/")
    version = profile.versions.get()
    assert (version.text, version.origin, version.note) == (FIVE_CALLS, "typed", "n")


def test_uploaded_file_takes_the_place_of_the_text(browser: Browser) -> None:
    upload = SimpleUploadedFile("web.json", b"\xef\xbb\xbf" + FIVE_CALLS.encode())

    post(
        browser("operator"), "profile-new", name="web", mechanism="seccomp", text="x", upload=upload
    )

    version = Profile.objects.get().versions.get()
    assert (version.text, version.origin) == (FIVE_CALLS, "uploaded")


def test_uploaded_file_is_shown_and_checked_before_it_is_saved(browser: Browser) -> None:
    upload = SimpleUploadedFile("web.json", FIVE_CALLS.encode())

    answer = post(browser("operator"), "profile-new-check", mechanism="seccomp", upload=upload)

    shown = answer.content.decode()
    assert "cannot start a process" in shown
    assert "&quot;SCMP_ACT_ERRNO&quot;" in shown
    assert 'name="origin" value="uploaded"' in shown
    assert not Profile.objects.exists()


@pytest.mark.parametrize(
    ("content", "reason"), [(b"\xff\xfe", "UTF-8"), (b"a" * (1024 * 1024 + 1), "1 MiB")]
)
def test_file_that_is_no_text_is_told(browser: Browser, content: bytes, reason: str) -> None:
    upload = SimpleUploadedFile("web.json", content)

    answer = post(
        browser("operator"), "profile-new", name="web", mechanism="seccomp", upload=upload
    )

    assert answer.status_code == 422
    assert reason in answer.content.decode()


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"name": "Web", "text": "{}"}, "small letters"),
        ({"name": "web", "text": " "}, "The text is empty"),
    ],
)
def test_form_that_cannot_be_saved_says_why_and_keeps_what_was_typed(
    browser: Browser, values: dict[str, str], reason: str
) -> None:
    answer = post(browser("operator"), "profile-new", mechanism="seccomp", **values)

    assert answer.status_code == 422
    assert reason in answer.content.decode()
    assert f'value="{values["name"]}"' in answer.content.decode()


def test_live_check_answers_with_a_fragment_and_saves_nothing(browser: Browser) -> None:
    answer = browser("operator").post(
        reverse("policies:profile-new-check"),
        {"mechanism": "seccomp", "text": '{\n "defaultAction": }'},
        headers=HTMX,
    )

    shown = answer.content.decode()
    assert shown.lstrip().startswith('<section class="sheet" id="check"')
    assert "Line 2, column 19" in shown
    assert not Profile.objects.exists()


def test_second_of_two_editors_is_told_and_sees_what_changed(browser: Browser) -> None:
    profile = make()
    save(profile, 1, NEXT, "admin")
    client = browser("operator")
    mine = FIVE_CALLS.replace('"open"', '"openat"')
    values = {"mechanism": "seccomp", "text": mine, "base": "1"}

    refused = post(client, "profile-edit", profile.pk, **values)
    saved = post(client, "profile-edit", profile.pk, **{**values, "base": "2"})

    shown = refused.content.decode()
    assert refused.status_code == 422
    assert "admin saved version 2 of web while you worked on version 1" in shown
    assert "What admin changed" in shown
    assert "&quot;openat&quot;" in shown
    assert 'name="base"\n           value="2"' in shown
    assert saved.status_code == 303
    assert profile.versions.count() == 3


def test_editor_starts_with_the_last_version(browser: Browser) -> None:
    profile = make()
    save(profile, 1, NEXT)

    shown = page(browser("operator"), "profile-edit", profile.pk)

    assert "&quot;statx&quot;" in shown
    assert "on top of version 2" in shown


def test_retired_profile_leaves_the_list_and_stays_readable(browser: Browser) -> None:
    profile = make()
    client = browser("operator")

    answer = post(client, "profile-retire", profile.pk)

    assert answer.status_code == 303
    assert "No seccomp profile yet" in page(client, "profiles")
    assert "Retired by operator" in page(client, "profile", profile.pk)


@pytest.mark.parametrize("role", ["viewer", "approver", "auditor"])
def test_readers_write_nothing(browser: Browser, role: str) -> None:
    profile = make()
    client = browser(role)
    values = {"mechanism": "seccomp", "text": NEXT, "name": "other", "base": "1"}

    for answer in (
        post(client, "profile-new", **values),
        post(client, "profile-edit", profile.pk, **values),
        post(client, "profile-retire", profile.pk),
    ):
        assert answer.status_code == 403
    assert "disabled" in page(client, "profile-new")
    assert Profile.objects.count() == profile.versions.count() == 1


@pytest.mark.parametrize("name", ["profiles", "profile-new", "profile-recording"])
def test_somebody_unknown_is_sent_to_sign_in(client: Client, db: None, name: str) -> None:
    answer = client.get(reverse(f"policies:{name}"))

    assert answer.status_code == 302
    assert answer["Location"].startswith("/login/")


def test_recording_shows_the_objects_for_what_was_typed(browser: Browser) -> None:
    client = browser("viewer")

    shown = page(
        client,
        "profile-recording",
        mechanism="apparmor",
        recorder="Bpf",
        name="shop",
        namespace="team-b",
        labels="app=shop",
    )

    for part in ("kind: AppArmorProfile", "enableAppArmor: true", "namespace: team-b", "app: shop"):
        assert part in shown


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ({"mechanism": "apparmor", "recorder": "Logs"}, "Bpf only"),
        ({"labels": "app"}, "is no label"),
        ({"labels": ""}, "Labels"),
        ({"merge": "x"}, "Merge"),
    ],
)
def test_recording_that_cannot_be_says_why(
    browser: Browser, query: dict[str, str], reason: str
) -> None:
    answer = browser("viewer").get(reverse("policies:profile-recording"), query, headers=HTMX)

    assert reason in answer.content.decode()
    assert "kubectl" not in answer.content.decode()


def recorded(**metadata: object) -> str:
    return yaml.safe_dump(
        {
            "apiVersion": "security-profiles-operator.x-k8s.io/v1",
            "kind": "SeccompProfile",
            "metadata": {"name": "web-app", **metadata},
            "spec": json.loads(FIVE_CALLS),
        }
    )


def test_recorded_object_is_shown_and_then_kept(browser: Browser) -> None:
    client = browser("operator")

    shown = post(client, "profile-recording-read", objects=recorded()).content.decode()
    make("web-app", "{}")
    again = post(client, "profile-recording-read", objects=recorded()).content.decode()

    assert "Keep it as a new profile" in shown
    assert 'name="origin" value="recorded"' in shown
    assert "Unusable" in shown
    assert "Keep it as the version after 1" in again


def test_partial_recording_is_refused_with_the_reason(browser: Browser) -> None:
    partial = recorded(labels={"spo.x-k8s.io/partial": "true"})

    answer = post(browser("operator"), "profile-recording-read", objects=partial)

    assert answer.status_code == 422
    assert "operator merges the parts" in answer.content.decode()


def test_trail_says_what_was_done_to_profiles(browser: Browser) -> None:
    profile = make()
    save(profile, 1, NEXT)
    post(browser("operator"), "profile-retire", profile.pk)

    shown = page(browser("auditor"), "trail")

    for sentence in (
        "created the seccomp profile web",
        "saved version 2 of the seccomp profile web",
        "retired the seccomp profile web",
    ):
        assert sentence in shown
