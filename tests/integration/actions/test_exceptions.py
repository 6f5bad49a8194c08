"""Who may ask for an exception, change and withdraw it, and everything that is refused. No cluster is asked."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from policies.actions import exceptions
from policies.actions.errors import Busy, Refused
from policies.domain.authority import SYSTEM, Actor, Grant, NotAllowed, Role, Scope, everywhere
from policies.domain.exemptions import ExceptionWish
from policies.domain.lifecycle import ExceptionStatus, FlipStatus, FlipVerb, WrongState
from policies.models import AuditEvent, ExceptionRequest, Flip, Variant
from tests import factories
from tests.integration.actions.excepting import FTP, MAIL, wish

pytestmark = pytest.mark.django_db

S = ExceptionStatus


def actor(role: str, *, namespace: str = "") -> Actor:
    user = factories.user(role)
    scope = Scope(cluster="prod", namespace=namespace) if namespace else Scope()
    return Actor(role, user.pk, frozenset({Grant(Role(role), scope)}))


@pytest.fixture
def now() -> datetime:
    return timezone.now()


@pytest.fixture
def variant() -> Variant:
    cluster = factories.cluster()
    factories.namespaces(cluster, ["team-a", "team-b"])
    factories.workload(cluster, "team-a", "ftp")
    return factories.variant(cluster)


@pytest.fixture
def owner() -> Actor:
    return actor("owner", namespace="team-a")


@pytest.fixture
def request_(variant: Variant, owner: Actor, now: datetime) -> ExceptionRequest:
    return exceptions.request(wish=wish(variant, now=now), by=owner, now=now)


def last(row: ExceptionRequest) -> AuditEvent:
    return AuditEvent.objects.filter(exception_id=str(row.pk)).latest("pk")


def decided(row: ExceptionRequest, status: S, now: datetime) -> None:
    """Bring the row to a status, as rows know it."""
    columns: dict[str, Any] = {"status": status.value}
    if status not in {S.DRAFT, S.REQUESTED, S.WITHDRAWN, S.LAPSED}:
        columns |= {
            "decided_by_id": factories.user("approver").pk,
            "decided_at": now,
            "comment": "agreed",
            "approved_workloads": row.workloads,
            "approved_ends_at": row.ends_at,
            "in_force_at": now,
        }
    if status in {S.ENDING, S.ENDED}:
        columns |= {"ending_at": now, "ending_reason": "expired"}
    ExceptionRequest.objects.filter(pk=row.pk).update(**columns)


def edit(row: ExceptionRequest, by: Actor, now: datetime, **changes: Any) -> ExceptionRequest:
    return exceptions.edit(
        exception_id=row.pk,
        revision=row.revision,
        wish=wish(row.variant, now=now, **changes),
        by=by,
        now=now,
    )


# Drafts


def test_draft_needs_policy_and_namespace_alone(
    variant: Variant, owner: Actor, now: datetime
) -> None:
    row = exceptions.save_draft(
        wish=ExceptionWish(variant_id=variant.pk, namespace="team-a"), by=owner, now=now
    )

    assert (row.status, row.workloads, row.ends_at, row.requested_at) == ("draft", [], None, None)
    assert last(row).verb == "exception.drafted"


def test_draft_is_kept_again_and_then_asked_for(
    variant: Variant, owner: Actor, now: datetime
) -> None:
    empty = ExceptionWish(variant_id=variant.pk, namespace="team-a")
    row = exceptions.save_draft(wish=empty, by=owner, now=now)
    full = wish(variant, FTP, MAIL, now=now)

    exceptions.save_draft(wish=full, exception_id=row.pk, by=owner, now=now)
    asked = exceptions.request(wish=full, exception_id=row.pk, by=owner, now=now)

    assert (asked.pk, asked.status, asked.requested_at) == (row.pk, "requested", now)
    assert [each["name"] for each in asked.workloads] == ["ftp", "mail"]
    assert ExceptionRequest.objects.count() == 1
    with pytest.raises(WrongState, match="is requested; it is no draft any more"):
        exceptions.save_draft(wish=full, exception_id=row.pk, by=owner, now=now)


def test_draft_of_somebody_else_is_not_touched(
    variant: Variant, owner: Actor, now: datetime
) -> None:
    row = exceptions.save_draft(wish=wish(variant, now=now), by=owner, now=now)

    for act in (exceptions.save_draft, exceptions.request):
        with pytest.raises(NotAllowed, match="Only the person who asked"):
            act(
                wish=wish(variant, now=now),
                exception_id=row.pk,
                by=actor("operator"),
                now=now,
            )
    row.refresh_from_db()
    assert row.status == S.DRAFT


def test_draft_stays_with_its_namespace(variant: Variant, now: datetime) -> None:
    by = actor("operator")
    row = exceptions.save_draft(wish=wish(variant, now=now), by=by, now=now)

    with pytest.raises(Refused, match="stays with its policy and its namespace"):
        exceptions.save_draft(
            wish=wish(variant, now=now, namespace="team-b"), exception_id=row.pk, by=by, now=now
        )
    with pytest.raises(Refused, match="Choose a namespace"):
        exceptions.save_draft(wish=wish(variant, now=now, namespace="*"), by=by, now=now)


# Asking


def test_request_writes_down_what_was_asked(
    variant: Variant, owner: Actor, now: datetime, settings: Settings
) -> None:
    settings.SECPROF_APPROVAL_LAPSES_SECONDS = 60

    row = exceptions.request(wish=wish(variant, MAIL, FTP, now=now), by=owner, now=now)

    row.refresh_from_db()
    assert row.workloads == [
        {"kind": "Deployment", "name": "ftp"},
        {"kind": "Deployment", "name": "mail"},
    ]
    assert row.controls == ["require-seccomp", "deny-unconfined-seccomp"]
    assert (row.revision, row.lapses_at) == (1, now + timedelta(seconds=60))
    event = last(row)
    assert (event.verb, event.actor, event.namespaces) == (
        "exception.requested",
        "owner",
        ["team-a"],
    )
    assert event.message == "The vendor ships no profile yet."
    assert event.details["not_there"] == ["Deployment mail"]


@pytest.mark.parametrize(
    ("by", "says"),
    [
        (lambda: actor("owner", namespace="team-b"), "does not reach that far"),
        (lambda: actor("viewer"), "takes the role"),
        (lambda: actor("approver"), "takes the role"),
        (lambda: actor("auditor"), "takes the role"),
        (lambda: SYSTEM, "People decide"),
    ],
)
def test_request_takes_the_right_role_in_that_namespace(
    variant: Variant, now: datetime, by: Callable[[], Actor], says: str
) -> None:
    for act in (exceptions.request, exceptions.save_draft):
        with pytest.raises(NotAllowed, match=says):
            act(wish=wish(variant, now=now), by=by(), now=now)

    assert not ExceptionRequest.objects.exists()


def test_request_names_everything_that_is_not_right(variant: Variant, now: datetime) -> None:
    with pytest.raises(Refused, match="Say why") as refusal:
        exceptions.request(
            wish=wish(variant, now=now, reason="", ends_at=None), by=actor("operator"), now=now
        )

    assert refusal.value.details == ("Give an end: no exception lasts for ever.",)


def test_request_that_no_pod_could_prove_is_refused(variant: Variant, now: datetime) -> None:
    only_one = wish(variant, now=now, controls=["deny-unconfined-seccomp"])

    with pytest.raises(Refused, match="No pod fails deny-unconfined-seccomp and nothing else"):
        exceptions.request(wish=only_one, by=actor("operator"), now=now)


def test_request_is_bounded_by_the_setting(
    variant: Variant, now: datetime, settings: Settings
) -> None:
    settings.SECPROF_EXCEPTION_MAX_DAYS = 7

    with pytest.raises(Refused, match="at most 7 days"):
        exceptions.request(wish=wish(variant, now=now), by=actor("operator"), now=now)


def test_request_for_what_is_not_there_is_refused(variant: Variant, now: datetime) -> None:
    by = actor("operator")
    with pytest.raises(Refused, match="no such policy"):
        exceptions.request(wish=wish(variant, now=now, variant_id=0), by=by, now=now)
    with pytest.raises(Refused, match="no such exception"):
        exceptions.withdraw(exception_id=UUID(int=7), by=by, now=now)


# Editing and withdrawing


def test_edit_counts_up_and_says_what_changed(
    request_: ExceptionRequest, owner: Actor, now: datetime
) -> None:
    row = edit(request_, owner, now + timedelta(hours=1), workloads=(MAIL,), reason="another")

    row.refresh_from_db()
    assert (row.revision, row.reason, row.status) == (2, "another", S.REQUESTED)
    event = last(row)
    assert event.verb == "exception.edited"
    assert event.details["before"]["workloads"] == [{"kind": "Deployment", "name": "ftp"}]
    assert event.details["workloads"] == [{"kind": "Deployment", "name": "mail"}]


def test_edit_voids_what_was_approved(
    request_: ExceptionRequest, owner: Actor, now: datetime
) -> None:
    decided(request_, S.APPROVED, now)

    row = edit(request_, owner, now, workloads=(FTP, MAIL))

    row.refresh_from_db()
    assert (row.status, row.decided_by, row.decided_at, row.comment) == (
        S.REQUESTED,
        None,
        None,
        "",
    )
    assert (row.approved_workloads, row.approved_ends_at, row.due_at) == ([], None, None)
    assert last(row).message == "What was approved is void."


@pytest.mark.parametrize("status", sorted(set(S) - {S.REQUESTED, S.APPROVED}))
def test_edit_of_anything_else_is_refused(
    request_: ExceptionRequest, owner: Actor, now: datetime, status: S
) -> None:
    decided(request_, status, now)

    with pytest.raises(WrongState):
        edit(request_, owner, now)


def test_edit_of_another_revision_or_by_somebody_else_is_refused(
    request_: ExceptionRequest, owner: Actor, now: datetime
) -> None:
    edit(request_, owner, now)

    with pytest.raises(Refused, match="this is revision 2, you looked at 1"):
        edit(request_, owner, now)
    with pytest.raises(NotAllowed, match="Only the person who asked"):
        edit(request_, actor("operator"), now)
    with pytest.raises(Refused, match="stays with its policy"):
        exceptions.edit(
            exception_id=request_.pk,
            revision=2,
            wish=wish(request_.variant, now=now, namespace="team-b"),
            by=owner,
            now=now,
        )


def test_edit_and_withdrawal_of_what_is_carried_out_are_refused(
    request_: ExceptionRequest, owner: Actor, now: datetime
) -> None:
    decided(request_, S.APPROVED, now)
    factories.flip(
        request_.variant,
        FlipStatus.APPROVED,
        "team-a",
        verb=FlipVerb.EXEMPT,
        exception=request_,
    )

    for act in (
        lambda: edit(request_, owner, now),
        lambda: exceptions.withdraw(exception_id=request_.pk, by=owner, now=now),
    ):
        with pytest.raises(Refused, match="end it instead"):
            act()
    request_.refresh_from_db()
    assert (request_.status, request_.revision) == (S.APPROVED, 1)


@pytest.mark.parametrize("status", [S.DRAFT, S.REQUESTED, S.APPROVED])
def test_withdraw_takes_back_what_is_not_on_a_cluster(
    request_: ExceptionRequest, owner: Actor, now: datetime, status: S
) -> None:
    decided(request_, status, now)

    row = exceptions.withdraw(exception_id=request_.pk, by=owner, now=now)

    row.refresh_from_db()
    assert (row.status, row.closed_at) == (S.WITHDRAWN, now)
    assert last(row).verb == "exception.withdrawn"
    with pytest.raises(WrongState):
        exceptions.withdraw(exception_id=request_.pk, by=owner, now=now)


@pytest.mark.parametrize("status", sorted(set(S) - {S.DRAFT, S.REQUESTED, S.APPROVED}))
def test_withdraw_of_anything_else_is_refused(
    request_: ExceptionRequest, owner: Actor, now: datetime, status: S
) -> None:
    decided(request_, status, now)

    with pytest.raises(WrongState):
        exceptions.withdraw(exception_id=request_.pk, by=owner, now=now)


def test_withdraw_is_for_whoever_asked(request_: ExceptionRequest, now: datetime) -> None:
    for by in (actor("operator"), actor("admin"), actor("approver")):
        with pytest.raises(NotAllowed):
            exceptions.withdraw(exception_id=request_.pk, by=by, now=now)


# Declining and lapsing


def decline(row: ExceptionRequest, by: Actor, now: datetime, **changes: Any) -> ExceptionRequest:
    values: dict[str, Any] = {"revision": row.revision, "comment": "use the default profile"}
    return exceptions.decline(exception_id=row.pk, by=by, now=now, **values | changes)


def test_decline_says_why(request_: ExceptionRequest, now: datetime) -> None:
    row = decline(request_, actor("approver"), now)

    row.refresh_from_db()
    assert (row.status, row.comment, row.closed_at) == (S.DECLINED, "use the default profile", now)
    event = last(row)
    assert (event.verb, event.message) == ("exception.declined", "use the default profile")
    with pytest.raises(WrongState, match="is declined"):
        decline(request_, actor("approver"), now)


def test_decision_is_refused_to_the_wrong_people(
    request_: ExceptionRequest, owner: Actor, now: datetime
) -> None:
    both = Actor("owner", owner.user_id, everywhere(Role.OWNER, Role.APPROVER))
    elsewhere = actor("approver", namespace="team-b")
    cases = [
        (both, "You asked for this exception"),
        (elsewhere, "does not reach that far"),
        (actor("operator"), "takes the role"),
        (SYSTEM, "People decide"),
    ]
    for by, says in cases:
        with pytest.raises(NotAllowed, match=says):
            decline(request_, by, now)
        with pytest.raises(NotAllowed, match=says):
            exceptions.approve(exception_id=request_.pk, revision=1, comment="yes", by=by, now=now)


def test_decision_needs_comment_and_the_revision_that_was_looked_at(
    request_: ExceptionRequest, owner: Actor, now: datetime
) -> None:
    by = actor("approver")
    with pytest.raises(Refused, match="Say why you decline"):
        decline(request_, by, now, comment=" ")
    with pytest.raises(Refused, match="Say why you agree"):
        exceptions.approve(exception_id=request_.pk, revision=1, comment="", by=by, now=now)
    edit(request_, owner, now)
    with pytest.raises(Refused, match="you looked at 1. Look again"):
        decline(request_, by, now)


def test_decision_that_somebody_else_takes_first_is_told(
    request_: ExceptionRequest, now: datetime
) -> None:
    def overtake(carry_out: Callable[..., Any], sql: str, *rest: Any) -> Any:
        if "policies_exceptionrequest" in sql and sql.startswith("UPDATE") and not overtaken:
            overtaken.append(True)
            ExceptionRequest.objects.filter(pk=request_.pk).update(status=S.WITHDRAWN.value)
        return carry_out(sql, *rest)

    overtaken: list[bool] = []
    with connection.execute_wrapper(overtake), pytest.raises(Busy, match="Somebody else"):
        decline(request_, actor("approver"), now)

    assert not AuditEvent.objects.filter(verb="exception.declined").exists()


def test_request_lapses_when_nobody_decides(request_: ExceptionRequest, now: datetime) -> None:
    late = request_.lapses_at
    by = actor("approver")
    with pytest.raises(Refused, match="has lapsed"):
        decline(request_, by, late)
    assert exceptions.lapse_unanswered(now=late - timedelta(seconds=1)) == 0

    assert exceptions.lapse_unanswered(now=late) == 1
    assert exceptions.lapse_unanswered(now=late) == 0

    request_.refresh_from_db()
    assert (request_.status, request_.closing_message) == (S.LAPSED, "Nobody decided in time.")
    assert last(request_).actor == "system"


def test_request_lapses_at_the_end_that_it_asks_for(
    variant: Variant, owner: Actor, now: datetime
) -> None:
    soon = now + timedelta(hours=1)
    row = exceptions.request(wish=wish(variant, now=now, ends_at=soon), by=owner, now=now)

    with pytest.raises(Refused, match="The end that it asks for has come"):
        decline(row, actor("approver"), soon)
    assert exceptions.lapse_unanswered(now=soon) == 1
    row.refresh_from_db()
    assert row.closing_message == "Its end came before anybody decided."


# Approving, as far as no cluster is needed


@pytest.mark.parametrize(
    ("part", "says"),
    [
        ({"workloads": []}, "at least one workload"),
        ({"workloads": [MAIL]}, "Nobody asked for Deployment mail"),
        ({"workloads": [FTP, FTP]}, "named twice"),
        ({"ends_at": timedelta(days=31)}, "or to an earlier one"),
        ({"ends_at": timedelta(days=-1)}, "in the future"),
    ],
)
def test_approval_of_more_than_was_asked_is_refused(
    request_: ExceptionRequest, now: datetime, part: dict[str, Any], says: str
) -> None:
    if "ends_at" in part:
        part = {"ends_at": now + part["ends_at"]}

    with pytest.raises(Refused, match=says):
        exceptions.approve(
            exception_id=request_.pk,
            revision=1,
            comment="yes",
            by=actor("approver"),
            now=now,
            **part,
        )

    request_.refresh_from_db()
    assert request_.status == S.REQUESTED


@pytest.mark.parametrize("status", sorted(set(S) - {S.REQUESTED}))
def test_approval_of_anything_but_a_request_is_refused(
    request_: ExceptionRequest, now: datetime, status: S
) -> None:
    decided(request_, status, now)

    with pytest.raises((WrongState, Refused)):
        exceptions.approve(
            exception_id=request_.pk, revision=1, comment="yes", by=actor("approver"), now=now
        )
    assert not Flip.objects.exists()


def test_try_again_of_a_request_is_refused(request_: ExceptionRequest, now: datetime) -> None:
    with pytest.raises(WrongState, match="is requested; it has not failed"):
        exceptions.try_again(exception_id=request_.pk, by=actor("operator"), now=now)


def test_request_that_is_withdrawn_while_it_lapses_does_not_lapse(
    request_: ExceptionRequest,
) -> None:
    def overtake(carry_out: Callable[..., Any], sql: str, *rest: Any) -> Any:
        if "policies_exceptionrequest" in sql and sql.startswith("UPDATE") and not overtaken:
            overtaken.append(True)
            ExceptionRequest.objects.filter(pk=request_.pk).update(status=S.WITHDRAWN.value)
        return carry_out(sql, *rest)

    overtaken: list[bool] = []
    with connection.execute_wrapper(overtake):
        assert exceptions.lapse_unanswered(now=request_.lapses_at) == 0

    assert not AuditEvent.objects.filter(verb="exception.lapsed").exists()


def test_draft_that_is_sent_off_while_it_is_saved_is_told(
    variant: Variant, owner: Actor, now: datetime
) -> None:
    row = exceptions.save_draft(wish=wish(variant, now=now), by=owner, now=now)

    def overtake(carry_out: Callable[..., Any], sql: str, *rest: Any) -> Any:
        if "policies_exceptionrequest" in sql and sql.startswith("UPDATE") and not overtaken:
            overtaken.append(True)
            ExceptionRequest.objects.filter(pk=row.pk).update(
                status=S.REQUESTED.value, requested_at=now
            )
        return carry_out(sql, *rest)

    overtaken: list[bool] = []
    with connection.execute_wrapper(overtake), pytest.raises(Busy, match="just changed"):
        exceptions.save_draft(
            wish=wish(variant, now=now, reason="late"), exception_id=row.pk, by=owner, now=now
        )
