"""Who an object is, as an exemption tells it from its neighbours: one line of text, and a pattern for those exempted.

Every kind of policy writes down the same line in its own language and compares it with the same pattern, and so does
this module in Python. The line holds kind, name, the controller among the nine kinds, and the pod-template-hash:

    Pod,app-5d59d67564-x7k2p,apps/v1,ReplicaSet,app-5d59d67564,5d59d67564

A pod is told by its controller more than by its own name, which anybody may choose. What cannot be excluded: whoever
may create pods in the namespace may write any owner references and labels, and so pass for an exempted workload. What
is not covered: a run of a CronJob that was started by hand under a name of its own, since its pods do not say whose
they are.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from policies.domain.exemptions import WorkloadName
from policies.domain.objects import WorkloadKind

TEMPLATE_HASH_LABEL = "pod-template-hash"
SAFE = "[bcdfghjklmnpqrstvwxz2456789]"
"""The letters of Kubernetes' generated words (`rand.SafeEncodeString`); none of them is a dash."""
TEMPLATE_HASH = f"{SAFE}{{1,10}}"
SCHEDULED_MINUTE = "(?:29|3[0-9])[0-9]{6}"
"""What a CronJob puts behind its name: minutes since 1970, of the years 2025 to 2046. No date looks like that."""
NAME = re.compile(r"[a-z0-9](?:[-a-z0-9.]*[a-z0-9])?")

CONTROLLERS = (
    ("apps/v1", WorkloadKind.DEPLOYMENT),
    ("apps/v1", WorkloadKind.REPLICA_SET),
    ("apps/v1", WorkloadKind.STATEFUL_SET),
    ("apps/v1", WorkloadKind.DAEMON_SET),
    ("batch/v1", WorkloadKind.CRON_JOB),
    ("batch/v1", WorkloadKind.JOB),
    ("v1", WorkloadKind.REPLICATION_CONTROLLER),
)
"""Any other controller (a custom kind, a node) does not count: what it controls is a top-level workload."""
_API_VERSION = {kind: version for version, kind in CONTROLLERS}
_SAMPLE_HASH = "5d59d67564"
_SAMPLE_WORD = "x7k2p"
_SAMPLE_MINUTE = "29999520"


class InvalidExemption(ValueError):
    """No policy can exempt exactly this; the message says why."""


@dataclass(frozen=True, slots=True, order=True)
class Identity:
    """Who one object is."""

    kind: str
    name: str
    controller: str = ""
    """`apps/v1,ReplicaSet,app-5d59d67564`; empty when none of the nine kinds controls it."""
    template_hash: str = ""

    def __str__(self) -> str:
        return ",".join((self.kind, self.name, self.controller, self.template_hash))


def identity_of(manifest: Mapping[str, Any]) -> Identity:
    """Read who an object is from its manifest."""
    metadata = manifest.get("metadata") or {}
    controllers = [
        f"{owner.get('apiVersion')},{owner.get('kind')},{owner.get('name')}"
        for owner in metadata.get("ownerReferences") or ()
        if owner.get("controller")
        and (owner.get("apiVersion"), owner.get("kind")) in set(CONTROLLERS)
    ]
    labels = metadata.get("labels") or {}
    return Identity(
        kind=str(manifest.get("kind", "")),
        name=str(metadata.get("name", "")),
        controller=",".join(controllers),
        template_hash=str(labels.get(TEMPLATE_HASH_LABEL, "")),
    )


def fits(pattern: str, identity: Identity) -> bool:
    """Say whether the pattern is one for this object."""
    return _compiled(pattern).search(str(identity)) is not None


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    # `$` alone would let a newline follow in Python.
    return re.compile(pattern.removesuffix("$") + r"\Z")


# The pattern


def pattern_of(workloads: Iterable[WorkloadName]) -> str:
    """Write one anchored pattern, in the words that Python and RE2 share, for these workloads and all that they own.

    Raises:
        InvalidExemption: there is no workload, or a name is none.
    """
    lines: list[str] = []
    for workload in sorted(set(workloads)):
        if len(workload.name) > 253 or not NAME.fullmatch(workload.name):
            raise InvalidExemption(f"{workload.name!r} is not the name of a workload.")
        lines += _lines(workload.kind, workload.name)
    if not lines:
        raise InvalidExemption("An exemption names at least one workload.")
    return f"^(?:{'|'.join(lines)})$"


def _lines(kind: WorkloadKind, plain_name: str) -> Iterator[str]:
    name, any_hash = _escaped(plain_name), "[^,]*"
    yield f"{kind},{name},,{any_hash}"
    a_pod = f"Pod,{_escaped(generated_stem(plain_name))}[^,]*"
    match kind:
        case WorkloadKind.DEPLOYMENT:
            owned = f"{name}-{TEMPLATE_HASH}"
            yield f"ReplicaSet,{owned},{_owner(kind, name)},{TEMPLATE_HASH}"
            yield f"{a_pod},{_owner(WorkloadKind.REPLICA_SET, owned)},{TEMPLATE_HASH}"
        case WorkloadKind.CRON_JOB:
            owned = f"{name}-{SCHEDULED_MINUTE}"
            yield f"Job,{owned},{_owner(kind, name)},{any_hash}"
            yield f"{a_pod},{_owner(WorkloadKind.JOB, owned)},{any_hash}"
        case WorkloadKind.STATEFUL_SET:
            yield f"Pod,{name}-[0-9]+,{_owner(kind, name)},{any_hash}"
        case WorkloadKind.POD | WorkloadKind.POD_TEMPLATE:
            pass
        case _:
            yield f"{a_pod},{_owner(kind, name)},{any_hash}"


def _escaped(name: str) -> str:
    return name.replace(".", "[.]")


def _owner(kind: WorkloadKind, name: str) -> str:
    return f"{_API_VERSION[kind]},{kind},{name}"


# Samples


def family(workload: WorkloadName) -> tuple[Identity, ...]:
    """Give one object of each kind that stands for a workload: itself, and what Kubernetes makes of it; pods last."""
    return tuple(_members(workload.kind, workload.name))


def _members(kind: WorkloadKind, name: str) -> Iterator[Identity]:
    yield Identity(kind, name)
    match kind:
        case WorkloadKind.DEPLOYMENT:
            owned = f"{name}-{_SAMPLE_HASH}"
            yield Identity("ReplicaSet", owned, _owner(kind, name), _SAMPLE_HASH)
            owner = _owner(WorkloadKind.REPLICA_SET, owned)
            yield Identity("Pod", generated(owned), owner, _SAMPLE_HASH)
        case WorkloadKind.CRON_JOB:
            owned = f"{name}-{_SAMPLE_MINUTE}"
            yield Identity("Job", owned, _owner(kind, name))
            yield Identity("Pod", generated(owned), _owner(WorkloadKind.JOB, owned))
        case WorkloadKind.STATEFUL_SET:
            yield Identity("Pod", f"{name}-9999", _owner(kind, name))
        case WorkloadKind.POD | WorkloadKind.POD_TEMPLATE:
            pass
        case _:
            yield Identity("Pod", generated(name), _owner(kind, name))


def generated(owner: str) -> str:
    """Name a pod as Kubernetes does for this owner, which it cuts to 58 characters."""
    return generated_stem(owner) + _SAMPLE_WORD


def generated_stem(owner: str) -> str:
    """Give what the names of all pods of this owner begin with."""
    return f"{owner}-"[:58]
