"""The states of flips, exceptions, rollouts and steps, and the only ways from one to another."""

from enum import StrEnum


class FlipVerb(StrEnum):
    """What a flip asks for."""

    INSTALL = "install"
    """Put the Audit policy on the cluster."""
    ENFORCE = "enforce"
    ROLLBACK = "rollback"
    EXEMPT = "exempt"
    """Put an approved exception into force."""
    END_EXEMPTION = "end-exemption"
    REMOVE_EXCEPTION = "remove-exception"
    """Take an exception off the cluster that secprof did not make."""


class FlipStatus(StrEnum):
    REQUESTED = "requested"
    APPROVED = "approved"
    ROLLING = "rolling"
    PROVEN = "proven"
    FAILED = "failed"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"
    LAPSED = "lapsed"
    STALE = "stale"
    SUPERSEDED = "superseded"


class ExceptionStatus(StrEnum):
    DRAFT = "draft"
    REQUESTED = "requested"
    APPROVED = "approved"
    """Being carried out, or waiting for it."""
    IN_FORCE = "in-force"
    """On the cluster and proven."""
    FAILED = "failed"
    """Carried out and not proven; what was written may still be there."""
    ENDING = "ending"
    """Being taken off the cluster, until that is proven."""
    ENDED = "ended"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"
    LAPSED = "lapsed"


class RolloutStatus(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    PROVEN = "proven"
    FAILED = "failed"
    STALE = "stale"
    SUPERSEDED = "superseded"


class StepKind(StrEnum):
    CHECK = "check"
    """Read the ground again: has anything moved since the plan?"""
    DRY_RUN = "dry-run"
    APPLY = "apply"
    READ_BACK = "read-back"
    PROVE_REFUSED = "prove-refused"
    PROVE_ADMITTED = "prove-admitted"
    PROVE_NEIGHBOUR = "prove-neighbour"
    PROVE_WARNED = "prove-warned"
    PROVE_EXEMPT = "prove-exempt"
    """A pod of an exempted workload that fails the policy is let through without a word."""
    PROVE_NOT_EXEMPT = "prove-not-exempt"
    """A pod beside it, as bad, is judged as ever."""
    PROVE_JUDGED = "prove-judged"
    """A pod that was exempted is judged again."""


class StepStatus(StrEnum):
    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"


FLIP_TRANSITIONS: dict[FlipStatus, frozenset[FlipStatus]] = {
    FlipStatus.REQUESTED: frozenset(
        {
            FlipStatus.APPROVED,
            FlipStatus.DECLINED,
            FlipStatus.WITHDRAWN,
            FlipStatus.LAPSED,
            FlipStatus.STALE,
            FlipStatus.SUPERSEDED,
        }
    ),
    FlipStatus.APPROVED: frozenset(
        {FlipStatus.ROLLING, FlipStatus.STALE, FlipStatus.SUPERSEDED, FlipStatus.FAILED}
    ),
    FlipStatus.ROLLING: frozenset(
        {FlipStatus.PROVEN, FlipStatus.FAILED, FlipStatus.STALE, FlipStatus.SUPERSEDED}
    ),
    FlipStatus.PROVEN: frozenset(),
    FlipStatus.FAILED: frozenset(),
    FlipStatus.DECLINED: frozenset(),
    FlipStatus.WITHDRAWN: frozenset(),
    FlipStatus.LAPSED: frozenset(),
    FlipStatus.STALE: frozenset(),
    FlipStatus.SUPERSEDED: frozenset(),
}

ROLLOUT_TRANSITIONS: dict[RolloutStatus, frozenset[RolloutStatus]] = {
    RolloutStatus.QUEUED: frozenset({RolloutStatus.RUNNING, RolloutStatus.SUPERSEDED}),
    RolloutStatus.RUNNING: frozenset(
        {
            RolloutStatus.PROVEN,
            RolloutStatus.FAILED,
            RolloutStatus.STALE,
            RolloutStatus.SUPERSEDED,
        }
    ),
    RolloutStatus.PROVEN: frozenset(),
    RolloutStatus.FAILED: frozenset(),
    RolloutStatus.STALE: frozenset(),
    RolloutStatus.SUPERSEDED: frozenset(),
}

EXCEPTION_TRANSITIONS: dict[ExceptionStatus, frozenset[ExceptionStatus]] = {
    ExceptionStatus.DRAFT: frozenset({ExceptionStatus.REQUESTED, ExceptionStatus.WITHDRAWN}),
    ExceptionStatus.REQUESTED: frozenset(
        {
            ExceptionStatus.APPROVED,
            ExceptionStatus.DECLINED,
            ExceptionStatus.WITHDRAWN,
            ExceptionStatus.LAPSED,
        }
    ),
    # An edit voids the approval. What was never written is ended by word alone; what may have been, on the cluster.
    ExceptionStatus.APPROVED: frozenset(
        {
            ExceptionStatus.REQUESTED,
            ExceptionStatus.IN_FORCE,
            ExceptionStatus.FAILED,
            ExceptionStatus.WITHDRAWN,
            ExceptionStatus.ENDING,
            ExceptionStatus.ENDED,
        }
    ),
    ExceptionStatus.FAILED: frozenset(
        {ExceptionStatus.APPROVED, ExceptionStatus.ENDING, ExceptionStatus.ENDED}
    ),
    ExceptionStatus.IN_FORCE: frozenset({ExceptionStatus.ENDING}),
    ExceptionStatus.ENDING: frozenset({ExceptionStatus.ENDED}),
    ExceptionStatus.DECLINED: frozenset(),
    ExceptionStatus.WITHDRAWN: frozenset(),
    ExceptionStatus.LAPSED: frozenset(),
    ExceptionStatus.ENDED: frozenset(),
}

EXEMPTING_VERBS = frozenset({FlipVerb.EXEMPT, FlipVerb.END_EXEMPTION})
"""What is asked for by an exception, and by nothing else."""
OPEN_FLIP_STATUSES = frozenset(s for s, following in FLIP_TRANSITIONS.items() if following)
ACTIVE_ROLLOUT_STATUSES = frozenset(s for s, following in ROLLOUT_TRANSITIONS.items() if following)


class WrongState(Exception):
    """The thing is not in a state from which this may be done."""


def check_flip(current: FlipStatus, wanted: FlipStatus) -> None:
    """Raise WrongState unless a flip may go from one status to the other."""
    if wanted not in FLIP_TRANSITIONS[current]:
        raise WrongState(f"This flip is {current}; it cannot become {wanted} any more.")


def check_exception(current: ExceptionStatus, wanted: ExceptionStatus) -> None:
    """Raise WrongState unless an exception may go from one status to the other."""
    if wanted not in EXCEPTION_TRANSITIONS[current]:
        raise WrongState(f"This exception is {current}; it cannot become {wanted} any more.")


def flips_that_may_become(wanted: FlipStatus) -> tuple[FlipStatus, ...]:
    """Name the statuses from which a flip may become this one."""
    return tuple(s for s, following in FLIP_TRANSITIONS.items() if wanted in following)
