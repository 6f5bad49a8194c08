"""The trail is looked after: verified and its head kept once a day, signed and exported by those who may."""

import base64
import json
from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings

from policies import tasks
from policies.actions import trail
from policies.actions.errors import Refused
from policies.domain.authority import Actor, NotAllowed, Place, Role, Scope
from policies.domain.authority import Grant as Reach
from policies.domain.trail import TrailKey, check_signature, heads_of_text, public_keys
from policies.models import AuditEvent, KeptHead, TrailCheck
from policies.queries.trail import TrailFilter
from tests import factories
from tests.integration.actions.conftest import people
from tests.integration.tampering import execute, no_triggers
from tests.world import People

__all__ = ["people"]

pytestmark = pytest.mark.django_db

SEED = base64.b64encode(bytes(range(32))).decode()
DAY = timedelta(days=1)
NOW = timezone.now()


@pytest.fixture(autouse=True)
def key(settings: Settings) -> None:
    settings.SECPROF_TRAIL_KEY = SEED
    settings.SECPROF_TRAIL_CHECK_SECONDS = 24 * 3600


@pytest.fixture(autouse=True)
def rows() -> None:
    for number in range(3):
        factories.event("cluster.tested", message=f"number {number}")


def damage() -> None:
    with no_triggers():
        execute("UPDATE policies_auditevent SET actor = 'nobody' WHERE id = 2")


def test_trail_is_verified_once_a_day() -> None:
    check = trail.verify_if_due(now=NOW)

    assert check is not None
    assert (check.verified_to, check.broken_at, check.sentence) == (3, None, "")
    assert trail.verify_if_due(now=NOW + DAY / 2) is None
    factories.event("cluster.tested")
    later = trail.verify_if_due(now=NOW + DAY)
    assert later is not None
    assert later.verified_to == 4
    assert TrailCheck.objects.count() == 2


def test_broken_trail_is_noted_and_logged_as_an_error(caplog: pytest.LogCaptureFixture) -> None:
    damage()

    check = trail.verify_if_due(now=NOW)

    assert check is not None
    assert (check.verified_to, check.broken_at, check.fault) == (1, 2, "edited")
    (record,) = [r for r in caplog.records if r.message == "trail.broken"]
    assert (record.levelname, vars(record)["sequence"]) == ("ERROR", 2)
    assert trail.verify_if_due(now=NOW + timedelta(minutes=59)) is None
    assert trail.verify_if_due(now=NOW + timedelta(hours=1)) is not None


def test_head_is_kept_once_a_day_and_written_to_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", logger="policies.actions.trail")

    kept = trail.keep_head_if_due(now=NOW)

    assert kept is not None
    (record,) = [r for r in caplog.records if r.message == "trail.head"]
    (signed,) = heads_of_text(vars(record)["head"])
    check_signature(signed, public_keys(TrailKey(SEED).public_pem))
    last = AuditEvent.objects.get(pk=3)
    assert (signed.head.sequence, signed.head.hash) == (last.pk, last.hash)
    assert (kept.sequence, kept.hash, kept.signature) == (3, last.hash, signed.signature)


def test_head_is_not_kept_again_too_soon_or_when_nothing_came() -> None:
    trail.keep_head_if_due(now=NOW)

    assert trail.keep_head_if_due(now=NOW + DAY) is None
    factories.event("cluster.tested")
    assert trail.keep_head_if_due(now=NOW + DAY / 2) is None
    kept = trail.keep_head_if_due(now=NOW + DAY)
    assert kept is not None
    assert kept.sequence == 4
    assert trail.verify_here().head_count == 3


