"""The objects of one variant as the API server holds them, and the guarded change from there to what is wanted."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from policies.actions.errors import Refused
from policies.actions.specs import resource_of, resources_of
from policies.cluster.errors import Conflict, NotFound
from policies.cluster.gateway import Gateway, Manifest, Resource, Verb, Write
from policies.domain.exceptions import EXCEPTION_KIND, exception_digest
from policies.domain.library import ObjectRole, Target, VariantSpec
from policies.domain.observed import ObservedPolicy as PolicyRecord
from policies.domain.observed import policy_digest, read_policy
from policies.domain.plans import ABSENT

T = TypeVar("T")

CONFLICTS_ALLOWED = 8
"""Versions that may move on under one question or write, before it counts as one conflict too many."""
DENYING_ROLES = frozenset({ObjectRole.TWIN, ObjectRole.COMPANION})


@dataclass(frozen=True, slots=True)
class Live:
    """The objects of one variant as the API server holds them now, by name: no two kinds share one."""

    manifests: dict[str, Manifest]
    records: dict[str, PolicyRecord]

    @property
    def enforced(self) -> tuple[str, ...]:
        """Namespaces in which a twin or a companion denies now; the two differ after a rollout that broke off."""
        names: set[str] = set()
        for record in self.records.values():
            if record.role in DENYING_ROLES:
                names.update(record.enforced)
        return tuple(sorted(names))

    @property
    def digests(self) -> dict[str, str]:
        return {name: record.digest for name, record in self.records.items()}


def read_live(gateway: Gateway, spec: VariantSpec) -> Live:
    """Read the variant's objects, of every kind that its target has.

    Raises Refused when an object of somebody else has one of our names, ClusterError when a list breaks.
    """
    live = Live({}, {})
    for resource in resources_of(spec.target, spec.api_version):
        try:
            _read_kind(gateway, spec, resource, live)
        except NotFound:
            raise Refused(
                f"This cluster does not serve {resource.kind} in {spec.api_version}: {_needs(spec)}"
            ) from None
    return live


def _needs(spec: VariantSpec) -> str:
    if spec.target is Target.NATIVE:
        return "does it run Kubernetes 1.30 or newer?"
    return "is Kyverno installed?"


def _read_kind(gateway: Gateway, spec: VariantSpec, resource: Resource, live: Live) -> None:
    our_name = re.compile(rf"{re.escape(spec.name)}(-audit|-enforce(-debug)?(-[0-9]+)?)?")
    for page in gateway.pages(resource):
        for item in page.items:
            manifest: Manifest = msgspec.json.decode(item)
            manifest.setdefault("kind", resource.kind)
            manifest.setdefault("apiVersion", resource.api_version)
            record = read_policy(manifest)
            if record.variant == spec.name:
                live.manifests[record.name] = manifest
                live.records[record.name] = record
            elif our_name.fullmatch(record.name):
                raise Refused(
                    f"The cluster has a {record.kind} {record.name} that secprof did not write;"
                    " rename it or choose another name for the variant."
                )


def write_of(
    kind: str,
    api_version: str,
    name: str,
    wanted: Manifest | None,
    before: Manifest | None,
    *,
    namespace: str = "",
) -> Write:
    """Make the guarded change that leads from the object as it was read to the one that is wanted."""
    meta = before["metadata"] if before else {}
    writing = Verb.REPLACE if before else Verb.CREATE
    return Write(
        verb=writing if wanted is not None else Verb.DELETE,
        resource=resource_of(kind, api_version),
        name=name,
        manifest=wanted,
        uid=meta.get("uid", ""),
        resource_version=meta.get("resourceVersion", ""),
        namespace=namespace,
    )


def digest_of(manifest: Manifest | None) -> str:
    """Hash what decides what an object does: a policy, a binding or an exception; `absent` when there is none."""
    if manifest is None:
        return ABSENT
    if manifest.get("kind") == EXCEPTION_KIND:
        return exception_digest(manifest)
    return policy_digest(manifest)


def despite_conflicts(attempt: Callable[[], T]) -> T:
    """Try again, from a fresh read, what met a version that has moved on.

    The engine writes the status of its policies, which moves their version and changes nothing that they say.
    """
    for _ in range(CONFLICTS_ALLOWED):
        try:
            return attempt()
        except Conflict as conflict:
            last = conflict
    raise last
