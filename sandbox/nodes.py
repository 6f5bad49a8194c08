"""The nodes of a sandbox cluster, and what the Security Profiles Operator 1.0 would report of the profiles on them."""

from collections.abc import Iterator

from policies.cluster import gateway
from policies.cluster.gateway import Resource
from sandbox.controllers import NODES
from sandbox.store import Manifest, Store

GPU_NODE = "node-g1"
"""Tainted: neither the operator nor a plain pod runs there."""
NAMESPACE = "kube-system"
_INSTALLED = "operatorInstalled"
_PROFILES: tuple[tuple[Resource, str, Manifest, tuple[str, ...]], ...] = (
    (gateway.SECCOMP_PROFILES, "web-fine", {"defaultAction": "SCMP_ACT_ERRNO"}, NODES),
    (gateway.SECCOMP_PROFILES, "key-rotation", {"defaultAction": "SCMP_ACT_ERRNO"}, NODES[:-1]),
    (gateway.SECCOMP_PROFILES, "log-enricher-trace", {"defaultAction": "SCMP_ACT_LOG"}, NODES),
    (gateway.APPARMOR_PROFILES, "k8s-web", {"mode": "Complain", "abstract": {}}, NODES),
)
"""Kind, name, spec, and the nodes where the profile is installed."""


def is_operator_installed(store: Store) -> bool:
    return store.setting(_INSTALLED, "") == "yes"


def install_operator(store: Store) -> None:
    """Make the cluster serve the operator's kinds."""
    store.set_setting(_INSTALLED, "yes")


def node_manifests() -> Iterator[Manifest]:
    """Give every node."""
    for name in NODES:
        yield _node(name, {"pool": "general"}, [])
    yield _node(
        GPU_NODE,
        {"pool": "gpu"},
        [{"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}],
    )


def operator_manifests() -> Iterator[Manifest]:
    """Give what the operator has written: its settings, its profiles, and their status on each node."""
    yield {
        "apiVersion": gateway.OPERATOR_DAEMONS.api_version,
        "kind": gateway.OPERATOR_DAEMONS.kind,
        "metadata": {"name": "spod", "namespace": NAMESPACE},
        "spec": {"enableAppArmor": True},
        "status": {"state": "Running"},
    }
    for resource, name, spec, nodes in _PROFILES:
        yield _profile(resource, name, spec)
        for node in nodes:
            yield _node_status(resource, name, node)


def _node(name: str, labels: dict[str, str], taints: list[Manifest]) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": gateway.NODES.kind,
        "metadata": {
            "name": name,
            "labels": {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", **labels},
        },
        "spec": {"taints": taints} if taints else {},
        "status": {
            "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady"}],
            "nodeInfo": {
                "operatingSystem": "linux",
                "osImage": "Debian GNU/Linux 12 (bookworm)",
                "kubeletVersion": "v1.36.3",
                "containerRuntimeVersion": "containerd://2.1.4",
            },
        },
    }


def _profile(resource: Resource, name: str, spec: Manifest) -> Manifest:
    status: Manifest = {"status": "Installed"}
    if resource == gateway.SECCOMP_PROFILES:
        status["localhostProfile"] = f"operator/{name}.json"
    return {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": {"name": name},
        "spec": {"state": "Enabled", **spec},
        "status": status,
    }


def _node_status(resource: Resource, profile: str, node: str) -> Manifest:
    labels = {
        "spo.x-k8s.io/profile-id": f"{resource.kind}-{profile}",
        "spo.x-k8s.io/profile-kind": resource.kind,
        "spo.x-k8s.io/node-name": node,
        "spo.x-k8s.io/profile-state": "Installed",
    }
    return {
        "apiVersion": gateway.PROFILE_NODE_STATUSES.api_version,
        "kind": gateway.PROFILE_NODE_STATUSES.kind,
        "metadata": {"name": f"{profile}-{node}", "labels": labels},
        "spec": {"nodeName": node},
        "status": {"status": "Installed"},
    }
