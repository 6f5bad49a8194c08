"""Judge the objects of one collection run, each by every judge of its cluster, and keep of it what rows need."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from policies.actions.mirror import HELM_RELEASE, pack
from policies.actions.storing import Fields
from policies.domain.facts import TYPICAL, ClusterFacts
from policies.domain.inventory import (
    ANYWHERE,
    Named,
    Placement,
    placement_of,
    references_of,
)
from policies.domain.judges import BASE_JUDGE, Judge, usual_judges
from policies.domain.objects import Controller, CronJob, Workload, WorkloadKind
from policies.domain.posture import Finding, Posture, assess, patch_for
from policies.domain.posture.patches import NO_NAME, NO_NAMESPACE, named_patch
from policies.domain.posture.pods import API_VERSION, pod_parts

SCHEDULE_LENGTH = 100
"""Kubernetes sets no limit."""
_OWNERS = frozenset((API_VERSION[kind], kind.value) for kind in WorkloadKind)

Fault = tuple[str, str, str]
"""Tag of the judge, control, container."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What one judge says about one object."""

    judge: Judge
    applicable: bool
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Seen:
    """One object of the nine kinds, as far as the snapshot needs it."""

    kind: WorkloadKind
    uid: str
    namespace: str
    name: str
    controller_uid: str
    judgements: tuple[Judgement, ...]
    """The base judge's first; without findings where the owner has the same."""
    fields: Fields
    """The columns of its row; empty for an object that will have none."""
    named: tuple[Named, ...] = ()
    """The Localhost profiles that its containers ask for."""
    placement: Placement = ANYWHERE
    """Where its pods may run; only read where it names a profile."""
    body: bytes = b""
    """What was judged, packed."""
    is_idle_revision: bool = False
    """An old ReplicaSet kept for a rollback of its Deployment: nothing will start from it."""

    @property
    def faults(self) -> frozenset[Fault]:
        return faults_of(self.judgements)

    def judgement(self, judge: Judge) -> Judgement:
        """Find what this judge says; plain judges have the base judge speak for them."""
        return next(j for j in self.judgements if j.judge.tag == judge.tag)


def faults_of(judgements: Iterable[Judgement]) -> frozenset[Fault]:
    """Name every fault once, whatever field it is in."""
    return frozenset(
        (j.judge.tag, f.control.value, f.container) for j in judgements for f in j.findings
    )


@dataclass(slots=True)
class Panel:
    """The judges of one cluster. Owners must be shown to it before what they own."""

    judges: tuple[Judge, ...]
    """Those whose tallies are wanted, each once."""
    facts: ClusterFacts = TYPICAL
    _of_tops: dict[str, frozenset[Fault]] = field(default_factory=dict)
    """The faults of its top-level workload, by uid of each object that was seen."""
    _heard: dict[tuple[WorkloadKind, str, bytes], "_Heard"] = field(default_factory=dict)
    """By kind, namespace and content: the pods of one owner are alike, and judged once."""

    def afresh(self) -> "Panel":
        """The same judges, who remember what they said, before other objects."""
        return Panel(self.judges, self.facts, _heard=self._heard)

    def see(self, kind: WorkloadKind, workload: Workload, *, with_row: bool = True) -> Seen:
        """Judge one object and keep what matters; what its row says only where that is wanted.

        Raises UnreadablePodSpec.
        """
        meta = workload.metadata
        body = pack(workload)
        key = (kind, meta.namespace, body)
        heard = self._heard.get(key)
        if heard is None:
            heard = self._heard[key] = self._hear(kind, workload)
        controller_uid = _controller_uid(workload)
        is_idle = _is_idle_revision(kind, workload)
        inherited = self._of_tops.get(controller_uid)
        own = heard.faults
        self._of_tops[meta.uid] = own if inherited is None else inherited
        adds = inherited is None or (not is_idle and not own <= inherited)
        return Seen(
            kind=kind,
            uid=meta.uid,
            namespace=meta.namespace,
            name=meta.name,
            controller_uid=controller_uid,
            judgements=heard.judgements if adds else heard.silent,
            fields=_fields(kind, workload, heard) if adds and with_row else {},
            named=heard.named,
            placement=heard.placement,
            body=body,
            is_idle_revision=is_idle,
        )

    def _hear(self, kind: WorkloadKind, workload: Workload) -> "_Heard":
        judgements: list[Judgement] = []
        postures: list[Posture] = []
        for judge in (BASE_JUDGE, *(j for j in self.judges if not j.is_plain)):
            posture = assess(
                kind,
                workload,
                parameters=judge.parameters,
                facts=self.facts,
                mechanisms=judge.mechanisms,
            )
            judgements.append(Judgement(judge, posture.applicable, posture.findings))
            postures.append(posture)
        named = references_of(postures[0].containers)
        return _Heard(
            judgements=tuple(judgements),
            silent=tuple(Judgement(j.judge, j.applicable, ()) for j in judgements),
            faults=faults_of(judgements),
            named=named,
            placement=placement_of(kind, pod_parts(workload)[1]) if named else ANYWHERE,
            fields=_judged_fields(postures[0], judgements),
        )


