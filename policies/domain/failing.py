"""Who fails a variant among the objects of some namespaces as they are now: each fault once, at the topmost object."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from policies.domain.objects import Controller, ObjectMeta, Workload, WorkloadKind
from policies.domain.ownership import Owned, resolve_tops
from policies.domain.posture import Finding, Posture, UnreadablePodSpec

Judge = Callable[[WorkloadKind, Workload], Posture]


@dataclass(frozen=True, slots=True)
class Failing:
    """One object with the findings that its topmost owner does not have already."""

    kind: WorkloadKind
    namespace: str
    name: str
    workload: Workload
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Failures:
    """Who fails, and how many were looked at."""

    failing: tuple[Failing, ...]
    workload_count: int
    """Top-level workloads."""
    unreadable: tuple[str, ...]
    """Kind and name of what could not be judged."""


def failures(objects: Iterable[tuple[WorkloadKind, Workload]], judge: Judge) -> Failures:
    """Judge every object; `judge` may raise UnreadablePodSpec."""
    everything = {o.metadata.uid: (kind, o) for kind, o in objects}
    judged: dict[str, tuple[Finding, ...]] = {}
    unreadable = []
    for uid, (kind, workload) in everything.items():
        try:
            judged[uid] = judge(kind, workload).findings
        except UnreadablePodSpec:
            unreadable.append(f"{kind} {workload.metadata.name}")
    tops = resolve_tops(
        Owned(uid, kind.value, o.metadata.name, _controller_uid(o.metadata))
        for uid, (kind, o) in everything.items()
    )
    failing = []
    for uid, found in judged.items():
        kind, workload = everything[uid]
        own = found if tops[uid].uid == uid else _own(kind, workload, found, judged, tops[uid].uid)
        if own:
            meta = workload.metadata
            failing.append(Failing(kind, meta.namespace, meta.name, workload, own))
    return Failures(
        failing=tuple(sorted(failing, key=lambda f: (f.namespace, f.kind, f.name))),
        workload_count=sum(1 for uid, top in tops.items() if uid == top.uid),
        unreadable=tuple(sorted(unreadable)),
    )


def _controller_uid(metadata: ObjectMeta) -> str:
    return metadata.controller.uid if metadata.controller else ""


def _own(
    kind: WorkloadKind,
    workload: Workload,
    found: tuple[Finding, ...],
    judged: Mapping[str, tuple[Finding, ...]],
    top: str,
) -> tuple[Finding, ...]:
    """Give what an owned object fails and its topmost owner does not."""
    if kind is WorkloadKind.REPLICA_SET and _is_idle(workload):
        return ()
    said = {(f.control, f.container) for f in judged.get(top, ())}
    return tuple(f for f in found if (f.control, f.container) not in said)


def _is_idle(workload: Workload) -> bool:
    """Say whether this old ReplicaSet is only kept for going back to it."""
    return isinstance(workload, Controller) and workload.spec.replicas == 0
