"""Workloads of the fleet: a few shapes, judged as a collection judges them, and copied under many names."""

import json
from dataclasses import dataclass
from functools import cache
from typing import Any

import msgspec

from policies.actions.judging import panel_of
from policies.domain.facts import TYPICAL
from policies.domain.objects import STRUCT_BY_KIND, WorkloadKind

NAME = "the-name"
SPACE = "the-namespace"
DEFAULT = {"type": "RuntimeDefault"}
LOCALHOST = {"type": "Localhost", "localhostProfile": "profiles/web.json"}


@dataclass(frozen=True)
class Shape:
    """How one in ten workloads looks."""

    kind: WorkloadKind
    fields: dict[str, Any]
    """The columns of its row, but for its names."""
    fails: frozenset[str]
    """Controls that it does not meet."""
    failed_policies: tuple[int, ...]
    """Which of a cluster's policies report a failure, by their place."""
    localhost: str
    """The profile that it names; empty for most."""

    def named(self, namespace: str, name: str) -> dict[str, Any]:
        """Give the columns for one workload."""
        patches = {
            key: text.replace(NAME, name).replace(SPACE, namespace)
            for key, text in self.fields["patches"].items()
        }
        return {**self.fields, "patches": patches}


@cache
def shapes() -> tuple[Shape, ...]:
    """Make the ten shapes: half of them fail nothing, and 10 in 100 results of all do not pass."""
    deployment, cron_job = WorkloadKind.DEPLOYMENT, WorkloadKind.CRON_JOB
    return (
        *(_shape(deployment, {"seccompProfile": DEFAULT}, ()) for _ in range(3)),
        _shape(WorkloadKind.STATEFUL_SET, {"seccompProfile": DEFAULT}, ()),
        _shape(cron_job, {"seccompProfile": DEFAULT}, (), localhost=True),
        _shape(deployment, {}, (0, 1)),
        _shape(deployment, {}, (0, 1, 5)),
        _shape(WorkloadKind.DAEMON_SET, {"privileged": True}, (0, 1, 2)),
        _shape(deployment, {"runAsUser": 0}, (0, 2, 6)),
        _shape(cron_job, {"seccompProfile": {"type": "Unconfined"}}, (0, 1, 2, 7)),
    )


def _shape(
    kind: WorkloadKind,
    context: dict[str, Any],
    failed: tuple[int, ...],
    *,
    localhost: bool = False,
) -> Shape:
    if localhost:
        context = {**context, "seccompProfile": LOCALHOST}
    panel = panel_of((), TYPICAL)
    manifest = json.dumps(_manifest(kind, context)).encode()
    seen = panel.see(kind, msgspec.json.decode(manifest, type=STRUCT_BY_KIND[kind]))
    stored = msgspec.to_builtins(seen.fields)
    controls = frozenset(control for _, control, _ in seen.faults)
    named = LOCALHOST["localhostProfile"] if localhost else ""
    return Shape(kind, stored, controls, failed, named)


def _manifest(kind: WorkloadKind, context: dict[str, Any]) -> dict[str, Any]:
    containers = [
        {"name": "app", "image": "registry.example/app:1", "securityContext": context},
        {"name": "proxy", "image": "registry.example/proxy:1", "securityContext": context},
    ]
    template = {"metadata": {"labels": {"app": NAME}}, "spec": {"containers": containers}}
    spec: dict[str, Any] = {"template": template}
    if kind is WorkloadKind.CRON_JOB:
        spec = {"schedule": "15 3 * * *", "jobTemplate": {"spec": {"template": template}}}
    elif kind is WorkloadKind.DEPLOYMENT:
        spec["replicas"] = 3
    return {"metadata": {"name": NAME, "namespace": SPACE, "uid": NAME}, "spec": spec}
