"""Cells, gates and workloads in words: why this verdict, in three words or in a sentence."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from policies.domain.enforceability import Barrier
from policies.domain.readiness import Gate, GateId, GateOutcome, NamespaceVerdict, Verdict
from policies.queries.cells import Cell, CellState
from policies.queries.matrix import Matrix
from policies.queries.offenders import Offender
from policies.web.actors import Permit
from policies.web.words import age, count_of

GATE_TITLES = {
    GateId.CONTACT: "Contact",
    GateId.COLLECTION: "Collection",
    GateId.ENGINE: "Engine",
    GateId.POLICY: "Policy",
    GateId.RESULTS: "Results",
    GateId.REPORTS: "Reports",
    GateId.POSTURE: "Posture",
    GateId.REHEARSAL: "Rehearsal",
}
_COUNTING = (GateId.REPORTS, GateId.POSTURE, GateId.REHEARSAL)
_UNKNOWN_WORDS = {
    GateId.CONTACT: "no contact",
    GateId.COLLECTION: "data old or partial",
    GateId.ENGINE: "engine not asked",
    GateId.POLICY: "policy not read",
    GateId.RESULTS: "results incomplete",
    GateId.REPORTS: "no results yet",
    GateId.POSTURE: "posture not read",
    GateId.REHEARSAL: "not rehearsed",
}
OBSTACLE_WORDS = {
    Barrier.ENGINE: "Kyverno runs here",
    Barrier.SYSTEM: "system namespace",
    Barrier.FILTER: "resource filter",
    Barrier.SELECTOR: "namespace selector",
    Barrier.WEBHOOKS: "webhook selector",
    Barrier.CONDITION: "match condition",
    Barrier.REQUESTERS: "controllers excluded",
    Barrier.NO_WEBHOOK: "no webhook",
}
_FAIL_WORDS = {GateId.ENGINE: "engine down", GateId.POLICY: "policy drifted"}


@dataclass(frozen=True, slots=True)
class ShownCell:
    """A cell with its words."""

    variant_id: int
    variant: str
    namespace: str
    state: CellState
    note: str
    is_waiting: bool
    is_open: bool
    """Its panel stands beside the matrix."""


@dataclass(frozen=True, slots=True)
class ShownRow:
    """A row with its words."""

    namespace: str
    team: str
    is_system: bool
    is_terminating: bool
    cells: tuple[ShownCell, ...]
    why_not: str
    """Why no flip may be asked for here; empty when one may."""


@dataclass(frozen=True, slots=True)
class ShownGate:
    """A gate with its title."""

    title: str
    outcome: GateOutcome
    number: int | None
    sentence: str
    as_of: datetime | None
    is_hard: bool


def shown_rows(
    matrix: Matrix,
    *,
    permits: Mapping[str, Permit],
    now: datetime,
    opened: tuple[int, str] | None = None,
) -> tuple[ShownRow, ...]:
    """Word every cell of a page of the matrix; `opened` is the cell whose panel is shown."""
    return tuple(
        ShownRow(
            row.namespace,
            row.team,
            row.is_system,
            row.is_terminating,
            tuple(shown_cell(cell, now=now, opened=opened) for cell in row.cells),
            permits[row.namespace].reason,
        )
        for row in matrix.rows
    )


def shown_cell(cell: Cell, *, now: datetime, opened: tuple[int, str] | None = None) -> ShownCell:
    """Word one cell."""
    return ShownCell(
        cell.variant_id,
        cell.variant,
        cell.namespace,
        cell.state,
        cell_note(cell, now=now),
        cell.is_waiting,
        opened == (cell.variant_id, cell.namespace),
    )


def cell_note(cell: Cell, *, now: datetime) -> str:
    """Say in a few words why the cell is as it is."""
    if cell.state is CellState.ENFORCED and cell.proven_at:
        return age(now - cell.proven_at)
    if cell.state is CellState.ROLLING:
        return f"{cell.progress[0]} of {cell.progress[1]}" if cell.progress else "approved"
    if cell.state in {CellState.BLOCKED, CellState.UNKNOWN}:
        return verdict_note(cell.verdict) if cell.is_installed else "not installed"
    if cell.state is CellState.NOT_ENFORCEABLE and cell.verdict.barred:
        return OBSTACLE_WORDS[cell.verdict.barred.obstacles[0].barrier]
    return "system namespace" if cell.state is CellState.SYSTEM else ""


def verdict_note(verdict: NamespaceVerdict) -> str:
    """Say in a few words what decided a verdict; empty when it is ready."""
    if verdict.verdict is Verdict.READY:
        return ""
    if verdict.verdict is Verdict.BLOCKED:
        return _blocked_note(verdict)
    for gate in verdict.open_gates:
        if gate.outcome is GateOutcome.UNKNOWN:
            return _unknown_note(gate)
    return ""


def _blocked_note(verdict: NamespaceVerdict) -> str:
    for gate in verdict.open_gates:
        if gate.outcome is GateOutcome.FAIL and gate.id in _FAIL_WORDS:
            return gate.note or _FAIL_WORDS[gate.id]
    numbers = [gate.number or 0 for gate in verdict.gates if gate.id in _COUNTING]
    return count_of(max(numbers), "workload")


def _unknown_note(gate: Gate) -> str:
    if gate.id is GateId.RESULTS and not gate.number:
        return "no results yet"
    if gate.id is GateId.REHEARSAL and gate.as_of is not None:
        return f"no verdict on {gate.number}" if gate.number else "rehearsal old"
    return gate.note or _UNKNOWN_WORDS[gate.id]


def shown_gates(verdict: NamespaceVerdict) -> tuple[ShownGate, ...]:
    """Word every gate, those that do not pass first."""
    ordered = sorted(verdict.gates, key=lambda gate: gate.passes)
    return tuple(
        ShownGate(
            GATE_TITLES[gate.id], gate.outcome, gate.number, gate.sentence, gate.as_of, gate.is_hard
        )
        for gate in ordered
    )


@dataclass(frozen=True, slots=True)
class ShownOffender:
    """An offending workload with what will happen to it."""

    namespace: str
    kind: str
    name: str
    meta: str
    effect: str
    faults: tuple[str, ...]


def shown_offenders(found: tuple[Offender, ...]) -> tuple[ShownOffender, ...]:
    """Word some offending workloads."""
    return tuple(
        ShownOffender(
            o.namespace,
            o.kind,
            o.name,
            workload_meta(o),
            effect_on(o.kind, o.replicas, is_suspended=o.is_suspended),
            tuple(
                dict.fromkeys(
                    f"{f.container or 'the pod'}: {f.declared or 'not set'} at {f.path}"
                    for f in o.faults
                )
            ),
        )
        for o in found
    )


class Described(Protocol):
    """What is known about any top-level workload."""

    @property
    def kind(self) -> str: ...
    @property
    def schedule(self) -> str: ...
    @property
    def replicas(self) -> int | None: ...
    @property
    def pod_count(self) -> int: ...
    @property
    def helm_release(self) -> str: ...
    @property
    def is_suspended(self) -> bool: ...


def workload_meta(workload: Described) -> str:
    """Say what distinguishes a workload: its schedule, its replicas, its release."""
    parts = []
    if workload.schedule:
        parts.append(f"runs at {workload.schedule}")
    if workload.is_suspended:
        parts.append("suspended")
    if workload.replicas is not None:
        parts.append(
            "scaled to zero" if workload.replicas == 0 else count_of(workload.replicas, "replica")
        )
    if workload.pod_count and workload.kind != "Pod":
        parts.append(f"{count_of(workload.pod_count, 'pod')} now")
    if workload.helm_release:
        parts.append(f"Helm release {workload.helm_release}")
    return " · ".join(parts)


def effect_on(kind: str, replicas: int | None, *, is_suspended: bool) -> str:
    """Say when enforcing would be felt."""
    if kind == "CronJob":
        return "refused when resumed" if is_suspended else "refused at its next run"
    if kind == "PodTemplate":
        return "refused when something is made from it"
    if kind == "Pod":
        return "runs on; refused when created anew"
    if kind == "Job":
        return "refused when a pod of it is retried"
    if replicas == 0:
        return "refused when scaled up"
    return "refused at its next restart"
