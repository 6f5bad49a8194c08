"""Run a rollout: claim it, take its steps one by one, and write down how it ended.

Each step is a row before it happens and after. A worker killed anywhere leaves a claim that runs out; the next worker
goes on at the first step that is not done, and a step that was under way is looked at again before it is repeated.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import F, Q

from policies import dispatch
from policies.actions import audit
from policies.actions.connections import connected
from policies.actions.exception_outcomes import settle_exception
from policies.actions.step_run import Outcome, StaleGround, StepFailed, StepRun
from policies.actions.steps import take_step
from policies.cluster.errors import ClusterError
from policies.domain.authority import SYSTEM
from policies.domain.lifecycle import (
    ACTIVE_ROLLOUT_STATUSES,
    FlipStatus,
    FlipVerb,
    RolloutStatus,
    StepKind,
    StepStatus,
)
from policies.domain.plans import Plan
from policies.models import Flip, Rollout, RolloutStep, Stage

logger = logging.getLogger(__name__)

CLAIM_LASTS = timedelta(seconds=20)
"""How long a rollout of a dead worker waits for the next one."""
CLAIMS_ALLOWED = 10
"""Workers that may die over one rollout before it counts as failed."""
WAIT_SECONDS = 0.5
STEP_PATIENCE_SECONDS = 8.0
"""How long one call may take: shorter than the claim, so that a slow cluster does not lose it."""

GIVEN_UP = (
    f"{CLAIMS_ALLOWED} workers have ended over this rollout without an answer; their logs say why."
    " Look at the cluster, then plan again or roll back."
)

_ENDS: dict[RolloutStatus, FlipStatus] = {
    RolloutStatus.PROVEN: FlipStatus.PROVEN,
    RolloutStatus.FAILED: FlipStatus.FAILED,
    RolloutStatus.STALE: FlipStatus.STALE,
}


class ClaimLost(Exception):
    """Another worker has the rollout, or a rollback went ahead of it."""


@dataclass(slots=True)
class _Claim:
    """A worker's hold on one rollout."""

    rollout: Rollout
    worker: str
    clock: Callable[[], datetime]

    def renew(self) -> None:
        """Hold on for another while. Raises ClaimLost."""
        held = Rollout.objects.filter(
            pk=self.rollout.pk, claimed_by=self.worker, status=RolloutStatus.RUNNING.value
        ).update(claim_ends_at=self.clock() + CLAIM_LASTS)
        if not held:
            raise ClaimLost

    def release(self) -> None:
        """Tell whoever waits for it that this worker is out."""
        Rollout.objects.filter(pk=self.rollout.pk, claimed_by=self.worker).update(
            claim_ends_at=None
        )


def due_rollouts(*, now: datetime) -> tuple[str, ...]:
    """Name the rollouts that no worker holds: new ones whose message was lost, and those of dead workers."""
    free = Q(claim_ends_at__isnull=True) | Q(claim_ends_at__lte=now)
    due = Rollout.objects.filter(free, status__in=[s.value for s in ACTIVE_ROLLOUT_STATUSES])
    return tuple(str(pk) for pk in due.order_by("created_at").values_list("pk", flat=True))


def run(
    *,
    rollout_id: UUID,
    worker: str,
    clock: Callable[[], datetime],
    sleep: Callable[[float], None],
) -> RolloutStatus:
    """Take the rollout as far as it goes and return its status; harmless when somebody else has it."""
    claim = _claim(rollout_id, worker, clock)
    if claim is None:
        return RolloutStatus(Rollout.objects.values_list("status", flat=True).get(pk=rollout_id))
    if claim.rollout.claim_count > CLAIMS_ALLOWED:
        _end(claim, RolloutStatus.FAILED, GIVEN_UP, {})
        return RolloutStatus.FAILED
    try:
        with connected(
            claim.rollout.variant.cluster, patience_seconds=STEP_PATIENCE_SECONDS
        ) as gateway:
            context = StepRun(
                rollout=claim.rollout,
                plan=Plan.from_json(claim.rollout.flip.plan),
                gateway=gateway,
                clock=clock,
                sleep=sleep,
                renew=claim.renew,
            )
            _await_superseded(claim, sleep)
            _take_steps(claim, context)
    except ClaimLost:
        logger.warning("rollout.claim_lost", extra={"rollout": str(rollout_id), "worker": worker})
        claim.release()
    except StaleGround as stale:
        _end(claim, RolloutStatus.STALE, "\n".join(stale.moved), {"moved": list(stale.moved)})
    except (StepFailed, ClusterError) as error:
        _end(claim, RolloutStatus.FAILED, str(error), {})
    else:
        _end(claim, RolloutStatus.PROVEN, "", {})
    return RolloutStatus(Rollout.objects.values_list("status", flat=True).get(pk=rollout_id))


