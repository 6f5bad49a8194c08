"""Kyverno's own settings in the sandbox: its ConfigMap, what that leaves out, and the webhooks that Kyverno keeps up.

Without a ConfigMap the chart's defaults hold, which leave out kube-* and Kyverno's own namespace.
"""

import json
from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from typing import Any

from policies.cluster.gateway import CONFIG_MAPS, NAMESPACES, VALIDATING_WEBHOOKS
from policies.domain.engine_settings import EngineConfig, keep_config, read_config
from sandbox.faults import Fault, is_set
from sandbox.policy import Policy
from sandbox.requests import Request
from sandbox.store import Key, Manifest, Store

NAMESPACE = "kyverno"
CONFIG = "kyverno"
CONFIGURATION = "kyverno-resource-validating-webhook-cfg"
NAME_LABEL = "kubernetes.io/metadata.name"
FILTERS = (
    "[Event,*,*] [*/*,kube-system,*] [*/*,kube-public,*] [*/*,kube-node-lease,*] [Node,*,*] [Node/?*,*,*] "
    "[APIService,*,*] [APIService/?*,*,*] [TokenReview,*,*] [SubjectAccessReview,*,*] "
    "[SelfSubjectAccessReview,*,*] [Binding,*,*] [Pod/binding,*,*] [ReplicaSet,*,*] [ReplicaSet/?*,*,*]"
)
WEBHOOK_API = "admissionregistration.k8s.io/v1"
_PLURALS = {
    "Pod": ("", "pods"),
    "Job": ("batch", "jobs"),
    "CronJob": ("batch", "cronjobs"),
    "ReplicationController": ("", "replicationcontrollers"),
}


def config_map(*, filters: str = "", left_out: Iterable[str] = ()) -> Manifest:
    """Write the ConfigMap as the chart does, with filters and namespaces of somebody's own added."""
    names = (["kube-system"], [NAMESPACE], sorted(left_out))
    terms = [_not_in(each) for each in names if each]
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": CONFIG, "namespace": NAMESPACE},
        "data": {
            "defaultRegistry": "docker.io",
            "enableDefaultRegistryMutation": "true",
            "excludeGroups": "system:nodes",
            "generateSuccessEvents": "false",
            "resourceFilters": f"{FILTERS} {filters}".strip(),
            "updateRequestThreshold": "1000",
            "webhooks": json.dumps({"namespaceSelector": {"matchExpressions": terms}}),
        },
    }


def _not_in(names: list[str]) -> Manifest:
    return {"key": NAME_LABEL, "operator": "NotIn", "values": names}


DEFAULT = config_map()


def settings(store: Store) -> EngineConfig:
    """Read what holds now."""
    texts = store.texts(CONFIG_MAPS.group, CONFIG_MAPS.kind, namespace=NAMESPACE)
    return _read(next((text for text in texts if _name(text) == CONFIG), json.dumps(DEFAULT)))


def _name(text: str) -> str:
    name: str = json.loads(text)["metadata"]["name"]
    return name


@lru_cache(maxsize=64)
def _read(text: str) -> EngineConfig:
    return read_config(keep_config(json.loads(text).get("data")))


def is_called(store: Store, namespace: str) -> bool:
    """Say whether the API server asks Kyverno about requests in a namespace."""
    found = store.find(Key(NAMESPACES.group, NAMESPACES.kind, "", namespace)) or {"metadata": {}}
    labels = {NAME_LABEL: namespace, **(found["metadata"].get("labels") or {})}
    return settings(store).namespace_selector.matches(labels)


def passes_over(store: Store, request: Request) -> bool:
    """Say whether Kyverno, being asked, has nothing to say by its resourceFilters."""
    group, _, version = str(request.manifest.get("apiVersion", "")).rpartition("/")
    name = request.manifest["metadata"].get("name", "")
    return any(
        each.covers(
            request.kind,
            request.namespace,
            name,
            api=(group, version),
            subresource=request.subresource,
        )
        for each in settings(store).filters
    )


# Webhooks


def bring_webhooks_up_to_date(store: Store, policies: Iterable[Policy], now: datetime) -> None:
    """Write the webhooks that the policies need, unless the engine is off. Nothing happens when nothing has changed."""
    if is_set(store, Fault.ENGINE_DOWN):
        return
    key = Key(VALIDATING_WEBHOOKS.group, VALIDATING_WEBHOOKS.kind, "", CONFIGURATION)
    wanted = list(_webhooks(store, tuple(policies)))
    with store.transaction():
        old = store.find(key)
        if not wanted:
            if old is not None:
                store.next_version()
                store.remove(key)
            return
        if old is not None and old["webhooks"] == wanted:
            return
        metadata = old["metadata"] if old else _metadata(store, key, now)
        metadata["resourceVersion"] = str(store.next_version())
        store.put(
            {
                "apiVersion": WEBHOOK_API,
                "kind": VALIDATING_WEBHOOKS.kind,
                "metadata": metadata,
                "webhooks": wanted,
            }
        )


def _metadata(store: Store, key: Key, now: datetime) -> Manifest:
    return {
        "name": CONFIGURATION,
        "uid": store.new_uid(key),
        "creationTimestamp": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "labels": {"webhook.kyverno.io/managed-by": "kyverno"},
    }


def _webhooks(store: Store, policies: tuple[Policy, ...]) -> Iterable[Manifest]:
    groups: dict[str, list[Policy]] = {}
    for policy in policies:
        groups.setdefault(policy.webhook, []).append(policy)
    for name, group in sorted(groups.items()):
        yield _webhook(store, name, group)


def _webhook(store: Store, name: str, group: list[Policy]) -> Manifest:
    first = group[0]
    kinds = {"Pod", *(kind for policy in group for kind in policy.controllers)}
    names = "/".join(sorted(policy.name for policy in group))
    mode = "fail" if first.fails_closed else "ignore"
    own = f"/finegrained/{first.name}" if "-finegrained-" in name else ""
    path = f"/validate/{mode}{own}" if first.is_cluster_policy else f"/vpol/{names}"
    operations = sorted({op for policy in group for rule in policy.rules for op in rule.operations})
    webhook: Manifest = {
        "name": name,
        "admissionReviewVersions": ["v1"],
        "clientConfig": {
            "service": {"name": "kyverno-svc", "namespace": NAMESPACE, "path": path, "port": 443}
        },
        "failurePolicy": "Fail" if first.fails_closed else "Ignore",
        "matchPolicy": "Equivalent",
        "namespaceSelector": _namespace_selector(store),
        "objectSelector": {},
        "rules": [_rule(kind, operations, first.subresource) for kind in sorted(kinds)],
        "sideEffects": "NoneOnDryRun",
        "timeoutSeconds": first.timeout_seconds,
    }
    return webhook


def _namespace_selector(store: Store) -> Manifest:
    key = Key(CONFIG_MAPS.group, CONFIG_MAPS.kind, NAMESPACE, CONFIG)
    data = (store.find(key) or DEFAULT).get("data") or {}
    stated: Any = json.loads(data.get("webhooks") or "{}")
    selector: Manifest = stated.get("namespaceSelector") or {}
    return selector


def _rule(kind: str, operations: list[str], subresource: str) -> Manifest:
    group, plural = _PLURALS.get(kind, ("apps", f"{kind.lower()}s"))
    return {
        "apiGroups": [group],
        "apiVersions": ["v1"],
        "operations": operations,
        "resources": [f"{plural}/{subresource}" if subresource else plural],
        "scope": "Namespaced",
    }
