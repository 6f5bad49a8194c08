"""The state of one variant in one namespace, as the matrix and its panel show it.

`Enforced` comes from a proven stage alone; what the cluster shows without proof, or no longer shows, is said as such.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from policies.domain.lifecycle import ACTIVE_ROLLOUT_STATUSES, FlipStatus, StepStatus
from policies.domain.readiness import Barred, NamespaceVerdict, Verdict
from policies.models import Flip, KindSnapshot, ObservedPolicy, Rollout, Stage, Variant
from policies.queries.evidence import POLICY_KINDS
from policies.queries.reach import Reach
from policies.queries.specs import OBJECT_KINDS


class CellState(StrEnum):
    ENFORCED = "enforced"
    ROLLING = "rolling"
    READY = "ready"
    BLOCKED = "blocked"
    UNKNOWN = "unknown"
    UNPROVEN = "unproven"
    """The twin on the cluster names it, and no proof of ours does."""
    LOST = "lost"
    """Proven once, and the twin on the cluster no longer names it."""
    SYSTEM = "system"
    NOT_ENFORCEABLE = "not-enforceable"
    """The engine's own settings keep it from judging here."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One variant in one namespace."""

    variant_id: int
    variant: str
    namespace: str
    state: CellState
    verdict: NamespaceVerdict
    is_installed: bool
    proven_at: datetime | None
    """When it was proven to be enforced; None unless it was."""
    progress: tuple[int, int] | None
    """Steps done and all steps of the rollout under way."""
    flip_id: UUID | None
    """The open flip that names this namespace; None when that reaches further than one may see."""
    is_waiting: bool
    """That flip waits for a decision."""


@dataclass(frozen=True, slots=True)
class _Moving:
    flip_id: UUID | None
    status: str
    progress: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class Situation:
    """What was decided, proven and observed for some variants of one cluster."""

    variants: dict[int, Variant]
    proven: dict[tuple[int, str], datetime]
    denied: dict[int, frozenset[str]]
    installed: frozenset[int]
    observed_at: dict[int, datetime]
    moving: dict[tuple[int, str], _Moving]

    def cell(self, variant_id: int, verdict: NamespaceVerdict, *, is_system: bool) -> Cell:
        """Put together one cell."""
        key = (variant_id, verdict.namespace)
        moving = self.moving.get(key)
        return Cell(
            variant_id=variant_id,
            variant=self.variants[variant_id].name,
            namespace=verdict.namespace,
            state=self._state(key, verdict, is_system=is_system),
            verdict=verdict,
            is_installed=variant_id in self.installed,
            proven_at=self.proven.get(key),
            progress=moving.progress if moving else None,
            flip_id=moving.flip_id if moving else None,
            is_waiting=moving is not None and moving.status == FlipStatus.REQUESTED,
        )

    def _state(
        self, key: tuple[int, str], verdict: NamespaceVerdict, *, is_system: bool
    ) -> CellState:
        decided = self.decided(*key, is_system=is_system, barred=verdict.barred)
        return _STATE_OF_VERDICT[verdict.verdict] if decided is None else decided

    def decided(
        self, variant_id: int, namespace: str, *, is_system: bool, barred: Barred | None
    ) -> CellState | None:
        """Give the state where no verdict makes it; None where one does.

        `barred` says why the engine judges nothing there.
        """
        key = (variant_id, namespace)
        moving = self.moving.get(key)
        if moving is not None and moving.status != FlipStatus.REQUESTED:
            return CellState.ROLLING
        is_denied = namespace in self.denied.get(variant_id, frozenset())
        proven_at = self.proven.get(key)
        if proven_at is not None:
            # A picture that is older than the proof cannot contradict it.
            seen_at = self.observed_at.get(variant_id)
            is_lost = not is_denied and seen_at is not None and seen_at > proven_at
            is_lost |= barred is not None and barred.since is not None and barred.since > proven_at
            return CellState.LOST if is_lost else CellState.ENFORCED
        if is_denied:
            return CellState.UNPROVEN
        if is_system:
            return CellState.SYSTEM
        return None if barred is None else CellState.NOT_ENFORCEABLE