def _claim(rollout_id: UUID, worker: str, clock: Callable[[], datetime]) -> _Claim | None:
    now = clock()
    free = Q(claim_ends_at__isnull=True) | Q(claim_ends_at__lte=now)
    with transaction.atomic():
        claimed = Rollout.objects.filter(
            free, pk=rollout_id, status__in=[s.value for s in ACTIVE_ROLLOUT_STATUSES]
        ).update(
            status=RolloutStatus.RUNNING.value,
            claimed_by=worker,
            claim_ends_at=now + CLAIM_LASTS,
            claim_count=F("claim_count") + 1,
        )
        if not claimed:
            return None
        rollout = Rollout.objects.select_related(
            "flip__variant__cluster",
            "variant__cluster",
            "revision__compiled_from",
        ).get(pk=rollout_id)
        if rollout.started_at is None:
            rollout.started_at = now
            rollout.save(update_fields=["started_at"])
        Flip.objects.filter(pk=rollout.flip_id, status=FlipStatus.APPROVED.value).update(
            status=FlipStatus.ROLLING.value
        )
        verb = "rollout.started" if rollout.claim_count == 1 else "rollout.resumed"
        audit.record(verb, by=SYSTEM, now=now, flip=rollout.flip)
    return _Claim(rollout, worker, clock)


def _await_superseded(claim: _Claim, sleep: Callable[[float], None]) -> None:
    """Wait until a worker that this rollout went ahead of has noticed, or is surely gone: it may be at a write."""
    ahead_of = Rollout.objects.filter(
        variant_id=claim.rollout.variant_id, status=RolloutStatus.SUPERSEDED.value
    )
    while ahead_of.filter(claim_ends_at__gt=claim.clock()).exists():
        sleep(WAIT_SECONDS)
        claim.renew()


def _take_steps(claim: _Claim, context: StepRun) -> None:
    unfinished = claim.rollout.steps.exclude(
        status__in=[StepStatus.DONE.value, StepStatus.SKIPPED.value]
    )
    for step in unfinished.order_by("position"):
        claim.renew()
        _begin(claim, step)
        try:
            outcome = take_step(context, step)
        except (StaleGround, StepFailed, ClusterError) as error:
            _note(claim, step, StepStatus.FAILED, Outcome(str(error), getattr(error, "raw", "")))
            raise
        _note(claim, step, StepStatus.SKIPPED if outcome.skipped else StepStatus.DONE, outcome)


def _begin(claim: _Claim, step: RolloutStep) -> None:
    step.status = StepStatus.RUNNING.value
    step.started_at = step.started_at or claim.clock()
    step.tries += 1
    with transaction.atomic():
        step.save(update_fields=["status", "started_at", "tries"])
        flip = claim.rollout.flip
        if step.kind == StepKind.APPLY.value and flip.verb == FlipVerb.ROLLBACK.value:
            # From its first write on nothing there is proven any more, however the rollback ends.
            Stage.objects.filter(
                variant_id=claim.rollout.variant_id, namespace__in=flip.namespaces
            ).delete()


def _note(claim: _Claim, step: RolloutStep, status: StepStatus, outcome: Outcome) -> None:
    """Write down how a step ended, with its row in the trail. Raises ClaimLost when another worker is at it by now."""
    now = claim.clock()
    step.status = status.value
    step.finished_at = now
    step.detail = outcome.detail
    step.answer = outcome.answer
    with transaction.atomic():
        # Holds the row until the end, superseded or not: what was done is written down all the same.
        mine = Rollout.objects.select_for_update().filter(
            pk=claim.rollout.pk, claimed_by=claim.worker
        )
        if not mine.exists():
            raise ClaimLost
        step.save(update_fields=["status", "finished_at", "detail", "answer", "agreed"])
        audit.record(
            f"rollout.{step.kind}",
            by=SYSTEM,
            now=now,
            flip=claim.rollout.flip,
            outcome="failed" if status is StepStatus.FAILED else "ok",
            message=outcome.detail,
            details={"object": step.object_name, "namespace": step.namespace},
        )


def _end(claim: _Claim, status: RolloutStatus, message: str, details: dict[str, list[str]]) -> None:
    """Close rollout and flip, and write the stages that were proven, all or nothing."""
    now = claim.clock()
    rollout = claim.rollout
    with transaction.atomic():
        ended = Rollout.objects.filter(
            pk=rollout.pk, claimed_by=claim.worker, status=RolloutStatus.RUNNING.value
        ).update(status=status.value, finished_at=now, message=message)
        if not ended:
            return
        Flip.objects.filter(pk=rollout.flip_id).update(
            status=_ENDS[status].value, closed_at=now, closing_message=message
        )
        if status is RolloutStatus.PROVEN:
            _write_stages(rollout, now)
        settle_exception(rollout.flip, status, message, now=now)
        audit.record(
            f"rollout.{status.value}",
            by=SYSTEM,
            now=now,
            flip=rollout.flip,
            outcome="ok" if status is RolloutStatus.PROVEN else "failed",
            message=message,
            details=details,
        )
    dispatch.enqueue(dispatch.COLLECT_CLUSTER, cluster_id=rollout.variant.cluster_id)


def _write_stages(rollout: Rollout, now: datetime) -> None:
    flip = rollout.flip
    if flip.verb not in {FlipVerb.ENFORCE.value, FlipVerb.ROLLBACK.value}:
        return
    enforce = flip.verb == FlipVerb.ENFORCE.value
    value = Stage.Value.ENFORCE if enforce else Stage.Value.AUDIT
    for namespace in flip.namespaces:
        Stage.objects.update_or_create(
            variant_id=rollout.variant_id,
            namespace=namespace,
            defaults={"value": value, "proven_at": now, "flip": flip},
        )
