"""What Kubernetes' controllers would have made of a workload: its ReplicaSets, Jobs and Pods, once, without a loop."""

import copy
import hashlib
from collections.abc import Callable, Iterator
from typing import Any

from sandbox import shapes
from sandbox.store import Manifest

NODES = ("node-a1", "node-b1", "node-c1")
ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
Make = Callable[[Manifest], Manifest]
"""Stores an object and gives it back with its uid."""


def roll_out(workload: Manifest, make: Make, options: dict[str, str]) -> None:
    """Store what this stored workload owns. The options are those of the seed's lines."""
    {
        "Deployment": _deployment,
        "StatefulSet": _stateful_set,
        "DaemonSet": _daemon_set,
        "ReplicaSet": _replicas,
        "ReplicationController": _replicas,
        "Job": _job,
        "CronJob": _cron_job,
    }.get(workload["kind"], _nothing)(workload, make, options)


def pods_of(owner: Manifest) -> tuple[Manifest, ...]:
    """Give the pods that this stored object's controller would create; none for a kind that creates no pods."""
    made: list[Manifest] = []

    def keep(pod: Manifest) -> Manifest:
        made.append(pod)
        return pod

    if owner["kind"] not in ("Deployment", "CronJob"):
        roll_out(owner, keep, {})
    return tuple(made)


def scheduled_job(cron_job: Manifest, minute: int) -> Manifest:
    """Give the Job that a stored CronJob creates for this minute (since the epoch)."""
    template = copy.deepcopy(cron_job["spec"]["jobTemplate"])
    labels = template["spec"]["template"]["metadata"].get("labels", {})
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": _owned(cron_job, f"{cron_job['metadata']['name'][:52]}-{minute}", labels),
        "spec": template["spec"],
    }


def suffix(*parts: object, length: int = 5) -> str:
    """A short word as Kubernetes puts at the end of generated names, the same for the same parts."""
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    return "".join(ALPHABET[byte % len(ALPHABET)] for byte in digest[:length])


def _nothing(_workload: Manifest, _make: Make, _options: dict[str, str]) -> None:
    """A PodTemplate or a Pod owns nothing."""


def _deployment(workload: Manifest, make: Make, options: dict[str, str]) -> None:
    if "old" in options:
        _replica_set(workload, make, "old", 0, shapes.build(options["old"], "retired:1"))
    current = _replica_set(workload, make, "current", workload["spec"]["replicas"], None)
    _replicas(current, make, options)


def _replica_set(
    workload: Manifest, make: Make, revision: str, replicas: int, spec: Manifest | None
) -> Manifest:
    metadata = workload["metadata"]
    template = copy.deepcopy(workload["spec"]["template"])
    word = suffix(metadata["namespace"], metadata["name"], revision, length=9)
    template["metadata"]["labels"]["pod-template-hash"] = word
    if spec is not None:
        template["spec"] = spec
    labels = template["metadata"]["labels"]
    return make(
        {
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "metadata": _owned(workload, f"{metadata['name']}-{word}", labels),
            "spec": {
                "replicas": replicas,
                "selector": {"matchLabels": dict(labels)},
                "template": template,
            },
            "status": {"replicas": replicas, "readyReplicas": replicas},
        }
    )


def _replicas(workload: Manifest, make: Make, options: dict[str, str]) -> None:
    name = workload["metadata"]["name"]
    for number in range(workload["spec"]["replicas"]):
        word = suffix(workload["metadata"]["namespace"], name, number)
        pod = _pod(workload, f"{name[:57]}-{word}", number)
        if number == 0 and "debug" in options:
            pod["spec"]["ephemeralContainers"] = [shapes.ephemeral(options["debug"])]
        make(pod)


def _stateful_set(workload: Manifest, make: Make, _options: dict[str, str]) -> None:
    for number in range(workload["spec"]["replicas"]):
        make(_pod(workload, f"{workload['metadata']['name']}-{number}", number))


def _daemon_set(workload: Manifest, make: Make, _options: dict[str, str]) -> None:
    for number, node in enumerate(NODES):
        word = suffix(workload["metadata"]["name"], node)
        make(_pod(workload, f"{workload['metadata']['name']}-{word}", number))


def _job(workload: Manifest, make: Make, _options: dict[str, str]) -> None:
    name = workload["metadata"]["name"]
    make(_pod(workload, f"{name[:57]}-{suffix(name)}", 0, phase="Succeeded"))


def _cron_job(workload: Manifest, make: Make, options: dict[str, str]) -> None:
    for number in range(int(options.get("history", "0"))):
        name = f"{workload['metadata']['name']}-{29_400_000 + 60 * number}"
        template = copy.deepcopy(workload["spec"]["jobTemplate"])
        labels = template["spec"]["template"]["metadata"]["labels"]
        job = make(
            {
                "apiVersion": "batch/v1",
                "kind": "Job",
                "metadata": _owned(workload, name, labels),
                "spec": template["spec"],
                "status": {"succeeded": 1},
            }
        )
        _job(job, make, options)


def _pod(owner: Manifest, name: str, number: int, *, phase: str = "Running") -> Manifest:
    template = owner["spec"]["template"]
    metadata = _owned(owner, name, template["metadata"].get("labels", {}))
    if annotations := template["metadata"].get("annotations"):
        metadata["annotations"] = dict(annotations)
    spec = with_token(copy.deepcopy(template["spec"]), name)
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {**spec, "nodeName": NODES[number % len(NODES)]},
        "status": {"phase": phase},
    }


def with_token(spec: Manifest, name: str) -> Manifest:
    """Add the volume of the service account's token, as the API server does on create."""
    volume = f"kube-api-access-{suffix(name, 'token')}"
    spec["serviceAccountName"] = "default"
    spec["volumes"] = [
        *spec.get("volumes", ()),
        {"name": volume, "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}},
    ]
    for container in _containers(spec):
        container["volumeMounts"] = [
            *container.get("volumeMounts", ()),
            {"name": volume, "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"},
        ]
    return spec


def _containers(spec: Manifest) -> Iterator[Manifest]:
    yield from spec["containers"]
    yield from spec.get("initContainers", ())


def _owned(owner: Manifest, name: str, labels: dict[str, str]) -> dict[str, Any]:
    metadata = owner["metadata"]
    return {
        "name": name,
        "namespace": metadata["namespace"],
        "labels": dict(labels),
        "creationTimestamp": metadata["creationTimestamp"],
        "ownerReferences": [
            {
                "apiVersion": owner["apiVersion"],
                "kind": owner["kind"],
                "name": metadata["name"],
                "uid": metadata["uid"],
                "controller": True,
                "blockOwnerDeletion": True,
            }
        ],
    }
