"""A folder of manifests as public repositories hold them: charts rendered, overlays, dumps, and two broken files."""

import json
from pathlib import Path
from typing import Any

import yaml

from policies.domain.objects import WorkloadKind
from tests.unit.domain.apparmor_cases import on_pod
from tests.unit.domain.seccomp_cases import RD, UN, container, pod, wrapped

GOOD = on_pod(RD, container("app"), container("proxy"), profile=RD)
UNSET = pod(container("app"), init=(container("migrate"),))
BAD = pod(container("app", UN), container("proxy"))
SPECS = (GOOD, UNSET, BAD)
CHART = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: {{ .Release.Name }}\n"
CUT_OFF = '{"apiVersion": "v1", "kind": "List",\n "items": [\n'
CRD: dict[str, Any] = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "things.example.io"},
    "spec": {"versions": [{"schema": {"openAPIV3Schema": {"properties": {"containers": {}}}}}]},
}
SERVICE: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "web"},
    "spec": {"ports": [{"port": 80}]},
}


def write_tree(root: Path, apps: int) -> tuple[int, int]:
    """Write the files of this many applications, and two that are broken; say how many files and workloads."""
    files = workloads = 0
    for number in range(apps):
        folder = root / f"team-{number % 7}" / f"app-{number}"
        folder.mkdir(parents=True)
        spec = SPECS[number % 3]
        for name, text, count in _files(number, spec):
            (folder / name).write_text(text)
            files += 1
            workloads += count
    (root / "team-0" / "chart.yaml").write_text(CHART)
    (root / "team-1" / "dump.json").write_text(CUT_OFF)
    (root / "team-1" / "notes.txt").write_text("no manifest\n")
    (root / ".git").mkdir()
    (root / ".git" / "odd.yaml").write_text("{{")
    return files + 2, workloads


def _files(number: int, spec: dict[str, Any]) -> list[tuple[str, str, int]]:
    kinds = tuple(WorkloadKind)
    kind, other = kinds[number % 9], kinds[(number + 4) % 9]
    several = [SERVICE, _named(kind, spec, number), {"kind": "ConfigMap", "apiVersion": "v1"}]
    listed = {"apiVersion": "v1", "kind": "List", "items": [_named(other, spec, number), SERVICE]}
    crlf = yaml.safe_dump(_named(WorkloadKind.CRON_JOB, spec, number)).replace("\n", "\r\n")
    return [
        ("all.yaml", yaml.safe_dump_all(several, explicit_start=True), 1),
        ("list.json", json.dumps(listed, indent=2), 1),
        ("job.yml", crlf, 1),
        ("crd.yaml", "# generated\n---\n" + yaml.safe_dump(CRD), 0),
        ("values.yaml", "image: {tag: '1'}\n", 0),
    ]


def _named(kind: WorkloadKind, spec: dict[str, Any], number: int) -> dict[str, Any]:
    return wrapped(kind, spec, name=f"app-{number}")