_STATE_OF_VERDICT = {
    Verdict.READY: CellState.READY,
    Verdict.BLOCKED: CellState.BLOCKED,
    Verdict.UNKNOWN: CellState.UNKNOWN,
}


def load_situation(
    variants: Sequence[Variant], *, reach: Reach, namespaces: Collection[str] | None = None
) -> Situation:
    """Load what was decided, proven and observed, in a fixed number of queries."""
    ids = [variant.pk for variant in variants]
    stages = Stage.objects.filter(
        reach.in_namespaces("variant__cluster_id"), variant_id__in=ids, value=Stage.Value.ENFORCE
    )
    if namespaces is not None:
        stages = stages.filter(namespace__in=namespaces)
    denied, installed = _observed(variants)
    return Situation(
        variants={variant.pk: variant for variant in variants},
        proven={
            (variant_id, namespace): at
            for variant_id, namespace, at in stages.values_list(
                "variant_id", "namespace", "proven_at"
            )
        },
        denied=denied,
        installed=installed,
        observed_at=_observed_at(variants),
        moving=_moving(variants, reach),
    )


def _observed(variants: Sequence[Variant]) -> tuple[dict[int, frozenset[str]], frozenset[int]]:
    ids = {(v.cluster_id, kind, v.name): v.pk for v in variants for kind in OBJECT_KINDS[v.target]}
    rows = ObservedPolicy.objects.filter(
        cluster_id__in={v.cluster_id for v in variants}, variant_name__in=[v.name for v in variants]
    ).values_list("cluster_id", "kind", "variant_name", "role", "enforced")
    denied: dict[int, set[str]] = defaultdict(set)
    installed = set()
    for cluster_id, kind, name, role, enforced in rows:
        variant_id = ids.get((cluster_id, kind, name))
        if variant_id is None:
            continue
        if role == "audit":
            installed.add(variant_id)
        if role == "twin":
            denied[variant_id].update(enforced)
    return {pk: frozenset(names) for pk, names in denied.items()}, frozenset(installed)


def _observed_at(variants: Sequence[Variant]) -> dict[int, datetime]:
    """Say when each variant's objects were all read last."""
    kinds = {kind for v in variants for kind in POLICY_KINDS[v.target]}
    rows = KindSnapshot.objects.filter(
        cluster_id__in={v.cluster_id for v in variants}, kind__in=kinds, completed_at__isnull=False
    ).values_list("cluster_id", "kind", "completed_at")
    times = {(cluster_id, kind): at for cluster_id, kind, at in rows}
    found = {
        v.pk: [times.get((v.cluster_id, kind)) for kind in POLICY_KINDS[v.target]] for v in variants
    }
    return {
        pk: min(at for at in read if at is not None)
        for pk, read in found.items()
        if all(at is not None for at in read)
    }


def _moving(variants: Sequence[Variant], reach: Reach) -> dict[tuple[int, str], _Moving]:
    variant_ids = [variant.pk for variant in variants]
    flips = Flip.objects.filter(
        variant_id__in=variant_ids,
        status__in=[FlipStatus.REQUESTED, FlipStatus.APPROVED, FlipStatus.ROLLING],
        exception=None,
    )
    rollouts = {
        r.flip_id: list(r.steps.all())
        for r in Rollout.objects.filter(
            variant_id__in=variant_ids, status__in=ACTIVE_ROLLOUT_STATUSES
        ).prefetch_related("steps")
    }
    found = {}
    cluster_ids = {variant.pk: variant.cluster_id for variant in variants}
    for flip in flips:
        seen = reach.seen(cluster_ids[flip.variant_id], flip.namespaces)
        moving = _Moving(None, flip.status, None)
        if len(seen) == len(flip.namespaces):
            steps = rollouts.get(flip.pk)
            done = sum(s.status == StepStatus.DONE for s in steps or ())
            moving = _Moving(flip.pk, flip.status, (done, len(steps)) if steps else None)
        found.update({(flip.variant_id, name): moving for name in seen})
    return found
