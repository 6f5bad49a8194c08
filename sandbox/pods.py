"""Where an object of the sandbox keeps its pod, and the containers in it. Only places; nothing is judged."""

from collections.abc import Iterator
from typing import Any

from policies.domain.objects import WorkloadKind
from policies.domain.posture.pods import POD_PATH
from sandbox.store import Manifest

CONTAINER_LISTS = ("containers", "initContainers", "ephemeralContainers")
"""In the order in which the API server validates them."""
VISITED = ("initContainers", "containers", "ephemeralContainers")
"""In the order in which it walks over them for all else."""


def is_workload(kind: str) -> bool:
    """Say whether objects of this kind hold a pod."""
    return kind in WorkloadKind.__members__.values()


def pod_holder(manifest: Manifest) -> Manifest:
    """Find what holds the metadata and the spec of a workload's pods; empty where there are none."""
    found: Any = manifest if is_workload(manifest["kind"]) else None
    for key in POD_PATH.get(manifest["kind"], ()):
        found = found.get(key) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}


def pod_spec(manifest: Manifest) -> Manifest | None:
    """Find the pod spec of a workload; None where there is none."""
    found = pod_holder(manifest).get("spec")
    return found if isinstance(found, dict) else None


def holder_path(kind: str) -> str:
    """Say where the pod stands in an object, with a dot at the end: `spec.template.`, empty for a Pod."""
    return "".join(f"{key}." for key in POD_PATH[WorkloadKind(kind)])


def containers(
    spec: Manifest, lists: tuple[str, ...] = CONTAINER_LISTS
) -> Iterator[tuple[str, Manifest]]:
    """Give each container with its path in the pod spec, as `initContainers[0]`."""
    for name in lists:
        for index, container in enumerate(spec.get(name) or ()):
            yield f"{name}[{index}]", container


def is_windows(spec: Manifest) -> bool:
    return (spec.get("os") or {}).get("name") == "windows"
