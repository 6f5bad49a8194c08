"""How the API addresses the objects of variants."""

from dataclasses import replace

from policies.cluster.gateway import (
    CLUSTER_POLICIES,
    EXCEPTION_KINDS,
    NATIVE_BINDINGS,
    NATIVE_POLICIES,
    VALIDATING_POLICIES,
    Resource,
)
from policies.domain.library import Target
from policies.queries.specs import OBJECT_KINDS

_RESOURCES = {
    (resource.group, resource.kind): resource
    for resource in (
        CLUSTER_POLICIES,
        VALIDATING_POLICIES,
        NATIVE_POLICIES,
        NATIVE_BINDINGS,
        *EXCEPTION_KINDS,
    )
}


def resource_of(kind: str, api_version: str) -> Resource:
    """Say how the API addresses one kind of object in one version."""
    group, _, version = api_version.rpartition("/")
    return replace(_RESOURCES[group, kind], version=version)


def resources_of(target: Target, api_version: str) -> tuple[Resource, ...]:
    """Say how the API addresses each kind of object that a target has."""
    return tuple(resource_of(kind, api_version) for kind in OBJECT_KINDS[target.value])
