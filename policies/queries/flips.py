"""Flips as pages show them: who waits for whom, lists, and one flip with its ladder."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from django.db.models import Q, QuerySet

from policies.domain.lifecycle import (
    ACTIVE_ROLLOUT_STATUSES,
    OPEN_FLIP_STATUSES,
    FlipStatus,
    FlipVerb,
    StepStatus,
)
from policies.domain.plans import Plan
from policies.models import Flip, Rollout, RolloutStep, Stage
from policies.queries.plans import HIDDEN, SeenPlan, seen_plan
from policies.queries.reach import Reach

PAGE_SIZE = 50


class FlipFilter(StrEnum):
    OPEN = "open"
    MINE = "mine"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class FlipRow:
    """One flip in a list."""

    id: UUID
    title: str
    cluster: str
    verb: str
    status: str
    requested_by: str
    requested_at: datetime
    decided_by: str
    changed_at: datetime
    """The newest of its times."""
    progress: str
    """`3 of 9 steps` while it rolls out; empty otherwise."""


@dataclass(frozen=True, slots=True)
class FlipList:
    """One page of flips."""

    rows: tuple[FlipRow, ...]
    total_count: int
    page: int
    page_count: int


@dataclass(frozen=True, slots=True)
class Step:
    """One rung of the ladder."""

    kind: str
    object_kind: str
    object_name: str
    status: str
    started_at: datetime | None
    finished_at: datetime | None
    tries: int
    agreed: int
    detail: str
    answer: str
    position: int


@dataclass(frozen=True, slots=True)
class Ladder:
    """The steps of one namespace, or of the policy objects when the namespace is empty."""

    namespace: str
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a rollout has got."""

    status: str
    message: str
    started_at: datetime | None
    finished_at: datetime | None
    done_count: int
    step_count: int
    ladders: tuple[Ladder, ...]
    is_active: bool
    fingerprint: str
    """Changes whenever something on the ladder does."""


@dataclass(frozen=True, slots=True)
class FlipPage:
    """One flip with its frozen plan."""

    id: UUID
    exception_id: UUID | None
    """What it carries out or ends; None for every other flip."""
    variant_id: int
    variant: str
    cluster_id: int
    cluster: str
    verb: FlipVerb
    namespaces: tuple[str, ...]
    status: FlipStatus
    plan: SeenPlan
    plan_digest: str
    reason: str
    override_reason: str
    requested_by: str
    requested_by_id: int
    requested_at: datetime
    lapses_at: datetime
    decided_by: str
    decided_at: datetime | None
    comment: str
    closed_at: datetime | None
    closing_message: str
    can_be_rolled_back: bool
    """It asked to enforce, it ended proven or failed, and some of its namespaces may still be enforced."""
    progress: Progress | None


def waiting_count(*, reach: Reach, by_user_id: int | None) -> int:
    """Count the flips in reach that wait for a decision by somebody else than their requester."""
    waiting = reach.flips().filter(status=FlipStatus.REQUESTED)
    return waiting.exclude(requested_by_id=by_user_id).count()


def flip_rows(flips: Iterable[Flip]) -> tuple[FlipRow, ...]:
    """Make rows of flips that come with variant, cluster, people and rollout steps."""
    return tuple(_row(flip) for flip in flips)


def related(flips: QuerySet[Flip]) -> QuerySet[Flip]:
    """Load what rows of flips need, in two queries."""
    return flips.select_related(
        "variant__cluster", "requested_by", "decided_by", "rollout"
    ).prefetch_related("rollout__steps")


