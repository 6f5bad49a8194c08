"""The Security Profiles Operator's own CRDs on a control plane, and what its daemons would write; no daemon runs."""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from policies.cluster.gateway import OPERATOR_GROUP
from tests.contract.planes import MERGE_PATCH, Manifest, Plane, Reply, eventually
from tests.needs import go_path

MODULE = "sigs.k8s.io/security-profiles-operator"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
FILES = (
    "seccompprofile",
    "apparmorprofile",
    "securityprofilenodestatus",
    "securityprofilesoperatordaemon",
)
PLURALS = {
    "SeccompProfile": "seccompprofiles",
    "AppArmorProfile": "apparmorprofiles",
    "SecurityProfileNodeStatus": "securityprofilenodestatuses",
    "SecurityProfilesOperatorDaemon": "securityprofilesoperatordaemons",
}


@dataclass(frozen=True)
class Operator:
    """One release of the operator: its CRDs are served while this is open."""

    raw: Plane
    namespace: str
    """Where its profiles lie; empty when they are cluster-wide."""
    versions: dict[str, str]
    """By kind: the version to write in."""

    def create(
        self,
        kind: str,
        name: str,
        *,
        namespace: str = "",
        metadata: Manifest | None = None,
        **parts: Any,
    ) -> Reply:
        """Create an object and write its status where that is a subresource. Fails the test when refused."""
        where = namespace or self.namespace
        scope = f"/namespaces/{where}" if where else ""
        api_version = f"{OPERATOR_GROUP}/{self.versions[kind]}"
        path = f"/apis/{api_version}{scope}/{PLURALS[kind]}"
        head = {"apiVersion": api_version, "kind": kind}
        manifest = {**head, "metadata": {"name": name, **(metadata or {})}, **parts}
        made = accepted(self.raw.send("POST", path, manifest))
        if isinstance(parts.get("status"), dict):
            change = {"status": parts["status"]}
            status = f"{path}/{name}/status"
            return accepted(self.raw.send("PATCH", status, change, content_type=MERGE_PATCH))
        return made

    def status(self, profile: Reply, node: str, state: str) -> None:
        """Write what the daemon of one node says of a profile, as that release does."""
        body = profile.body
        kind, metadata = body["kind"], body["metadata"]
        owner = {"apiVersion": body["apiVersion"], "kind": kind, "controller": True}
        labels = {
            "spo.x-k8s.io/profile-id": f"{kind}-{metadata['name']}",
            "spo.x-k8s.io/profile-kind": kind,
        }
        shape = (
            {"nodeName": node, "status": state}
            if self.namespace
            else {"spec": {"nodeName": node}, "status": {"status": state}}
        )
        owner |= {"name": metadata["name"], "uid": metadata["uid"]}
        self.create(
            "SecurityProfileNodeStatus",
            f"{metadata['name']}-{node}",
            metadata={"labels": labels, "ownerReferences": [owner]},
            **shape,
        )


def accepted(reply: Reply) -> Reply:
    assert reply.ok, reply.text
    return reply


@contextmanager
def served(raw: Plane, version: str, namespace: str) -> Iterator[Operator]:
    """Serve the kinds of one release, and take them away again with everything in them."""
    crds = [crd_of(_sources(version), name) for name in FILES]
    for crd in crds:
        withdraw(raw, crd)
        accepted(raw.send("POST", CRDS, crd))
    is_namespaced = crds[0]["spec"]["scope"] == "Namespaced"
    versions = {c["spec"]["names"]["kind"]: c["spec"]["versions"][0]["name"] for c in crds}
    operator = Operator(raw, namespace if is_namespaced else "", versions)
    try:
        for kind, served_version in versions.items():
            path = f"/apis/{OPERATOR_GROUP}/{served_version}/{PLURALS[kind]}"
            eventually(lambda path=path: raw.send("GET", path), lambda reply: reply.ok, in_a_row=5)
        yield operator
    finally:
        for crd in crds:
            withdraw(raw, crd)


def withdraw(raw: Plane, crd: Manifest) -> None:
    path = f"{CRDS}/{crd['metadata']['name']}"
    raw.send("DELETE", path, {})
    eventually(lambda: raw.send("GET", path).status, lambda status: status == 404)


def crd_of(sources: Path, name: str) -> Manifest:
    text = (sources / "deploy" / "base-crds" / "crds" / f"{name}.yaml").read_text()
    crd: Manifest = yaml.safe_load(text)
    crd.pop("status", None)
    return crd


def _sources(version: str) -> Path:
    """Find the sources of a release by Go's module cache, or skip the test where they cannot be had."""
    command = [go_path() or "go", "mod", "download", "-json", f"{MODULE}@{version}"]
    environ = {**os.environ, "GOFLAGS": "-mod=mod"}
    finished = subprocess.run(
        command, cwd="/", env=environ, capture_output=True, text=True, check=False, timeout=300
    )
    if finished.returncode != 0:
        if os.environ.get("CI") in {"1", "true"}:
            pytest.fail(finished.stdout + finished.stderr)
        pytest.skip(f"{MODULE}@{version} cannot be had here")
    return Path(json.loads(finished.stdout)["Dir"])
