"""How fast `check_manifests` judges a JSON List of pods, beside json.loads of the same bytes: `make bench-check`."""

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from policies.domain.controls import BASE_CONTROLS
from policies.domain.facts import ClusterFacts
from policies.domain.manifests import FORMATS, Checker
from policies.domain.parameters import Parameters

ROUNDS = 5
HARD = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pods", type=int, default=10_000)
    pods = parser.parse_args().pods
    content = listed(pods)
    loaded = fastest(lambda: json.loads(content))
    checked = fastest(lambda: check(content))
    print(f"{pods} pods, {len(content) / pods / 1024:.1f} KiB each, four controls, one core")
    print(f"json.loads       {pods / loaded:>9,.0f} pods/s")
    print(
        f"check_manifests  {pods / checked:>9,.0f} pods/s, {checked / loaded:.2f} times json.loads"
    )


def fastest(work: Callable[[], object]) -> float:
    """Give the processor seconds of the fastest round: other work shares the core."""
    rounds = []
    for _ in range(ROUNDS):
        start = time.process_time()
        work()
        rounds.append(time.process_time() - start)
    return min(rounds)


def check(content: bytes) -> bytes:
    checker = Checker(Parameters(controls=BASE_CONTROLS), BASE_CONTROLS, ClusterFacts())
    checker.check("pods.json", content)
    return FORMATS["json"](checker.report)


def listed(count: int) -> bytes:
    items = [pod(number) for number in range(count)]
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": items}).encode()


def pod(number: int) -> dict[str, Any]:
    """Build a running pod as an API server lists it: every third sets nothing, the others a seccomp profile."""
    context = {} if number % 3 == 0 else dict(HARD)
    token = {"name": "kube-api-access-x", "mountPath": "/var/run/secrets/kubernetes.io/token"}
    main = {
        "name": "web",
        "image": f"registry.example/team/web:1.{number}",
        "imagePullPolicy": "IfNotPresent",
        "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}],
        "env": [{"name": f"SETTING_{n}", "value": f"value {n}"} for n in range(8)],
        "resources": {"limits": {"memory": "256Mi"}, "requests": {"cpu": "100m"}},
        "livenessProbe": {"httpGet": {"path": "/healthz", "port": "http"}, "periodSeconds": 10},
        "volumeMounts": [{"name": "config", "mountPath": "/etc/web"}, token],
        "securityContext": context,
    }
    proxy = {
        "name": "proxy",
        "image": "registry.example/team/proxy:2",
        "volumeMounts": [token],
        "securityContext": dict(context),
    }
    started = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"web-{number}",
            "namespace": f"team-{number % 40}",
            "uid": f"00000000-0000-0000-0000-{number:012}",
            "resourceVersion": str(number),
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "labels": {"app": "web", "pod-template-hash": "7d4b9c"},
            "ownerReferences": [
                {
                    "apiVersion": "apps/v1",
                    "kind": "ReplicaSet",
                    "name": "web-7d4b9c",
                    "uid": "00000000-0000-0000-0000-000000000000",
                    "controller": True,
                }
            ],
        },
        "spec": {
            "containers": [main, proxy],
            "volumes": [
                {"name": "config", "configMap": {"name": "web"}},
                {"name": "kube-api-access-x", "projected": {"sources": []}},
            ],
            "nodeName": "node-1",
            "restartPolicy": "Always",
            "serviceAccountName": "web",
            "securityContext": {"runAsNonRoot": True},
            "tolerations": [{"key": "node.kubernetes.io/not-ready", "operator": "Exists"}],
        },
        "status": {
            "phase": "Running",
            "conditions": [
                {"type": name, "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}
                for name in ("Initialized", "Ready", "ContainersReady", "PodScheduled")
            ],
            "containerStatuses": [
                {
                    "name": name,
                    "state": started,
                    "ready": True,
                    "restartCount": 0,
                    "imageID": "sha256:" + "0" * 64,
                    "containerID": "containerd://" + "0" * 64,
                }
                for name in ("web", "proxy")
            ],
        },
    }


if __name__ == "__main__":
    main()
