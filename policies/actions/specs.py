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
from policies.domain.exceptions import EXCEPTION_KIND, ExceptionKind
from policies.domain.library import Target
from policies.queries.specs import OBJECT_KINDS

_RESOURCES = {
    resource.kind: resource
    for resource in (CLUSTER_POLICIES, VALIDATING_POLICIES, NATIVE_POLICIES, NATIVE_BINDINGS)
}

_EXCEPTIONS = {ExceptionKind(resource.group): resource for resource in EXCEPTION_KINDS}


def resource_of(kind: str, api_version: str) -> Resource:
    """Say how the API addresses one kind of object in one version."""
    if kind == EXCEPTION_KIND:
        return exception_resource(ExceptionKind(api_version.partition("/")[0]), api_version)
    return replace(_RESOURCES[kind], version=api_version.rsplit("/", 1)[1])


def exception_resource(group: ExceptionKind, api_version: str) -> Resource:
    """Say how the API addresses exceptions of this group in one version."""
    return replace(_EXCEPTIONS[group], version=api_version.rsplit("/", 1)[1])


def resources_of(target: Target, api_version: str) -> tuple[Resource, ...]:
    """Say how the API addresses each kind of object that a target has."""
    return tuple(resource_of(kind, api_version) for kind in OBJECT_KINDS[target.value])
