"""The objects that Kyverno expects before it starts, with the paths to apply them to.

The Deployments run nothing (there are no nodes); they carry the version and the flags that are used,
because that is where a cluster's Kyverno is read from.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from controlplane.parts import KYVERNO, KYVERNO_NAMESPACE, KyvernoController

Manifest = Mapping[str, Any]

_NAMESPACED = f"/api/v1/namespaces/{KYVERNO_NAMESPACE}"
_RBAC = "/apis/rbac.authorization.k8s.io/v1"
_SHARED_LABELS = {
    "app.kubernetes.io/part-of": "kyverno",
    "app.kubernetes.io/instance": "kyverno",
}
_IMAGES = "reg.kyverno.io/kyverno"

# As the Helm chart ships them, less the names of objects that do not exist here.
_RESOURCE_FILTERS = (
    "[Event,*,*] [*/*,kube-system,*] [*/*,kube-public,*] [*/*,kube-node-lease,*] [Node,*,*] "
    "[Node/?*,*,*] [APIService,*,*] [APIService/?*,*,*] [TokenReview,*,*] "
    "[SubjectAccessReview,*,*] [SelfSubjectAccessReview,*,*] [Binding,*,*] [Pod/binding,*,*] "
    "[ReplicaSet,*,*] [ReplicaSet/?*,*,*] [EphemeralReport,*,*] [ClusterEphemeralReport,*,*] "
    "[Deployment,kyverno,kyverno-*] [Pod,kyverno,kyverno-*] [Pod/?*,kyverno,kyverno-*]"
)
_WEBHOOKS = {
    "namespaceSelector": {
        "matchExpressions": [
            {
                "key": "kubernetes.io/metadata.name",
                "operator": "NotIn",
                "values": ["kube-system"],
            }
        ]
    }
}
_CONFIG = {
    "enableDefaultRegistryMutation": "true",
    "defaultRegistry": "docker.io",
    "generateSuccessEvents": "false",
    "excludeGroups": "system:nodes",
    "excludeKyvernoNamespace": "true",
    "resourceFilters": _RESOURCE_FILTERS,
    "updateRequestThreshold": "1000",
    "webhooks": json.dumps(_WEBHOOKS),
}
_METRICS_CONFIG = {"namespaces": json.dumps({"exclude": [], "include": []})}


def before_kyverno(
    version: str, flags: Mapping[str, Sequence[str]]
) -> Iterator[tuple[str, Manifest]]:
    """Yield path and object, in the order to apply them; `flags` is by part."""
    namespace = _manifest("v1", "Namespace", KYVERNO_NAMESPACE, namespaced=False)
    yield f"/api/v1/namespaces/{KYVERNO_NAMESPACE}", namespace
    for name, entries in (("kyverno", _CONFIG), ("kyverno-metrics", _METRICS_CONFIG)):
        config_map = {**_manifest("v1", "ConfigMap", name), "data": entries}
        yield f"{_NAMESPACED}/configmaps/{name}", config_map
    for controller in KYVERNO.values():
        account = _manifest("v1", "ServiceAccount", controller.name)
        yield f"{_NAMESPACED}/serviceaccounts/{controller.name}", account
    yield f"{_RBAC}/clusterrolebindings/kyverno", _binding()
    for part, controller in KYVERNO.items():
        path = f"/apis/apps/v1/namespaces/{KYVERNO_NAMESPACE}/deployments/{controller.name}"
        yield path, _deployment(controller, version, flags[part])


def probe_policy() -> Manifest:
    """Return a valid policy, for a dry-run that only an answering webhook lets through."""
    rule = {
        "name": "probe",
        "match": {"any": [{"resources": {"kinds": ["ConfigMap"]}}]},
        "validate": {"message": "probe", "pattern": {"metadata": {"name": "?*"}}},
    }
    manifest = _manifest("kyverno.io/v1", "ClusterPolicy", "controlplane-probe", namespaced=False)
    return {**manifest, "spec": {"background": False, "rules": [rule]}}


def _binding() -> Manifest:
    manifest = _manifest(
        "rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "kyverno", namespaced=False
    )
    role = {
        "apiGroup": "rbac.authorization.k8s.io",
        "kind": "ClusterRole",
        "name": "cluster-admin",
    }
    subjects = [
        {"kind": "ServiceAccount", "name": controller.name, "namespace": KYVERNO_NAMESPACE}
        for controller in KYVERNO.values()
    ]
    return {**manifest, "roleRef": role, "subjects": subjects}


def _deployment(controller: KyvernoController, version: str, flags: Sequence[str]) -> Manifest:
    labels = {**_SHARED_LABELS, "app.kubernetes.io/component": controller.component}
    container = {
        "name": controller.container,
        "image": f"{_IMAGES}/{controller.image}:v{version}",
        "args": list(flags),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "privileged": False,
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }
    template = {
        "metadata": {"labels": labels},
        "spec": {"serviceAccountName": controller.name, "containers": [container]},
    }
    manifest = _manifest("apps/v1", "Deployment", controller.name, labels=labels)
    spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
    return {**manifest, "spec": spec}


def _manifest(
    api_version: str,
    kind: str,
    name: str,
    *,
    namespaced: bool = True,
    labels: Mapping[str, str] = _SHARED_LABELS,
) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": name, "labels": dict(labels)}
    if namespaced:
        metadata["namespace"] = KYVERNO_NAMESPACE
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata}
