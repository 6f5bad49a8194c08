"""What no row of an exception can be, whatever an action forgets: the database's own constraints, by name."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from policies.actions.exception_rows import exception_behind
from policies.domain.lifecycle import ExceptionStatus, FlipStatus, FlipVerb
from policies.models import ExceptionRequest, Flip, Variant
from tests import factories

pytestmark = pytest.mark.django_db

NOW = timezone.now()
S = ExceptionStatus


@pytest.fixture
def variant() -> Variant:
    return factories.variant(factories.cluster())


def row(variant: Variant, **changes: Any) -> ExceptionRequest:
    """An exception in force, as it must be, with some changes."""
    values: dict[str, Any] = {
        "namespace": "team-a",
        "workloads": [{"kind": "Deployment", "name": "ftp"}],
        "controls": ["require-seccomp"],
        "reason": "because",
        "ends_at": NOW + timedelta(days=9),
        "status": S.IN_FORCE.value,
        "requested_by": factories.user("owner"),
        "created_at": NOW,
        "requested_at": NOW,
        "decided_by": factories.user("approver"),
        "decided_at": NOW,
        "comment": "agreed",
        "approved_ends_at": NOW + timedelta(days=9),
        "in_force_at": NOW,
    }
    return ExceptionRequest.objects.create(variant=variant, **values | changes)


ENDED = {"status": S.ENDED.value, "ending_at": NOW, "ending_reason": "expired"}
UNDECIDED = {
    "decided_by": None,
    "decided_at": None,
    "comment": "",
    "approved_ends_at": None,
    "in_force_at": None,
}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        ENDED,
        {"status": S.REQUESTED.value, **UNDECIDED},
        {"status": S.DRAFT.value, **UNDECIDED, "ends_at": None, "requested_at": None},
    ],
)
def test_row_that_is_right_is_stored(variant: Variant, changes: dict[str, Any]) -> None:
    assert row(variant, **changes).pk


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("an_exceptions_decision_has_its_person_and_time", {"decided_at": None}),
        ("an_exceptions_decision_has_a_comment", {"comment": ""}),
        ("no_exception_without_an_approval_and_an_end", {"approved_ends_at": None}),
        ("no_exception_without_an_approval_and_an_end", UNDECIDED | {"status": "approved"}),
        (
            "no_exception_lasts_longer_than_asked_for",
            {"approved_ends_at": NOW + timedelta(days=10)},
        ),
        ("exception_status_is_known", {"status": "waived"}),
        ("only_a_draft_has_no_end", UNDECIDED | {"status": "requested", "ends_at": None}),
        ("only_a_draft_has_no_end", UNDECIDED | {"status": "requested", "requested_at": None}),
        ("an_exceptions_end_has_its_time_and_reason", ENDED | {"ending_reason": ""}),
        ("an_exceptions_end_has_its_time_and_reason", {"ending_reason": "expired"}),
        ("nothing_ends_without_a_reason", {"status": "ended"}),
        ("nothing_ends_without_a_reason", {"status": "ending"}),
        ("in_force_is_only_what_was_proven", {"in_force_at": None}),
    ],
)
def test_row_that_cannot_be_is_refused(
    variant: Variant, name: str, changes: dict[str, Any]
) -> None:
    with pytest.raises(IntegrityError, match=name), transaction.atomic():
        row(variant, **changes)


def test_nobody_decides_on_their_own_exception(variant: Variant) -> None:
    with (
        pytest.raises(IntegrityError, match="nobody_decides_on_their_own_exception"),
        transaction.atomic(),
    ):
        row(variant, decided_by=factories.user("owner"))


def test_flip_has_an_exception_if_and_only_if_it_carries_one_out(variant: Variant) -> None:
    exception = row(variant)
    for verb, behind in ((FlipVerb.EXEMPT, None), (FlipVerb.ENFORCE, exception)):
        with (
            pytest.raises(IntegrityError, match="a_flip_that_exempts_has_its_exception"),
            transaction.atomic(),
        ):
            factories.flip(variant, FlipStatus.PROVEN, "team-a", verb=verb, exception=behind)


def test_flip_names_the_exception_behind_it(variant: Variant) -> None:
    exception = row(variant)
    carries = {"verb": FlipVerb.EXEMPT, "exception": exception}

    flip = factories.flip(variant, FlipStatus.PROVEN, "team-a", **carries)

    assert exception_behind(flip) == exception.pk
    with pytest.raises(ValueError, match="No exception stands behind"):
        exception_behind(factories.flip(variant, FlipStatus.PROVEN, "team-a"))


def test_exception_has_one_open_flip(variant: Variant) -> None:
    exception = row(variant)
    options = {"verb": FlipVerb.EXEMPT, "exception": exception}
    factories.flip(variant, FlipStatus.STALE, "team-a", **options)
    factories.flip(variant, FlipStatus.ROLLING, "team-a", **options)

    with pytest.raises(IntegrityError), transaction.atomic():
        factories.flip(variant, FlipStatus.APPROVED, "team-a", **options)
    assert Flip.objects.filter(exception=exception).count() == 2


def test_flips_of_exceptions_leave_room_for_a_flip_of_the_variant(variant: Variant) -> None:
    for _ in range(2):
        factories.flip(
            variant, FlipStatus.ROLLING, "team-a", verb=FlipVerb.EXEMPT, exception=row(variant)
        )

    assert factories.flip(variant, FlipStatus.REQUESTED, "team-b").pk
    with pytest.raises(IntegrityError), transaction.atomic():
        factories.flip(variant, FlipStatus.REQUESTED, "team-c")


def test_end_of_an_exemption_may_go_ahead_alone_and_its_beginning_not(variant: Variant) -> None:
    alone = {"decided_by": None, "decided_at": None}
    ends = {"verb": FlipVerb.END_EXEMPTION, "exception": row(variant)}
    assert factories.flip(variant, FlipStatus.APPROVED, "team-a", **ends, **alone).pk

    begins = {"verb": FlipVerb.EXEMPT, "exception": row(variant)}
    with (
        pytest.raises(IntegrityError, match="only_a_rollback_goes_ahead_alone"),
        transaction.atomic(),
    ):
        factories.flip(variant, FlipStatus.APPROVED, "team-a", **begins, **alone)
