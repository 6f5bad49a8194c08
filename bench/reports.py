"""The cluster of `bench-collect`: pods, and a report of 17 results about each, the same for the same seed."""

import random
from typing import Any

Manifest = dict[str, Any]
RESULTS = 17
"""Of one report: as many policies as the public library's pod security set has."""
FAILING = 0.12
"""Share of results that are not a pass."""
PODS_A_NAMESPACE = 100
REPLICAS = 10
"""Pods that are alike but for their names, as those of one owner are."""
POLICIES = tuple(f"pod-security-check-{number:02}" for number in range(RESULTS))
MESSAGE = (
    "validation error: the field securityContext of each container must be set as the policy asks;"
    " rule {rule} failed at path /spec/containers/0/securityContext/"
)


def namespace_of(number: int) -> str:
    return f"bench-{number // PODS_A_NAMESPACE:04}"


def pod(number: int) -> Manifest:
    """One pod of an application: nearly all have a seccomp profile."""
    app = f"shop-{number // REPLICAS}"
    chance = random.Random(app)
    context: Manifest = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    if chance.random() > FAILING:
        context["seccompProfile"] = {"type": "RuntimeDefault"}
    name = f"web-{number:06}"
    containers = [
        {
            "name": word,
            "image": f"registry.example/{app}/{word}:1.4",
            "securityContext": context,
            "env": [{"name": f"SETTING_{key}", "value": f"{word}-{key}"} for key in range(8)],
            "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}},
            "volumeMounts": [{"name": "data", "mountPath": "/data"}],
        }
        for word in ("app", "proxy")
    ]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": namespace_of(number),
            "labels": {"app.kubernetes.io/name": app, "app.kubernetes.io/instance": app},
        },
        "spec": {"containers": containers, "volumes": [{"name": "data", "emptyDir": {}}]},
    }


def report(number: int, uid: str, at: int, *, turn: int = 0) -> Manifest:
    """What an engine reports on a pod: within the last scan, or just now. Each `turn` judges it anew, with other outcomes."""
    chance = random.Random(number * 1009 + turn)
    name = f"web-{number:06}"
    since = 5 if turn else 3600
    results = [_result(policy, at - chance.randrange(since), chance) for policy in POLICIES]
    outcomes = [result["result"] for result in results]
    return {
        "apiVersion": "wgpolicyk8s.io/v1alpha2",
        "kind": "PolicyReport",
        "metadata": {
            "name": uid,
            "namespace": namespace_of(number),
            "labels": {"app.kubernetes.io/managed-by": "kyverno"},
        },
        "scope": {
            "apiVersion": "v1",
            "kind": "Pod",
            "name": name,
            "namespace": namespace_of(number),
            "uid": uid,
        },
        "results": results,
        "summary": {
            word: outcomes.count(word) for word in ("pass", "fail", "warn", "error", "skip")
        },
    }


def _result(policy: str, seconds: int, chance: random.Random) -> Manifest:
    outcome = "pass"
    message = f"validation rule '{policy}' passed."
    if chance.random() < FAILING:
        outcome = chance.choice(("fail", "fail", "fail", "warn", "error", "skip"))
        message = MESSAGE.format(rule=policy)
    return {
        "source": "kyverno",
        "policy": policy,
        "rule": f"check-{policy}",
        "result": outcome,
        "message": message,
        "scored": True,
        "severity": "medium",
        "category": "Pod Security Standards (Restricted)",
        "timestamp": {"seconds": seconds, "nanos": 0},
        "properties": {"process": "background scan"},
    }