def flip_list(*, reach: Reach, which: FlipFilter, user_id: int | None, page: int) -> FlipList:
    """List the flips in reach, newest first."""
    flips = reach.flips()
    if which is FlipFilter.OPEN:
        flips = flips.filter(status__in=OPEN_FLIP_STATUSES)
    if which is FlipFilter.MINE:
        flips = flips.filter(Q(requested_by_id=user_id) | Q(decided_by_id=user_id))
    total = flips.count()
    pages = max(1, -(-total // PAGE_SIZE))
    number = min(max(1, page), pages)
    start = (number - 1) * PAGE_SIZE
    found = related(flips).order_by("-requested_at")[start : start + PAGE_SIZE]
    return FlipList(flip_rows(found), total, number, pages)


def flip_page(flip: Flip, *, reach: Reach) -> FlipPage:
    """Load one flip in reach (with variant, cluster and people) and its ladder."""
    plan = seen_plan(Plan.from_json(flip.plan), cluster_id=flip.variant.cluster_id, reach=reach)
    return FlipPage(
        id=flip.pk,
        exception_id=flip.exception_id,
        variant_id=flip.variant_id,
        variant=flip.variant.name,
        cluster_id=flip.variant.cluster_id,
        cluster=flip.variant.cluster.name,
        verb=FlipVerb(flip.verb),
        namespaces=tuple(flip.namespaces),
        status=FlipStatus(flip.status),
        plan=plan,
        plan_digest=flip.plan_digest,
        reason=flip.reason,
        override_reason=flip.override_reason,
        requested_by=flip.requested_by.get_username(),
        requested_by_id=flip.requested_by_id,
        requested_at=flip.requested_at,
        lapses_at=flip.lapses_at,
        decided_by=flip.decided_by.get_username() if flip.decided_by else "",
        decided_at=flip.decided_at,
        comment=flip.comment,
        closed_at=flip.closed_at,
        closing_message=plan.text(flip.closing_message),
        can_be_rolled_back=_can_be_rolled_back(flip),
        progress=_progress_of(flip, plan),
    )


def closing_message(flip: Flip, *, reach: Reach) -> str:
    """Say how a flip (with its variant) ended, as far as that is seen."""
    plan = Plan.from_json(flip.plan)
    return seen_plan(plan, cluster_id=flip.variant.cluster_id, reach=reach).text(
        flip.closing_message
    )


def _progress_of(flip: Flip, plan: SeenPlan) -> Progress | None:
    """Read how far the flip's rollout has got; None before it has one."""
    rollout = Rollout.objects.filter(flip=flip).prefetch_related("steps").first()
    if rollout is None:
        return None
    steps = sorted(rollout.steps.all(), key=lambda step: step.position)
    done = sum(step.status in {StepStatus.DONE, StepStatus.SKIPPED} for step in steps)
    marks = "".join(f"{s.status[0]}{s.tries}.{s.agreed} " for s in steps)
    return Progress(
        status=rollout.status,
        message=plan.text(rollout.message),
        started_at=rollout.started_at,
        finished_at=rollout.finished_at,
        done_count=done,
        step_count=len(steps),
        ladders=_ladders(steps, plan),
        # The flip was read a moment before its rollout: while the two differ there is still something to come.
        is_active=rollout.status in ACTIVE_ROLLOUT_STATUSES or flip.status in OPEN_FLIP_STATUSES,
        fingerprint=f"{flip.status} {rollout.status} {marks}".strip(),
    )


def _ladders(steps: list[RolloutStep], plan: SeenPlan) -> tuple[Ladder, ...]:
    by_namespace: dict[str, list[Step]] = {}
    for step in steps:
        name = HIDDEN if step.namespace in plan.hidden else step.namespace
        by_namespace.setdefault(name, []).append(_step(step, plan))
    return tuple(Ladder(name, tuple(found)) for name, found in by_namespace.items())


def _step(step: RolloutStep, plan: SeenPlan) -> Step:
    values = {name: getattr(step, name) for name in Step.__slots__}
    return Step(**{**values, "detail": plan.text(step.detail), "answer": plan.text(step.answer)})


def _can_be_rolled_back(flip: Flip) -> bool:
    if flip.verb != FlipVerb.ENFORCE:
        return False
    if flip.status == FlipStatus.FAILED:
        return True
    return (
        flip.status == FlipStatus.PROVEN
        and Stage.objects.filter(flip=flip, value=Stage.Value.ENFORCE).exists()
    )


def _row(flip: Flip) -> FlipRow:
    rollout = getattr(flip, "rollout", None)
    times = (flip.requested_at, flip.decided_at, flip.closed_at)
    return FlipRow(
        id=flip.pk,
        title=Plan.from_json(flip.plan).title,
        cluster=flip.variant.cluster.name,
        verb=flip.verb,
        status=flip.status,
        requested_by=flip.requested_by.get_username(),
        requested_at=flip.requested_at,
        decided_by=flip.decided_by.get_username() if flip.decided_by else "",
        changed_at=max(at for at in times if at is not None),
        progress=_progress_words(rollout) if rollout else "",
    )


def _progress_words(rollout: Rollout) -> str:
    if rollout.status not in ACTIVE_ROLLOUT_STATUSES:
        return ""
    steps = list(rollout.steps.all())
    done = sum(step.status == StepStatus.DONE for step in steps)
    return f"{done} of {len(steps)} steps"
