"""Folding denials by workload, and counting each event once."""

from datetime import UTC, datetime, timedelta

import pytest

from policies.domain.answers import AnswerOutcome
from policies.domain.denial_folding import Fold, Owner, fold, named_owner, total
from policies.domain.denials import Attempt, Denial, Refusal

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
OWNERS = (
    Owner("Deployment", "web"),
    Owner("Deployment", "web-api"),
    Owner("StatefulSet", "db"),
    Owner("CronJob", "nightly"),
    Owner("DaemonSet", "agent"),
    Owner("Job", "once"),
    Owner("Pod", "bare"),
)


@pytest.mark.parametrize(
    ("kind", "name", "expected"),
    [
        ("Pod", "web-6c4f9d7b8-x2x4z", ("Deployment", "web")),
        ("Pod", "web-api-6c4f9d7b8-x2x4z", ("Deployment", "web-api")),
        ("ReplicaSet", "web-6c4f9d7b8", ("Deployment", "web")),
        ("Pod", "db-0", ("StatefulSet", "db")),
        ("Job", "nightly-29400060", ("CronJob", "nightly")),
        ("Pod", "nightly-29400060-x2x4z", ("CronJob", "nightly")),
        ("Pod", "agent-x2x4z", ("DaemonSet", "agent")),
        ("Pod", "once-x2x4z", ("Job", "once")),
        ("Pod", "web", ("Pod", "web")),
        ("Pod", "web-debug", ("Pod", "web-debug")),
        ("Pod", "bare-x2x4z", ("Pod", "bare-x2x4z")),
        ("Deployment", "web", ("Deployment", "web")),
        ("Deployment", "web-6c4f9d7b8", ("Deployment", "web-6c4f9d7b8")),
        ("Job", "nightly-by-hand", ("Job", "nightly-by-hand")),
    ],
)
def test_owner_is_told_by_a_name_that_only_it_would_give(
    kind: str, name: str, expected: tuple[str, str]
) -> None:
    assert named_owner(kind, name, OWNERS) == expected


def denial(name: str, *, event: str = "e", attempt: Attempt = Attempt.CONTROLLER) -> Denial:
    age = timedelta(minutes=len(event))
    return Denial(
        refusal=Refusal(AnswerOutcome.REFUSED, "s-enforce", "require-seccomp", "Set it."),
        attempt=attempt,
        event=event,
        namespace="shop",
        kind="Pod" if attempt is Attempt.HAND else "ReplicaSet",
        name=name,
        uid="",
        count=3,
        first_at=NOW - 2 * age,
        last_at=NOW - age,
        text="said",
    )


def by_name(denial: Denial) -> Owner:
    return named_owner(denial.kind, denial.name, OWNERS)


def test_fold_gathers_the_events_of_all_revisions_of_a_workload() -> None:
    found = fold([denial("web-6c4f9", event="older"), denial("web-7d5f9", event="new")], by_name)

    ((key, folded),) = found.items()
    assert key == Fold(
        "shop", "Deployment", "web", "s-enforce", "require-seccomp", Attempt.CONTROLLER
    )
    assert folded.newest.name == "web-7d5f9"
    assert folded.counted == {"older": 3, "new": 3}
    assert folded.first_at == NOW - timedelta(minutes=10)


def test_fold_leaves_a_controllers_pod_to_its_controller_and_keeps_what_was_tried_by_hand() -> None:
    tried = denial("tried", attempt=Attempt.HAND)

    found = fold([denial("web-6c4f9d7b8-x2x4z", attempt=Attempt.HAND), tried], by_name)

    assert [(key.top_kind, key.top_name) for key in found] == [("Pod", "tried")]


@pytest.mark.parametrize(
    ("stored_count", "stored", "read", "expected"),
    [
        (0, {}, {"a": 3}, 3),
        (3, {"a": 3}, {"a": 3}, 3),
        (3, {"a": 3}, {"a": 5, "b": 1}, 6),
        # Its event expired meanwhile, and another one began.
        (5, {"a": 5}, {"b": 2}, 7),
        (5, {"a": 5}, {"a": 2}, 5),
        (0, {}, {"condition:u": 0}, 1),
        (1, {"condition:u": 0}, {"condition:u": 0}, 1),
        (3, {}, {"a": 10**30}, 2**31 - 1),
    ],
)
def test_total_counts_no_event_twice(
    stored_count: int, stored: dict[str, int], read: dict[str, int], expected: int
) -> None:
    assert total(stored_count, stored, read) == expected
