"""Which nodes a pod may use: node name, selector, required affinity, taints. Not what a scheduler weighs beyond that.

Volumes, pod affinity and spread can only narrow this further. What cannot be evaluated makes a node a `maybe`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import msgspec

from policies.domain.inventory.records import Node, Taint
from policies.domain.objects import NodeSelectorRequirement, PodSpec, WorkloadKind

OS_LABEL = "kubernetes.io/os"
HARD_EFFECTS = frozenset({"NoSchedule", "NoExecute"})


class Fit(StrEnum):
    """Whether a node takes a pod."""

    YES = "yes"
    NO = "no"
    MAYBE = "maybe"


@dataclass(frozen=True, slots=True)
class Requirement:
    """One line of a node selector term."""

    key: str
    operator: str
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Term:
    """Requirements that all must hold; a term without any holds for no node."""

    expressions: tuple[Requirement, ...] = ()
    fields: tuple[Requirement, ...] = ()


@dataclass(frozen=True, slots=True)
class Toleration:
    key: str = ""
    operator: str = "Equal"
    value: str = ""
    effect: str = ""


@dataclass(frozen=True, slots=True)
class Placement:
    """What a pod spec says about its node."""

    node_name: str = ""
    selector: tuple[tuple[str, str], ...] = ()
    terms: tuple[Term, ...] | None = None
    """Any one must hold; None when there is no required affinity."""
    tolerations: tuple[Toleration, ...] = ()
    is_windows: bool = False
    runtime_class: str = ""
    """May bring tolerations of its own, which a workload does not show."""


ANYWHERE = Placement()
"""A pod that says nothing: every Linux node without a taint."""

DAEMON_TOLERATIONS = tuple(
    Toleration(f"node.kubernetes.io/{condition}", "Exists", "", effect)
    for condition, effect in (
        ("not-ready", "NoExecute"),
        ("unreachable", "NoExecute"),
        ("disk-pressure", "NoSchedule"),
        ("memory-pressure", "NoSchedule"),
        ("pid-pressure", "NoSchedule"),
        ("unschedulable", "NoSchedule"),
        ("network-unavailable", "NoSchedule"),
    )
)
"""What the DaemonSet controller adds to its pods (the last one for pods on the host's network; more nodes is safer)."""


def placement_of(kind: WorkloadKind, spec: PodSpec) -> Placement:
    """Read where the pods of a workload may run."""
    selector = spec.node_selector or {}
    return Placement(
        node_name=spec.node_name or "",
        selector=tuple(sorted(selector.items())),
        terms=_terms(spec),
        tolerations=_tolerations(kind, spec),
        is_windows=_is_windows(spec),
        runtime_class=spec.runtime_class_name or "",
    )


def placement_fields(placement: Placement) -> dict[str, Any]:
    """Write a placement as plain JSON types, without what it does not say."""
    plain: dict[str, Any] = msgspec.to_builtins(placement)
    return {key: value for key, value in plain.items() if value != _SILENT[key]}


_SILENT: dict[str, Any] = msgspec.to_builtins(ANYWHERE)


def read_placement(fields: Mapping[str, Any]) -> Placement:
    """Read back what `placement_fields` wrote. Raises msgspec.ValidationError."""
    return msgspec.convert(dict(fields), Placement)


def fit(placement: Placement, node: Node) -> Fit:
    """Say whether this node takes the pod."""
    if placement.is_windows or not node.is_linux:
        return Fit.NO
    if placement.node_name:
        # The scheduler is not asked, so only the name counts.
        return Fit.YES if placement.node_name == node.name else Fit.NO
    answers = (
        _selects(placement.selector, node),
        _any_term(placement.terms, node),
        _tolerates(placement, node.taints),
    )
    return _all(answers)


def _is_windows(spec: PodSpec) -> bool:
    named = spec.os.name if spec.os else ""
    return "windows" in (named, (spec.node_selector or {}).get(OS_LABEL))


def _terms(spec: PodSpec) -> tuple[Term, ...] | None:
    node_affinity = spec.affinity.node_affinity if spec.affinity else None
    required = node_affinity.required if node_affinity else None
    if required is None:
        return None
    return tuple(
        Term(_requirements(term.match_expressions), _requirements(term.match_fields))
        for term in required.node_selector_terms or ()
    )


def _requirements(
    read: tuple[NodeSelectorRequirement, ...] | None,
) -> tuple[Requirement, ...]:
    return tuple(Requirement(r.key, r.operator, r.values or ()) for r in read or ())


def _tolerations(kind: WorkloadKind, spec: PodSpec) -> tuple[Toleration, ...]:
    own = tuple(
        Toleration(t.key, t.operator or "Equal", t.value, t.effect) for t in spec.tolerations or ()
    )
    return (*own, *DAEMON_TOLERATIONS) if kind is WorkloadKind.DAEMON_SET else own


def _all(answers: Iterable[Fit]) -> Fit:
    found = frozenset(answers)
    if Fit.NO in found:
        return Fit.NO
    return Fit.MAYBE if Fit.MAYBE in found else Fit.YES


def _any(answers: Iterable[Fit]) -> Fit:
    found = frozenset(answers)
    if Fit.YES in found:
        return Fit.YES
    return Fit.MAYBE if Fit.MAYBE in found else Fit.NO


_AS_FIT = {True: Fit.YES, False: Fit.NO}


def _selects(selector: tuple[tuple[str, str], ...], node: Node) -> Fit:
    return _AS_FIT[all(node.labels.get(key) == value for key, value in selector)]


def _any_term(terms: tuple[Term, ...] | None, node: Node) -> Fit:
    if terms is None:
        return Fit.YES
    return _any(_term(term, node) for term in terms)


def _term(term: Term, node: Node) -> Fit:
    if not term.expressions and not term.fields:
        return Fit.NO
    labels = (_holds(r, node.labels) for r in term.expressions)
    fields = (_holds(r, {"metadata.name": node.name}, known_only=True) for r in term.fields)
    return _all((*labels, *fields))


def _holds(requirement: Requirement, values: Mapping[str, str], *, known_only: bool = False) -> Fit:
    """Hold one requirement against labels, or against fields, of which only the name is known."""
    if known_only and requirement.key not in values:
        return Fit.MAYBE
    value = values.get(requirement.key)
    match requirement.operator:
        case "In":
            return _AS_FIT[value in requirement.values]
        case "NotIn":
            return _AS_FIT[value not in requirement.values]
        case "Exists":
            return _AS_FIT[value is not None]
        case "DoesNotExist":
            return _AS_FIT[value is None]
        case "Gt" | "Lt":
            return _compared(requirement, value)
    return Fit.MAYBE


def _compared(requirement: Requirement, value: str | None) -> Fit:
    numbers = [_number(text) for text in (value, *requirement.values)]
    if len(numbers) != 2 or numbers[0] is None or numbers[1] is None:
        return Fit.NO
    found, limit = numbers[0], numbers[1]
    return _AS_FIT[found > limit if requirement.operator == "Gt" else found < limit]


def _number(text: str | None) -> int | None:
    digits = (text or "").removeprefix("-").removeprefix("+")
    return int(text or "") if digits.isascii() and digits.isdigit() else None


def _tolerates(placement: Placement, taints: tuple[Taint, ...]) -> Fit:
    answers = [
        _any(_covers(toleration, taint) for toleration in placement.tolerations)
        for taint in taints
        if taint.effect in HARD_EFFECTS
    ]
    found = _all(answers)
    return Fit.MAYBE if found is Fit.NO and placement.runtime_class else found


def _covers(toleration: Toleration, taint: Taint) -> Fit:
    if toleration.effect and toleration.effect != taint.effect:
        return Fit.NO
    if toleration.key and toleration.key != taint.key:
        return Fit.NO
    match toleration.operator:
        case "Exists":
            return Fit.YES
        case "Equal":
            return _AS_FIT[toleration.key != "" and toleration.value == taint.value]
    return Fit.MAYBE
