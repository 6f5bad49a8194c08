"""The parts of the board that ought to be empty: what is not needed, still honoured, too wide, or not ours."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from policies.domain.lifecycle import ExceptionStatus as Status
from policies.models import (
    CollectionRun,
    ExceptionNeed,
    ExceptionRequest,
    ObservedException,
    ObservedResult,
    Variant,
)
from tests import exceptions, factories
from tests.integration.web.conftest import HTMX

Browsers = Callable[[str], Client]
OLD = timedelta(days=40)


@pytest.fixture
def variant(db: None) -> Variant:
    cluster = factories.cluster()
    factories.namespaces(cluster, ["batch"], team="data", labels={"team": "data"})
    factories.namespaces(cluster, ["shop"], team="web", labels={"team": "web"})
    return factories.installed(cluster)


def in_part(client: Client, show: str, row: ExceptionRequest) -> bool:
    text = client.get(f"/exceptions/?show={show}", headers=HTMX).text
    return f"/exceptions/{row.pk}/" in text


def lies(variant: Variant, name: str, **fields: Any) -> ObservedException:
    """A PolicyException on the cluster, by default one that somebody made for one namespace."""
    values: dict[str, Any] = {
        "group": "kyverno.io",
        "namespace": "kyverno",
        "uid": "1",
        "resource_version": "1",
        "digest": "d",
        "policies": [variant.name],
        "has_conditions": True,
        "reaches": ["batch"],
        "changed_at": timezone.now(),
        "manifest": {"kind": "PolicyException", "metadata": {"name": name}},
    }
    return ObservedException.objects.create(
        cluster=variant.cluster, name=name, **{**values, **fields}
    )


def needed(row: ExceptionRequest, at: datetime) -> None:
    ExceptionNeed.objects.create(
        cluster=row.variant.cluster,
        exception_key=row.key,
        kind="Deployment",
        name="ftp",
        last_needed_at=at,
    )


def test_what_nothing_has_needed_for_30_days_is_told(variant: Variant, browser: Browsers) -> None:
    now = timezone.now()
    never = exceptions.exception(variant, Status.IN_FORCE, in_force_at=now - OLD)
    long_ago = exceptions.exception(variant, Status.IN_FORCE, in_force_at=now - OLD)
    lately = exceptions.exception(variant, Status.IN_FORCE, in_force_at=now - OLD)
    young = exceptions.exception(variant, Status.IN_FORCE)
    needed(long_ago, now - timedelta(days=31))
    needed(lately, now - timedelta(days=29))
    client = browser("viewer")

    found = [in_part(client, "not-needed", row) for row in (never, long_ago, lately, young)]

    assert found == [True, True, False, False]
    assert "End it: nothing needs it" in client.get("/exceptions/?show=not-needed").text


def test_what_was_not_looked_at_is_not_called_unneeded(variant: Variant, browser: Browsers) -> None:
    now = timezone.now()
    row = exceptions.exception(variant, Status.IN_FORCE, in_force_at=now - OLD)
    CollectionRun.objects.update(started_at=now - OLD)

    assert not in_part(browser("viewer"), "not-needed", row)


def skipped(variant: Variant, row: ExceptionRequest, at: datetime) -> ObservedResult:
    workload = factories.workload(variant.cluster, "batch", f"ftp-{row.key}")
    return factories.result(
        variant, workload, outcome="skip", at=at, exceptions=[f"secprof-{row.key}"]
    )


def test_what_has_ended_and_a_later_report_still_skips_is_told(
    variant: Variant, browser: Browsers
) -> None:
    now = timezone.now()
    closed = now - timedelta(hours=2)
    honoured = exceptions.exception(variant, Status.ENDED, closed_at=closed)
    over = exceptions.exception(variant, Status.ENDED, closed_at=closed)
    in_force = exceptions.exception(variant, Status.IN_FORCE)
    skipped(variant, honoured, now)
    skipped(variant, over, closed - timedelta(minutes=1))
    skipped(variant, in_force, now)
    client = browser("viewer")

    found = [in_part(client, "still-honoured", row) for row in (honoured, over, in_force)]

    assert found == [True, False, False]


@pytest.mark.parametrize(
    ("fields", "is_wide"),
    [
        ({}, False),
        ({"reaches": ["batch", "shop"]}, True),
        ({"reaches": None}, True),
        ({"has_conditions": False}, True),
    ],
)
def test_object_that_reaches_further_than_its_namespace_is_told(
    variant: Variant, browser: Browsers, fields: dict[str, Any], is_wide: bool
) -> None:
    row = exceptions.exception(variant, Status.IN_FORCE)
    lies(variant, f"secprof-{row.key}", exception_key=row.key, **fields)

    assert in_part(browser("viewer"), "covers-more", row) is is_wide


def test_job_that_is_named_like_those_of_an_exempt_cron_job_is_told(
    variant: Variant, browser: Browsers
) -> None:
    row = exceptions.exception(
        variant, Status.IN_FORCE, workloads=exceptions.named("export", kind="CronJob")
    )
    client = browser("viewer")
    factories.workload(variant.cluster, "batch", "export-by-hand", kind="Job")
    assert not in_part(client, "covers-more", row)

    factories.workload(variant.cluster, "batch", "export-29999520", kind="Job")

    assert in_part(client, "covers-more", row)


def test_exceptions_of_others_are_listed_the_widest_first(
    variant: Variant, browser: Browsers
) -> None:
    narrow = lies(variant, "a-narrow-one")
    wide = lies(variant, "z-wide-one", has_conditions=False, reaches=None, namespace="default")
    ours = lies(variant, "secprof-000000000000", exception_key="0" * 12)

    text = browser("viewer").get("/exceptions/?show=not-ours").text

    assert text.index("z-wide-one") < text.index("a-narrow-one")
    assert "Exempts everything" in text
    assert "Lies in default, outside the agreed namespace." in text
    assert "Reaches batch." in text
    assert f"/exceptions/foreign/{narrow.pk}/" in text
    assert f"/exceptions/foreign/{wide.pk}/" in text
    assert f"/exceptions/foreign/{ours.pk}/" not in text


def test_exceptions_of_others_answer_the_filters(variant: Variant, browser: Browsers) -> None:
    lies(variant, "mine-too", policies=["another-policy"])
    client = browser("viewer")

    def shown(query: str) -> bool:
        return "mine-too" in client.get(f"/exceptions/?show=not-ours&{query}").text

    assert shown("q=another")
    assert shown("cluster=prod")
    assert not shown("cluster=elsewhere")
    assert not shown(f"policy={variant.name}")
    assert not shown("q=nothing-like-it")


def test_page_of_a_foreign_one_shows_its_text_and_leads_to_the_form(
    variant: Variant, browser: Browsers
) -> None:
    row = lies(variant, "by-hand")
    client = browser("operator")

    text = client.get(f"/exceptions/foreign/{row.pk}/").text
    form = client.get(f"/exceptions/new/?variant={variant.pk}&namespace=batch&adopt={row.pk}").text

    assert "kind: PolicyException" in text
    assert f'<option value="{variant.pk}">{variant.name}</option>' in text
    assert "<option>batch</option>" in text
    assert "<option>shop</option>" not in text
    assert "verb=remove-exception&amp;removes=kyverno.io/kyverno/by-hand" in text
    assert "It takes the place of" in form


def test_adopting_keeps_whose_place_it_takes(variant: Variant, browser: Browsers) -> None:
    row = lies(variant, "by-hand")
    factories.workload(variant.cluster, "batch", "ftp")
    address = f"/exceptions/new/?variant={variant.pk}&namespace=batch&adopt={row.pk}"

    response = browser("operator").post(
        address,
        {
            "intent": "request",
            "controls": variant.controls,
            "workloads": ["Deployment/ftp"],
            "reason": "it was there before us",
            "ends_at": (timezone.now() + timedelta(days=5)).date().isoformat(),
        },
    )

    assert response.status_code == 303
    assert ExceptionRequest.objects.get().adopted_from == "kyverno.io/kyverno/by-hand"


def test_foreign_one_that_names_none_of_our_policies_cannot_be_adopted(
    variant: Variant, browser: Browsers
) -> None:
    row = lies(variant, "by-hand", policies=["restrict-image-registries"])

    text = browser("operator").get(f"/exceptions/foreign/{row.pk}/").text

    assert "nothing of ours can take its place" in text
    assert "Adopt it" not in text
    assert "kubectl delete policyexceptions.kyverno.io by-hand --namespace kyverno" in text


def test_foreign_one_out_of_reach_is_not_found(variant: Variant) -> None:
    row = lies(variant, "by-hand")
    user = User.objects.create_user("owner-of-batch")
    factories.grant(user, "owner", selector="team=data")
    client = Client()
    client.force_login(user)

    assert client.get(f"/exceptions/foreign/{row.pk}/").status_code == 404
    assert client.get("/exceptions/new/?variant=1&namespace=batch&adopt=99").status_code == 404
    assert "by-hand" not in client.get("/exceptions/?show=not-ours").text
