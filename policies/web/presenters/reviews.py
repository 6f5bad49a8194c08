"""The review in words: each workload with its opinions, its fix, and why the three counts differ."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from urllib.parse import urlencode

from policies.domain.commands import patch_command
from policies.domain.controls import Control
from policies.domain.objects import WorkloadKind
from policies.domain.readiness import Gate, GateId
from policies.queries.exceptions import ExceptionRow
from policies.queries.offenders import Fault
from policies.queries.reviews import Opinion, Review, ReviewedWorkload
from policies.web.presenters.controls import control_references
from policies.web.presenters.readiness import effect_on, workload_meta
from policies.web.words import day, listed

UNPATCHABLE = {
    "Pod": "A running pod cannot be changed: create it anew with these fields.",
    "Job": "The template of a Job cannot be changed: create it anew with these fields.",
}


@dataclass(frozen=True, slots=True)
class Place:
    """One field that is at fault, with every control that says so."""

    container: str
    role: str
    path: str
    declared: str
    controls: str
    references: tuple[str, ...]
    """The nearest references of each control."""


@dataclass(frozen=True, slots=True)
class ShownWorkload:
    """One workload of the review."""

    key: str
    kind: str
    name: str
    meta: str
    effect: str
    places: tuple[Place, ...]
    report: Opinion
    posture: Opinion
    rehearsal: Opinion
    patch: str
    command: str
    """Empty when the workload cannot be patched in place."""
    hint: str
    exempt_until: str
    """Empty when no exception is in force for it."""
    exception_id: str
    ask: str
    """The query with which its exception is asked for; empty when it cannot be named in one."""


@dataclass(frozen=True, slots=True)
class Count:
    """One of the three counts."""

    title: str
    number: int | None
    sentence: str
    as_of: datetime | None


Exempt = Mapping[tuple[str, str], ExceptionRow]
"""The exception in force by kind and name of its workload."""


def shown_workloads(
    review: Review, kubernetes: str = "", exempt: Exempt = MappingProxyType({})
) -> tuple[ShownWorkload, ...]:
    """Word the workloads of this page that fail; the cluster's version chooses what they are evidence for."""
    return tuple(_shown(w, review.namespace, kubernetes, exempt) for w in review.shown_failing)


def counts(review: Review) -> tuple[Count, ...]:
    """Put the three counts beside each other; there are two where nothing reports."""
    verdict = review.cell.verdict
    return tuple(
        _count(title, verdict.gate(gate_id))
        for title, gate_id in (
            ("Reports", GateId.REPORTS),
            ("Posture", GateId.POSTURE),
            ("Rehearsal", GateId.REHEARSAL),
        )
        if verdict.asks(gate_id)
    )


def differences(review: Review) -> tuple[str, ...]:
    """Say where report, posture and rehearsal disagree, and what the usual cause is."""
    everything = (*review.failing, *review.passing)
    found = ((sentence, _names(everything, holds)) for sentence, holds in _DISAGREEMENTS)
    return tuple(sentence.format(names=names) for sentence, names in found if names)


def _says_no(workload: ReviewedWorkload) -> bool:
    return workload.report.outcome in {"fail", "warn", "error"}


_DISAGREEMENTS: tuple[tuple[str, Callable[[ReviewedWorkload], bool]], ...] = (
    (
        "No failing result yet for {names}, though posture finds a fault: background reports follow a change by a"
        " minute or two, and the engine does not report on every kind.",
        lambda w: w.posture.outcome == "fail" and not _says_no(w),
    ),
    (
        "Reports fail {names}, and posture does not: the result is older than the workload's last change, or the"
        " workload is gone.",
        lambda w: _says_no(w) and w.posture.outcome != "fail",
    ),
    (
        "The engine would refuse {names}, and posture sees no fault: something changes its pods on their way in.",
        lambda w: w.rehearsal.outcome == "refused" and w.posture.outcome != "fail",
    ),
    (
        "The engine admitted {names}, though posture finds a fault: it was changed since the rehearsal, or something"
        " sets the profile on its pods on their way in.",
        lambda w: w.rehearsal.outcome == "admitted" and w.posture.outcome == "fail",
    ),
    (
        "The engine gave no verdict on {names}: something else answered before it. Its own words stand below.",
        lambda w: w.rehearsal.outcome == "unjudged",
    ),
)


def _names(workloads: Iterable[ReviewedWorkload], holds: Callable[[ReviewedWorkload], bool]) -> str:
    return listed(tuple(f"{w.kind} {w.name}" for w in workloads if holds(w)), limit=3)


def _count(title: str, gate: Gate) -> Count:
    return Count(title, gate.number, gate.sentence, gate.as_of)


def _shown(
    workload: ReviewedWorkload, namespace: str, kubernetes: str, exempt: Exempt
) -> ShownWorkload:
    exception = exempt.get((workload.kind, workload.name))
    can_be_named = workload.kind in set(WorkloadKind)
    return ShownWorkload(
        key=f"{workload.kind.lower()}-{workload.name}",
        kind=workload.kind,
        name=workload.name,
        meta=workload_meta(workload),
        effect=_effect(workload, exception),
        places=_places(workload.faults, kubernetes),
        report=workload.report,
        posture=workload.posture,
        rehearsal=workload.rehearsal,
        patch=workload.patch,
        command=_command(workload, namespace),
        hint=_hint(workload),
        exempt_until=day(exception.ends_at) if exception and exception.ends_at else "",
        exception_id=str(exception.id) if exception else "",
        ask=urlencode({"workload": f"{workload.kind}/{workload.name}"}) if can_be_named else "",
    )


def _effect(workload: ReviewedWorkload, exception: ExceptionRow | None) -> str:
    if exception:
        return "admitted by an exception"
    return effect_on(workload.kind, workload.replicas, is_suspended=workload.is_suspended)


def _places(faults: tuple[Fault, ...], kubernetes: str) -> tuple[Place, ...]:
    found: dict[tuple[str, str, str, str], list[str]] = {}
    for fault in faults:
        key = (fault.container, fault.role, fault.path, fault.declared)
        found.setdefault(key, []).append(fault.control)
    return tuple(
        Place(*key, ", ".join(controls), _references(controls, kubernetes))
        for key, controls in found.items()
    )


def _references(controls: Iterable[str], kubernetes: str) -> tuple[str, ...]:
    nearest = (r for c in controls for r in control_references(Control(c), kubernetes)[:2])
    return tuple(dict.fromkeys(map(str, nearest)))


def _command(workload: ReviewedWorkload, namespace: str) -> str:
    if not workload.patch or workload.kind in UNPATCHABLE:
        return ""
    return patch_command(workload.kind, workload.name, namespace, workload.patch)


def _hint(workload: ReviewedWorkload) -> str:
    if workload.kind in UNPATCHABLE:
        return UNPATCHABLE[workload.kind]
    if workload.helm_release:
        return (
            f"Helm release {workload.helm_release} writes this workload: set it in the chart's values too, or the"
            " next upgrade takes it away again."
        )
    return ""