@dataclass(slots=True)
class _Heard:
    """What all judges say of one content, whichever objects have it."""

    judgements: tuple[Judgement, ...]
    silent: tuple[Judgement, ...]
    """The same without findings, for whoever inherits them."""
    faults: frozenset[Fault]
    named: tuple[Named, ...]
    placement: Placement
    fields: Fields
    patches: dict[str, str] | None = None
    """Each without the name of a workload; None until one is wanted."""


def panel_of(judges: Iterable[Judge], facts: ClusterFacts) -> Panel:
    """Seat the judges of some variants beside those that are heard everywhere."""
    by_key = {judge.key: judge for judge in (BASE_JUDGE, *usual_judges(), *judges)}
    return Panel(tuple(by_key[key] for key in sorted(by_key)), facts)


def _controller_uid(workload: Workload) -> str:
    """Name the controller, if it is of a kind that is read: other groups have a StatefulSet or a Job as well."""
    controller = workload.metadata.controller
    if controller is None or (controller.api_version, controller.kind) not in _OWNERS:
        return ""
    return controller.uid


def _is_idle_revision(kind: WorkloadKind, workload: Workload) -> bool:
    return (
        kind is WorkloadKind.REPLICA_SET
        and isinstance(workload, Controller)
        and workload.metadata.controller is not None
        and workload.spec.replicas == 0
    )


def _fields(kind: WorkloadKind, workload: Workload, heard: _Heard) -> Fields:
    if heard.patches is None:
        heard.patches = dict(_patches(kind, workload, heard.judgements))
    meta = workload.metadata
    spec = getattr(workload, "spec", None)
    return {
        "replicas": getattr(spec, "replicas", None),
        "schedule": workload.spec.schedule[:SCHEDULE_LENGTH]
        if isinstance(workload, CronJob)
        else "",
        "is_suspended": bool(getattr(spec, "suspend", False)),
        "helm_release": (meta.annotations or {}).get(HELM_RELEASE, "")[:63],
        "patches": {
            key: named_patch(patch, meta.namespace, meta.name)
            for key, patch in heard.patches.items()
        },
        **heard.fields,
    }


def _judged_fields(posture: Posture, judgements: Sequence[Judgement]) -> Fields:
    return {
        "is_applicable": posture.applicable,
        "exempt_from": [j.judge.tag for j in judgements if posture.applicable and not j.applicable],
        "containers": msgspec.to_builtins(posture.containers),
        "hardening": msgspec.to_builtins(posture.hardening),
        "findings": [_finding(j.judge, f) for j in judgements for f in j.findings],
        "finding_count": sum(len(j.findings) for j in judgements),
    }


def _finding(judge: Judge, finding: Finding) -> dict[str, Any]:
    tag = {"judge": judge.tag} if judge.tag else {}
    return {**msgspec.to_builtins(finding), **tag}


def _patches(
    kind: WorkloadKind, workload: Workload, judgements: Sequence[Judgement]
) -> Iterator[tuple[str, str]]:
    """Yield patches: one a control of the base judge, so that any of its controls may be chosen, one a judge else."""
    for judgement in judgements:
        by_key: dict[str, list[Finding]] = {}
        for finding in judgement.findings:
            by_key.setdefault(judgement.judge.tag or finding.control.value, []).append(finding)
        for key, findings in by_key.items():
            yield key, patch_for(kind, NO_NAMESPACE, NO_NAME, workload, findings)
