"""The ladder of a rollout in words: what each step does, how it stands, how often it was tried."""

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings

from policies.domain.lifecycle import StepKind
from policies.queries.flips import Progress, Step
from policies.web.marks import Mark, mark_of
from policies.web.words import count_of

_TITLES = {
    StepKind.CHECK: "Ground checked again",
    StepKind.DRY_RUN: "Dry-run",
    StepKind.APPLY: "Apply",
    StepKind.READ_BACK: "Read back",
    StepKind.PROVE_REFUSED: "A bad pod is refused",
    StepKind.PROVE_ADMITTED: "A good pod is admitted",
    StepKind.PROVE_NEIGHBOUR: "The neighbour is untouched",
    StepKind.PROVE_WARNED: "A bad pod is admitted, with a warning",
    StepKind.PROVE_EXEMPT: "A bad pod of an exempted workload is admitted",
    StepKind.PROVE_NOT_EXEMPT: "A bad pod beside it is not exempt",
    StepKind.PROVE_JUDGED: "A bad pod that was exempted is judged again",
}


@dataclass(frozen=True, slots=True)
class Rung:
    """One step as it stands on the ladder."""

    key: str
    title: str
    subject: str
    mark: Mark
    is_plain: bool
    """Waiting or done: its shape says enough beside the title."""
    tries: str
    seconds: str
    at: datetime | None
    detail: str
    answer: str


@dataclass(frozen=True, slots=True)
class ShownLadder:
    """The rungs of one namespace, or of the policy objects."""

    title: str
    rungs: tuple[Rung, ...]


def shown_ladders(progress: Progress) -> tuple[ShownLadder, ...]:
    """Word every ladder of a rollout."""
    return tuple(
        ShownLadder(ladder.namespace or "On the cluster", tuple(_rung(s) for s in ladder.steps))
        for ladder in progress.ladders
    )


def _rung(step: Step) -> Rung:
    return Rung(
        key=f"step-{step.position}",
        title=_TITLES[StepKind(step.kind)],
        subject=step.object_name,
        mark=mark_of("step", step.status),
        is_plain=step.status == "done",
        tries=_tries(step),
        seconds=_seconds(step),
        at=step.finished_at or step.started_at,
        detail=step.detail,
        answer=step.answer,
    )


def _tries(step: Step) -> str:
    if not step.kind.startswith("prove-") or not step.tries:
        return ""
    in_a_row = f"{step.agreed}/{settings.SECPROF_PROOF_IN_A_ROW}"
    more = step.tries > step.agreed
    return f"{in_a_row} after {count_of(step.tries, 'try', 'tries')}" if more else in_a_row


def _seconds(step: Step) -> str:
    if step.started_at is None or step.finished_at is None:
        return ""
    return f"{(step.finished_at - step.started_at).total_seconds():.1f} s"
