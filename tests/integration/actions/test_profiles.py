"""Custom profiles: created, changed by versions that nobody edits, retired; by whom, and what the trail says."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from policies.actions import profiles
from policies.actions.errors import Refused
from policies.actions.profiles import Draft, Origin
from policies.domain.authority import SYSTEM, Actor, NotAllowed
from policies.domain.controls import Mechanism
from policies.domain.profiles import sha256_of
from policies.models import AuditEvent, Profile, ProfileVersion
from tests.unit.domain.profiles.apparmor_texts import SOUND
from tests.world import People

NOW = timezone.now()
FIRST, SECOND, THIRD = '{"a": 1}\n', '{"a": 2}\n', '{"a": 3}\n'


def create(by: Actor, name: str = "web", text: str = FIRST, **changes: Any) -> Profile:
    values = {"mechanism": Mechanism.SECCOMP, "draft": Draft(text), "now": NOW, **changes}
    return profiles.create_profile(name=name, by=by, **values)


def add(profile: Profile, base: int, text: str, by: Actor) -> ProfileVersion:
    return profiles.add_version(
        profile_id=profile.pk, base_number=base, draft=Draft(text), by=by, now=NOW
    )


def retire(profile: Profile, by: Actor) -> Profile:
    return profiles.retire_profile(profile_id=profile.pk, by=by, now=NOW)


def test_created_profile_has_its_first_version(people: People) -> None:
    profile = create(people.operator, draft=Draft(FIRST, Origin.UPLOADED, " from staging "))

    version = profile.versions.get()
    assert (version.number, version.text, version.sha256) == (1, FIRST, sha256_of(FIRST))
    assert (version.origin, version.note, version.parser_outcome) == (
        "uploaded",
        "from staging",
        "",
    )
    assert version.author.username == profile.created_by.username == "operator"
    event = AuditEvent.objects.get(verb="profile.created")
    assert event.details == {"profile": "web", "mechanism": "seccomp", "number": 1}


def test_next_version_stands_on_the_last(people: People) -> None:
    profile = create(people.operator)

    version = add(profile, 1, SECOND, people.admin)

    assert version.number == 2
    assert [v.text for v in profile.versions.order_by("number")] == [FIRST, SECOND]
    assert AuditEvent.objects.get(verb="profile.version_added").details["number"] == 2


def test_second_of_two_people_on_one_base_is_told_who_was_first(people: People) -> None:
    profile = create(people.operator)
    add(profile, 1, SECOND, people.admin)

    with pytest.raises(Refused, match="admin saved version 2 of web while you worked on version 1"):
        add(profile, 1, THIRD, people.operator)

    assert profile.versions.count() == 2
    assert AuditEvent.objects.filter(verb="profile.version_added").count() == 1


def test_race_for_one_number_is_lost_by_one(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile = create(people.operator)
    asked = profiles._fields

    def beaten(mechanism: Mechanism, draft: Draft) -> dict[str, Any]:
        fields = asked(mechanism, draft)
        monkeypatch.setattr(profiles, "_fields", asked)
        add(profile, 1, SECOND, people.admin)
        return fields

    monkeypatch.setattr(profiles, "_fields", beaten)
    with pytest.raises(Refused, match="admin saved version 2"):
        add(profile, 1, THIRD, people.operator)

    assert [v.text for v in profile.versions.order_by("number")] == [FIRST, SECOND]


def test_version_that_changes_nothing_or_stands_on_nothing_is_refused(people: People) -> None:
    profile = create(people.operator)

    with pytest.raises(Refused, match="Nothing changed"):
        add(profile, 1, FIRST, people.operator)
    with pytest.raises(Refused, match="has no version 7"):
        add(profile, 7, SECOND, people.operator)


def test_saved_version_is_edited_by_nobody(people: People) -> None:
    version = create(people.operator).versions.get()

    with pytest.raises(IntegrityError, match="never edited"), transaction.atomic():
        ProfileVersion.objects.filter(pk=version.pk).update(text=SECOND)
    version.refresh_from_db()
    assert version.text == FIRST


def test_retired_profile_keeps_its_versions_and_frees_its_name(people: People) -> None:
    profile = retire(create(people.operator), people.admin)

    assert profile.retired_at == NOW
    assert profile.versions.count() == 1
    assert create(people.operator).pk != profile.pk
    assert AuditEvent.objects.get(verb="profile.retired").actor == "admin"
    with pytest.raises(Refused, match="retired already"):
        retire(profile, people.admin)
    with pytest.raises(Refused, match="is retired"):
        add(profile, 1, SECOND, people.operator)


def test_name_is_taken_once_by_mechanism(people: People) -> None:
    create(people.operator)

    with pytest.raises(Refused, match="in use already"):
        create(people.admin, text=SECOND)

    assert create(people.admin, mechanism=Mechanism.APPARMOR, text=SOUND).pk


@pytest.mark.parametrize("name", ["", "Web", "../x", "a" * 64, "web.json"])
def test_name_that_fits_no_file_or_object_is_refused(people: People, name: str) -> None:
    with pytest.raises(Refused, match="small letters"):
        create(people.operator, name=name)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (" \n", "empty"),
        ("é" * (512 * 1024 + 1), "1 MiB"),
        ("a\0", "no characters"),
        ("\ud800", "no characters"),
    ],
)
def test_text_that_cannot_be_kept_is_refused(people: People, text: str, reason: str) -> None:
    profile = create(people.operator)

    with pytest.raises(Refused, match=reason):
        create(people.operator, name="other", text=text)
    with pytest.raises(Refused, match=reason):
        add(profile, 1, text, people.operator)


@pytest.mark.apparmor
def test_apparmor_version_keeps_what_the_parser_said(people: People) -> None:
    profile = create(people.operator, mechanism=Mechanism.APPARMOR, text=SOUND)
    broken = SOUND.replace("/app/** r,", "/app/** r")

    version = add(profile, 1, broken, people.operator)

    assert profile.versions.get(number=1).parser_outcome == "accepted"
    assert version.parser_outcome == "refused"
    assert version.parser_message.startswith("line ")


@pytest.mark.parametrize("role", ["viewer", "approver", "auditor"])
def test_profiles_are_written_by_operators_and_admins_only(people: People, role: str) -> None:
    profile = create(people.operator)
    actor = getattr(people, role)

    for attempt in (
        lambda: create(actor, name="other"),
        lambda: add(profile, 1, SECOND, actor),
        lambda: retire(profile, actor),
    ):
        with pytest.raises(NotAllowed, match="admin or operator"):
            attempt()

    assert AuditEvent.objects.filter(verb__startswith="profile.").count() == 1


def test_system_writes_no_profiles(people: People) -> None:
    with pytest.raises(NotAllowed):
        create(SYSTEM)


def test_retirement_needs_its_person_and_its_time(people: People) -> None:
    profile = create(people.operator)

    with pytest.raises(IntegrityError), transaction.atomic():
        Profile.objects.filter(pk=profile.pk).update(retired_at=NOW + timedelta(days=1))