def test_head_without_key_is_kept_unsigned(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.SECPROF_TRAIL_KEY = ""
    caplog.set_level("INFO", logger="policies.actions.trail")

    kept = trail.keep_head_if_due(now=NOW)

    assert kept is not None
    assert (kept.key_id, kept.signature) == ("", "")
    assert json.loads(vars(caplog.records[-1])["head"])["sequence"] == 3


def test_kept_heads_find_a_chain_that_was_made_anew() -> None:
    trail.keep_head_if_due(now=NOW)
    KeptHead.objects.update(hash="f" * 64, key_id="", signature="")

    found = trail.verify_here()

    assert found.broken is not None
    assert (found.broken.sequence, found.broken.fault) == (3, "rewritten")


def test_kept_head_that_our_key_did_not_sign_so_is_found() -> None:
    trail.keep_head_if_due(now=NOW)
    KeptHead.objects.update(sequence=2, hash=AuditEvent.objects.get(pk=2).hash)

    found = trail.verify_here()

    assert found.broken is not None
    assert (found.broken.sequence, "does not hold" in found.broken.sentence) == (2, True)


def test_lost_head_is_said_to_be_lost() -> None:
    trail.keep_head_if_due(now=NOW)
    with no_triggers():
        execute("DELETE FROM policies_trailhead")

    found = trail.verify_here()

    assert found.broken is not None
    assert "The head is gone from the database: rows after 3" in found.broken.sentence
    assert trail.keep_head_if_due(now=NOW + DAY) is None


def test_empty_trail_has_no_head_to_keep() -> None:
    with no_triggers():
        execute("DELETE FROM policies_auditevent")
        execute("UPDATE policies_trailhead SET sequence = 0")

    assert trail.keep_head_if_due(now=NOW) is None


@pytest.mark.parametrize("role", [Role.AUDITOR, Role.ADMIN])
def test_head_is_signed_for_those_who_may_and_covers_its_own_row(
    people: People, role: Role
) -> None:
    signed = trail.sign_head(by=getattr(people, role.value), now=NOW)

    event = AuditEvent.objects.latest("pk")
    assert (event.verb, event.actor) == ("trail.head_signed", role.value)
    assert (signed.head.sequence, signed.head.hash) == (event.pk, event.hash)


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OWNER, Role.OPERATOR, Role.APPROVER])
def test_nobody_else_signs_or_exports(people: People, role: Role) -> None:
    by = getattr(people, role.value)

    with pytest.raises(NotAllowed, match="admin or auditor"):
        trail.sign_head(by=by, now=NOW)
    with pytest.raises(NotAllowed, match="admin or auditor"):
        trail.note_export(wanted=TrailFilter(), form="csv", by=by, now=NOW)
    assert AuditEvent.objects.count() == 3


def test_auditor_of_one_cluster_exports_nothing(people: People) -> None:
    reach = Reach(Role.AUDITOR, Scope(cluster="prod"))
    by = Actor("auditor", people.auditor.user_id, frozenset({reach}))

    assert reach.scope.covers(Place("prod"))
    with pytest.raises(NotAllowed, match="does not reach that far"):
        trail.note_export(wanted=TrailFilter(cluster="prod"), form="csv", by=by, now=NOW)


def test_export_is_noted_with_its_filter_each_time(people: People) -> None:
    wanted = TrailFilter(cluster="prod", since=NOW)

    for before in (4, 5):
        assert trail.note_export(wanted=wanted, form="csv", by=people.auditor, now=NOW) == before

    event = AuditEvent.objects.get(pk=5)
    assert event.details == {
        "format": "csv",
        "filter": {"cluster": "prod", "since": NOW.isoformat()},
    }


def test_export_in_another_format_is_refused(people: People) -> None:
    with pytest.raises(Refused, match="no such format"):
        trail.note_export(wanted=TrailFilter(), form="xlsx", by=people.auditor, now=NOW)


def test_head_is_not_signed_without_key(people: People, settings: Settings) -> None:
    settings.SECPROF_TRAIL_KEY = ""

    with pytest.raises(Refused, match="SECPROF_TRAIL_KEY"):
        trail.sign_head(by=people.auditor, now=NOW)
    assert AuditEvent.objects.count() == 3


def test_tasks_do_their_work_once_however_often_they_come() -> None:
    for _ in range(2):
        tasks.verify_trail()
        tasks.keep_trail_head(unknown="argument")

    assert (TrailCheck.objects.count(), KeptHead.objects.count()) == (1, 1)
    assert trail.verify_here().is_whole
