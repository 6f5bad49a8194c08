"""Whom an exemption covers, asked of the compiled pattern itself, and the pods that prove it."""

from collections.abc import Iterable
from itertools import count

from policies.domain.exceptions.records import ExemptPods, Manifest
from policies.domain.exemptions import Exemption, WorkloadName
from policies.domain.identities import (
    TEMPLATE_HASH_LABEL,
    Identity,
    InvalidExemption,
    family,
    fits,
    pattern_of,
)
from policies.domain.library import VariantSpec, failing_pod
from policies.domain.objects import WorkloadKind

_UID = "00000000-0000-4000-8000-000000000000"
"""The API server does not look for the owner of a dry-run; the garbage collector never sees it."""


def covered(exemption: Exemption, live: Iterable[Identity]) -> tuple[Identity, ...]:
    """Give those of the objects of its namespace that the exemption covers, in their order."""
    pattern = pattern_of(exemption.workloads)
    return tuple(identity for identity in live if fits(pattern, identity))


def also_covers(exemption: Exemption, names: Iterable[WorkloadName]) -> tuple[WorkloadName, ...]:
    """Give those top-level workloads of its namespace that it would catch, or some object of theirs, and does not name.

    None by construction, but for a bare Job that is named like those of an exempted CronJob. Asked all the same.
    """
    pattern = pattern_of(exemption.workloads)
    return tuple(
        workload
        for workload in sorted(set(names) - set(exemption.workloads))
        if any(fits(pattern, member) for member in family(workload))
    )


def exempt_pods(spec: VariantSpec, exemption: Exemption, workload: WorkloadName) -> ExemptPods:
    """Make the pods that prove an exemption for one of its workloads.

    Raises:
        InvalidExemption: it is not for this workload, or the workload has no pods.
        InvalidVariant: no pod fails only the exempted controls, so to exempt from them alone changes nothing.
    """
    if not exemption.exempts(workload):
        raise InvalidExemption(f"The exception is not for {workload}.")
    if workload.kind is WorkloadKind.POD_TEMPLATE:
        raise InvalidExemption(f"{workload} has no pods of its own.")
    pattern = pattern_of(exemption.workloads)
    # Workloads that a careless `name-*` would catch.
    beside = (WorkloadName(workload.kind, f"{workload.name}-v{number}") for number in count(2))
    pods = (family(each)[-1] for each in beside)
    neighbour = next(pod for pod in pods if not fits(pattern, pod))
    return ExemptPods(
        exempted=_pod(spec, exemption, family(workload)[-1]),
        neighbour=_pod(spec, exemption, neighbour),
    )


def _pod(spec: VariantSpec, exemption: Exemption, identity: Identity) -> Manifest:
    pod = failing_pod(spec, exemption.controls, identity.name)
    metadata = pod["metadata"]
    if identity.controller:
        api_version, kind, name = identity.controller.split(",")
        owner = {"apiVersion": api_version, "kind": kind, "name": name, "uid": _UID}
        metadata["ownerReferences"] = [{**owner, "controller": True}]
    if identity.template_hash:
        metadata["labels"][TEMPLATE_HASH_LABEL] = identity.template_hash
    return pod
