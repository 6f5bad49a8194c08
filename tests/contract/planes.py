"""The shared real control planes as fixtures, and a raw client for them: status, warnings and text as sent.

The product's own gateway is under test elsewhere; here nothing may stand between a test and the API server.
"""

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest
import urllib3
from kubernetes import config

import controlplane
from controlplane import ControlPlane

Manifest = dict[str, Any]
T = TypeVar("T")

MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
_CLUSTER_SCOPED = {
    "namespaces",
    "clusterpolicies",
    "validatingpolicies",
    "validatingwebhookconfigurations",
    "validatingadmissionpolicies",
    "validatingadmissionpolicybindings",
}
_IRREGULAR = {
    "ClusterPolicy": "clusterpolicies",
    "ValidatingPolicy": "validatingpolicies",
    "PolicyException": "policyexceptions",
    "ValidatingAdmissionPolicy": "validatingadmissionpolicies",
}


@dataclass(frozen=True)
class Reply:
    """One answer of the API server."""

    status: int
    body: Manifest
    warnings: tuple[str, ...]

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def text(self) -> str:
        """The text of a refusal; empty when the request was accepted."""
        return "" if self.ok else str(self.body.get("message", ""))


class Plane:
    """One control plane, as its administrator."""

    def __init__(self, kubeconfig: Path) -> None:
        client = config.new_client_from_config(config_file=str(kubeconfig))
        self._server = client.configuration.host
        self._pool: urllib3.PoolManager = client.rest_client.pool_manager

    def send(
        self,
        method: str,
        path: str,
        body: Manifest | None = None,
        *,
        dry_run: bool = False,
        content_type: str = "application/json",
    ) -> Reply:
        response = self._pool.request(
            method,
            self._server + path + ("?dryRun=All" if dry_run else ""),
            body=None if body is None else json.dumps(body),
            headers={"Content-Type": content_type, "Accept": "application/json"},
            timeout=15.0,
            retries=False,
        )
        warnings = response.headers.getlist("Warning")
        return Reply(
            response.status,
            _body(response.data),
            tuple(_warning_text(warning) for warning in warnings),
        )

    def create(self, manifest: Manifest, namespace: str = "", *, dry_run: bool = False) -> Reply:
        path = path_of(manifest["apiVersion"], manifest["kind"], namespace)
        return self.send("POST", path, manifest, dry_run=dry_run)

    def get(self, manifest: Manifest, namespace: str = "") -> Reply:
        return self.send("GET", object_path(manifest, namespace))

    def patch(
        self,
        manifest: Manifest,
        change: Manifest,
        namespace: str = "",
        *,
        subresource: str = "",
        content_type: str = MERGE_PATCH,
        dry_run: bool = False,
    ) -> Reply:
        path = object_path(manifest, namespace) + (f"/{subresource}" if subresource else "")
        return self.send("PATCH", path, change, dry_run=dry_run, content_type=content_type)

    def delete(self, manifest: Manifest, namespace: str = "") -> Reply:
        options = {"gracePeriodSeconds": 0, "propagationPolicy": "Background"}
        return self.send("DELETE", object_path(manifest, namespace), options)


def path_of(api_version: str, kind: str, namespace: str = "") -> str:
    """Give the path of a kind's list."""
    root = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
    plural = _IRREGULAR.get(kind, kind.lower() + "s")
    scope = f"/namespaces/{namespace}" if namespace and plural not in _CLUSTER_SCOPED else ""
    return f"{root}{scope}/{plural}"


def object_path(manifest: Manifest, namespace: str = "") -> str:
    """Give the path of one object."""
    path = path_of(manifest["apiVersion"], manifest["kind"], namespace)
    return f"{path}/{manifest['metadata']['name']}"


def eventually(
    ask: Callable[[], T], accept: Callable[[T], bool], *, seconds: float = 30, in_a_row: int = 1
) -> T:
    """Ask until the answer is acceptable so many times in a row; the last answer is shown on failure."""
    deadline = time.monotonic() + seconds
    agreed = 0
    while True:
        answer = ask()
        agreed = agreed + 1 if accept(answer) else 0
        if agreed >= in_a_row:
            return answer
        assert time.monotonic() < deadline, f"not within {seconds} s: {answer}"
        time.sleep(0.1 if agreed else 0.3)


def _body(text: bytes) -> Manifest:
    """Read an answer; a path that is not served at all is answered in plain text."""
    return json.loads(text) if text.startswith(b"{") else {}


def _warning_text(header: str) -> str:
    """Take the text out of `299 - "text"`."""
    text = header.split(" ", 2)[2]
    return json.loads(text) if text.startswith('"') else text


def newest() -> ControlPlane:
    """Bring up the newest supported Kyverno. It stays up: it is shared, and building it again takes minutes."""
    return controlplane.up(_own_name("SECPROF_CONTROLPLANE", "default"))


def oldest() -> ControlPlane:
    """Bring up the oldest supported Kyverno. It stays up, too."""
    return controlplane.up(_own_name("SECPROF_CONTROLPLANE_OLD", "old"), kyverno="1.13.4")


def _own_name(variable: str, usual: str) -> str:
    """Name a control plane that no other worker of this run uses: tests stop its parts and fill its namespaces."""
    name = os.environ.get(variable, usual)
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
    return name if worker == "gw0" else f"{name}-{worker}"


@pytest.fixture(scope="session")
def plane_new() -> Plane:
    return Plane(newest().kubeconfig)


@pytest.fixture(scope="session")
def plane_old() -> Plane:
    return Plane(oldest().kubeconfig)
