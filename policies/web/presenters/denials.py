"""Denials in words: who was refused, whether that is the policy's work or trouble, and since which flip."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from policies.domain.answers import AnswerOutcome
from policies.domain.authority import Act, Actor
from policies.domain.denials import Attempt
from policies.queries.denials import DenialRow, DenialState, Said
from policies.web.actors import Permit, permit
from policies.web.words import count_of, day, listed

ATTEMPTS = ((Attempt.CONTROLLER.value, "controllers"), (Attempt.HAND.value, "by hand"))
NAMED = 3
"""Workloads that a line on the first page names."""


@dataclass(frozen=True, slots=True)
class ShownDenial:
    """One row."""

    row: DenialRow
    mark: str
    sentence: str
    since: str
    """`since the flip of 12 Jan 2027`; empty where nothing is proven to be enforced."""
    times: str
    texts: tuple[Said, ...]


@dataclass(frozen=True, slots=True)
class StuckLine:
    """The workloads of one namespace that lack pods since one flip."""

    key: str
    subject: str
    sentence: str
    cluster: str
    namespace: str
    variant_id: int
    flip_id: UUID | None
    at: datetime
    may_roll_back: Permit


def shown_denials(rows: Iterable[DenialRow]) -> tuple[ShownDenial, ...]:
    """Word some rows."""
    return tuple(
        ShownDenial(
            row=row,
            mark=row.state.value,
            sentence=_sentence(row),
            since=_since(row),
            times=count_of(row.count, "time"),
            texts=row.texts,
        )
        for row in rows
    )


def stuck_lines(rows: Iterable[DenialRow], actor: Actor) -> tuple[StuckLine, ...]:
    """Gather what is stuck by namespace and flip, in the order of its newest row."""
    found: dict[tuple[int, str, str], list[DenialRow]] = {}
    for row in rows:
        found.setdefault((row.cluster_id, row.variant, row.namespace), []).append(row)
    return tuple(line for group in found.values() for line in _line(group, actor))


def _line(group: list[DenialRow], actor: Actor) -> Iterable[StuckLine]:
    first = group[0]
    if first.variant_id is None:
        return
    workloads = tuple(dict.fromkeys(f"{row.kind} {row.name}" for row in group))
    yield StuckLine(
        key=f"{first.cluster_id}-{first.variant_id}-{first.namespace}",
        subject=f"{listed(workloads, limit=NAMED)} in {first.namespace}",
        sentence=_stuck_sentence(group, "their pods" if len(workloads) > 1 else _lacking(first)),
        cluster=first.cluster,
        namespace=first.namespace,
        variant_id=first.variant_id,
        flip_id=first.flipped.flip_id if first.flipped else None,
        at=max(row.last_at for row in group),
        may_roll_back=permit(actor, Act.ROLL_BACK, at=first.place),
    )


def _stuck_sentence(group: list[DenialRow], lacking: str) -> str:
    first = group[0]
    times = count_of(sum(row.count for row in group), "time")
    since = f" since the flip of {day(first.flipped.at)}" if first.flipped else ""
    doubt = "" if first.flipped else " Nothing proves that it is enforced there."
    return f"Cannot create {lacking}{since}: {first.variant} refused them {times}.{doubt}"


def _lacking(row: DenialRow) -> str:
    return "its Jobs" if row.kind == "CronJob" else "its pods"


def _sentence(row: DenialRow) -> str:
    match row.state:
        case DenialState.STUCK:
            return f"Its controller cannot create {_lacking(row)}."
        case DenialState.UNJUDGED:
            return _unjudged(row)
        case DenialState.TRIED:
            return "Tried by hand or by a pipeline: the policy did its work."
        case DenialState.OTHER:
            return "By a policy or webhook that is not secprof's."
    if not row.is_there:
        return "Its controller was refused; the workload is gone."
    if row.flipped is None and not row.is_named:
        return "Its controller was refused; the policy refuses nothing here now."
    return "Its controller was refused, and has not been refused again."


def _unjudged(row: DenialRow) -> str:
    if row.outcome is AnswerOutcome.ENGINE_DOWN:
        return "The engine did not answer, so nothing could be judged."
    return "The policy could not judge it."


def _since(row: DenialRow) -> str:
    if row.flipped is None:
        return ""
    word = "since" if row.is_since_the_flip else "before"
    return f"{word} the flip of {day(row.flipped.at)}"
