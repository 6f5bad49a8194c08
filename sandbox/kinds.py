"""The kinds that a sandbox cluster serves, and in which versions."""

from policies.cluster import gateway
from policies.cluster.gateway import Resource
from sandbox.store import Key, Manifest

BUILT_IN = (
    gateway.NAMESPACES,
    gateway.NODES,
    gateway.EVENTS,
    gateway.CONFIG_MAPS,
    gateway.VALIDATING_WEBHOOKS,
    *gateway.WORKLOADS,
    gateway.NATIVE_POLICIES,
    gateway.NATIVE_BINDINGS,
)
CUSTOM = (
    gateway.CLUSTER_POLICIES,
    gateway.VALIDATING_POLICIES,
    *gateway.EXCEPTION_KINDS,
    gateway.POLICY_REPORTS,
    gateway.CLUSTER_POLICY_REPORTS,
    gateway.SECCOMP_PROFILES,
    gateway.APPARMOR_PROFILES,
    gateway.PROFILE_NODE_STATUSES,
    gateway.OPERATOR_DAEMONS,
)
VERSIONS = {
    gateway.CLUSTER_POLICIES.full_name: ("v1", "v2beta1"),
    gateway.VALIDATING_POLICIES.full_name: ("v1", "v1beta1", "v1alpha1"),
    gateway.KYVERNO_EXCEPTIONS.full_name: ("v2", "v2beta1"),
    gateway.CEL_EXCEPTIONS.full_name: ("v1", "v1beta1", "v1alpha1"),
}
BY_PLURAL = {(resource.group, resource.plural): resource for resource in (*BUILT_IN, *CUSTOM)}
BY_KIND = {(resource.group, resource.kind): resource for resource in (*BUILT_IN, *CUSTOM)}

ENGINE_POLICIES = (gateway.CLUSTER_POLICIES, gateway.VALIDATING_POLICIES)
"""Those that Kyverno carries out."""
ENGINE_KINDS = tuple(resource.kind for resource in ENGINE_POLICIES)
NATIVE_KINDS = (gateway.NATIVE_POLICIES.kind, gateway.NATIVE_BINDINGS.kind)
"""Those that the API server carries out by itself."""
POLICY_KINDS = (*ENGINE_KINDS, *NATIVE_KINDS)
EXCEPTION = gateway.KYVERNO_EXCEPTIONS.kind


def is_served(resource: Resource) -> bool:
    known = BY_PLURAL.get((resource.group, resource.plural))
    return known is not None and resource.version in VERSIONS.get(known.full_name, (known.version,))


def is_built_in(resource: Resource) -> bool:
    """Say whether the API server itself knows this group; those of custom resources have a dot in their name."""
    return "." not in resource.group or resource.group == gateway.NATIVE_POLICIES.group


def resource_of(manifest: Manifest) -> Resource:
    """Find the resource of a manifest. Raises KeyError for a kind that is not served."""
    group, _, version = str(manifest.get("apiVersion", "")).rpartition("/")
    known = BY_KIND[(group, manifest["kind"])]
    return Resource(group, version, known.plural, known.kind, known.namespaced)


def key_for(resource: Resource, name: str, namespace: str = "") -> Key:
    return Key(resource.group, resource.kind, namespace if resource.namespaced else "", name)
