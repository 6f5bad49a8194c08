"""The kinds that a sandbox cluster serves, and in which versions."""

from policies.cluster import gateway
from policies.cluster.gateway import Resource
from sandbox.store import Key, Manifest

BUILT_IN = (gateway.NAMESPACES, *gateway.WORKLOADS)
CUSTOM = (
    gateway.CLUSTER_POLICIES,
    gateway.VALIDATING_POLICIES,
    gateway.POLICY_REPORTS,
    gateway.CLUSTER_POLICY_REPORTS,
)
VERSIONS = {
    gateway.CLUSTER_POLICIES.plural: ("v1", "v2beta1"),
    gateway.VALIDATING_POLICIES.plural: ("v1", "v1beta1", "v1alpha1"),
}
BY_PLURAL = {(resource.group, resource.plural): resource for resource in (*BUILT_IN, *CUSTOM)}
BY_KIND = {(resource.group, resource.kind): resource for resource in (*BUILT_IN, *CUSTOM)}
POLICY_KINDS = (gateway.CLUSTER_POLICIES.kind, gateway.VALIDATING_POLICIES.kind)


def is_served(resource: Resource) -> bool:
    known = BY_PLURAL.get((resource.group, resource.plural))
    return known is not None and resource.version in VERSIONS.get(known.plural, (known.version,))


def is_built_in(resource: Resource) -> bool:
    """Say whether a list leaves out apiVersion and kind of each item, as it does for built-in kinds."""
    return resource.group == "" or "." not in resource.group


def resource_of(manifest: Manifest) -> Resource:
    """Find the resource of a manifest. Raises KeyError for a kind that is not served."""
    group, _, version = str(manifest.get("apiVersion", "")).rpartition("/")
    known = BY_KIND[(group, manifest["kind"])]
    return Resource(group, version, known.plural, known.kind, known.namespaced)


def key_for(resource: Resource, name: str, namespace: str = "") -> Key:
    return Key(resource.group, resource.kind, namespace if resource.namespaced else "", name)


def full_name(resource: Resource) -> str:
    """The name as the API server writes it in its errors: `deployments.apps`, `pods`."""
    return f"{resource.plural}.{resource.group}" if resource.group else resource.plural
