"""Policies and their bindings: read in the newest version that the cluster serves, and stored as they are."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, TypeVar

import msgspec
from django.utils import timezone

from policies.actions.collection_work import CollectionWork
from policies.actions.specs import resources_of
from policies.actions.storing import Fields, Key, replace_rows
from policies.cluster.gateway import Manifest, Resource
from policies.domain.library import API_VERSIONS, Target
from policies.domain.observed import ObservedPolicy as PolicyRecord
from policies.domain.observed import read_policy
from policies.models import ObservedPolicy

T = TypeVar("T")
Read = list[tuple[PolicyRecord, Manifest]]
POLICY_KINDS = tuple(
    resource for target in Target for resource in resources_of(target, API_VERSIONS[target][0])
)
"""Every kind that the objects of a target have, in its newest version."""


def read_policies(work: CollectionWork) -> dict[Resource, Read | None]:
    """Read every kind that the objects of a target have; None where the last page was not reached."""
    found: dict[Resource, Read | None] = {}
    for target in Target:
        versions = [resources_of(target, version) for version in API_VERSIONS[target]]
        for of_kind in zip(*versions, strict=True):
            resource, records = read_newest(work, of_kind, partial(read_policy_kind, work))
            found[resource] = records
    return found


def read_newest(
    work: CollectionWork, versions: Iterable[Resource], read: Callable[[Resource], T]
) -> tuple[Resource, T]:
    """Read one kind in the first of these versions that is served."""
    for resource in versions:
        work.unserved_kinds.discard(resource.full_name)
        records = read(resource)
        if resource.full_name not in work.unserved_kinds:
            break
    return resource, records


def read_policy_kind(work: CollectionWork, resource: Resource) -> Read | None:
    """Read the policies of one kind in one version; None when the last page was not reached."""

    def decode(item: bytes) -> tuple[PolicyRecord, Manifest]:
        manifest: Manifest = msgspec.json.decode(item, type=dict[str, Any])
        manifest.setdefault("kind", resource.kind)
        manifest.setdefault("apiVersion", resource.api_version)
        return read_policy(manifest), manifest

    return work.read_kind(resource, decode)


def store_policies(work: CollectionWork, resource: Resource, records: Read) -> None:
    """Replace the policies of one kind."""
    rows: dict[Key, Fields] = {
        (record.name,): policy_fields(record, manifest) for record, manifest in records
    }
    work.hold(timezone.now())
    replace_rows(
        ObservedPolicy,
        scope={**work.scope, "kind": resource.kind},
        key=("name",),
        compared=("resource_version", "digest"),
        rows=rows,
    )
    work.mark(resource)


def policy_fields(record: PolicyRecord, manifest: Manifest) -> Fields:
    """Make the columns of an ObservedPolicy, but for its key."""
    return {
        "uid": record.uid,
        "resource_version": record.resource_version,
        "digest": record.digest,
        "variant_name": record.variant or "",
        "role": record.role.value if record.role else "",
        "enforced": list(record.enforced),
        "denies": record.denies,
        "is_ready": record.ready,
        "changed_at": record.updated_at or timezone.now(),
        "manifest": manifest,
    }
