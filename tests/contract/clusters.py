"""One cluster under test, twice: the sandbox and a real control plane, behind the same few methods.

The tests speak to the product's gateway; what these methods add is the hand of somebody else in the cluster.
"""

import copy
import json
import secrets
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import controlplane
from policies.cluster.errors import ClusterError, NotFound, RejectedByAdmission
from policies.cluster.gateway import (
    POLICY_REPORTS,
    Answer,
    Gateway,
    Manifest,
    Resource,
    Verb,
    Write,
)
from policies.cluster.kubeconfig import parse_kubeconfig
from policies.cluster.kubernetes import KubernetesGateway
from policies.cluster.refusals import refusal
from policies.domain.library import CompiledObject
from sandbox.control import Sandbox
from sandbox.faults import Fault
from sandbox.gateway import SandboxGateway
from sandbox.kinds import resource_of
from tests.contract.planes import (
    MERGE_PATCH,
    STRATEGIC_PATCH,
    Plane,
    eventually,
    object_path,
    path_of,
)

PATIENCE_SECONDS = 5


class Cluster(ABC):
    """What a test may do to a cluster besides what the gateway does."""

    gateway: Gateway

    @abstractmethod
    def make_namespace(self, word: str) -> str:
        """Make a namespace with a name of its own that has this word in it, and give that name."""

    @abstractmethod
    def apply(self, manifest: Manifest, namespace: str = "") -> Answer:
        """Create an object as anybody would, through admission. Raises ClusterError."""

    @abstractmethod
    def try_out(self, manifest: Manifest, namespace: str = "") -> Answer:
        """Ask whether an object could be created (dry-run). Raises ClusterError."""

    @abstractmethod
    def patch(self, manifest: Manifest, namespace: str, change: Manifest) -> Answer:
        """Merge a change into an object, through admission. Raises ClusterError."""

    @abstractmethod
    def debug(self, namespace: str, pod: str, container: Manifest) -> Answer:
        """Try out an ephemeral container, as `kubectl debug` adds it. Raises ClusterError."""

    @abstractmethod
    def delete(self, manifest: Manifest, namespace: str = "") -> None:
        """Delete an object. Raises ClusterError."""

    @abstractmethod
    def stop_engine(self) -> None:
        """Stop the policy engine; its webhooks stay."""

    @abstractmethod
    def start_engine(self) -> None:
        """Start it again; nothing happens if it runs."""

    @abstractmethod
    def clean(self) -> None:
        """Remove whatever this test has made."""

    def create(self, objects: Iterable[CompiledObject]) -> None:
        """Write compiled objects through the gateway."""
        for compiled in objects:
            resource = resource_of(compiled.manifest)
            change = Write(Verb.CREATE, resource, compiled.name, compiled.manifest)
            self.gateway.write(change, dry_run=False)

    def remove(self, objects: Iterable[CompiledObject]) -> None:
        """Delete compiled objects through the gateway, guarded by what they are now."""
        for compiled in objects:
            resource = resource_of(compiled.manifest)

            def attempt(resource: Resource = resource, name: str = compiled.name) -> bool:
                metadata = self.gateway.get(resource, name)["metadata"]
                guards = {"uid": metadata["uid"], "resource_version": metadata["resourceVersion"]}
                change = Write(Verb.DELETE, resource, name, **guards)
                # The engine may write the status in between.
                return refused(lambda: self.gateway.write(change, dry_run=False)) is None

            eventually(attempt, bool, in_a_row=1)

    def discard(self, compiled: CompiledObject) -> None:
        """Delete a compiled object, if it is there."""
        error = refused(lambda: self.delete(compiled.manifest))
        assert error is None or isinstance(error, NotFound), error

    def items(self, resource: Resource, namespace: str = "") -> tuple[Manifest, ...]:
        """Read a whole list through the gateway."""
        pages = self.gateway.pages(resource, namespace=namespace)
        return tuple(json.loads(item) for page in pages for item in page.items)

    def wait_reports(
        self, policy: str, namespace: str, expected: Collection[tuple[str, str]]
    ) -> dict[tuple[str, str], tuple[Manifest, ...]]:
        """Wait until these objects (kind and name) have results of this policy; give all that have."""

        def reported() -> dict[tuple[str, str], tuple[Manifest, ...]]:
            found = {}
            for report in self.items(POLICY_REPORTS, namespace):
                scope = report["scope"]
                results = tuple(r for r in report["results"] if r["policy"] == policy)
                if results:
                    found[(scope["kind"], scope["name"])] = results
            return found

        return eventually(reported, lambda found: found.keys() >= set(expected), seconds=150)


class SandboxCluster(Cluster):
    """The sandbox, in a file of its own for each test."""

    def __init__(self, folder: Path) -> None:
        path = folder / "cluster.sqlite3"
        self.sandbox = Sandbox(path)
        self.gateway: Gateway = SandboxGateway(path)
        for namespace in ("default", "kube-system", "kube-public", "kube-node-lease"):
            self.sandbox.make_namespace(namespace)

    def make_namespace(self, word: str) -> str:
        own = own_name(word)
        self.sandbox.make_namespace(own)
        return own

    def apply(self, manifest: Manifest, namespace: str = "") -> Answer:
        return self.sandbox.create(within(manifest, namespace))

    def try_out(self, manifest: Manifest, namespace: str = "") -> Answer:
        return self.sandbox.admit(within(manifest, namespace))

    def patch(self, manifest: Manifest, namespace: str, change: Manifest) -> Answer:
        name = manifest["metadata"]["name"]
        resource = resource_of(manifest)
        old = self.sandbox.get(resource, name, namespace=namespace)
        return self.sandbox.replace(merged(old, change))

    def debug(self, namespace: str, pod: str, container: Manifest) -> Answer:
        return self.sandbox.admit_ephemeral(namespace, pod, container)

    def delete(self, manifest: Manifest, namespace: str = "") -> None:
        name = manifest["metadata"]["name"]
        self.sandbox.delete(resource_of(manifest), name, namespace=namespace)

    def stop_engine(self) -> None:
        self.sandbox.set_fault(Fault.ENGINE_DOWN)

    def start_engine(self) -> None:
        self.sandbox.clear_fault(Fault.ENGINE_DOWN)

    def clean(self) -> None:
        self.gateway.close()
        self.sandbox.close()


class RealCluster(Cluster):
    """A control plane that others share: everything made here has a name of its own and is removed."""

    def __init__(self, plane: controlplane.ControlPlane, raw: Plane) -> None:
        text = plane.kubeconfig.read_text()
        self._plane = plane
        self._raw = raw
        self._made: list[tuple[Manifest, str]] = []
        connection = parse_kubeconfig(text, allow_loopback=True)
        self.gateway: Gateway = _Recording(KubernetesGateway(connection), self._made)

    def make_namespace(self, word: str) -> str:
        own = own_name(word)
        self.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": own}})
        return own

    def apply(self, manifest: Manifest, namespace: str = "") -> Answer:
        path = path_of(manifest["apiVersion"], manifest["kind"], namespace)
        answer = self._send("POST", path, manifest)
        if not namespace:  # what lies in a namespace goes with it
            self._made.append((manifest, namespace))
        return answer

    def try_out(self, manifest: Manifest, namespace: str = "") -> Answer:
        path = path_of(manifest["apiVersion"], manifest["kind"], namespace)
        return self._send("POST", path, manifest, dry_run=True)

    def patch(self, manifest: Manifest, namespace: str, change: Manifest) -> Answer:
        path = object_path(manifest, namespace)
        return self._send("PATCH", path, change, content_type=MERGE_PATCH)

    def debug(self, namespace: str, pod: str, container: Manifest) -> Answer:
        manifest = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": pod}}
        path = f"{object_path(manifest, namespace)}/ephemeralcontainers"
        change = {"spec": {"ephemeralContainers": [container]}}
        return self._send("PATCH", path, change, dry_run=True, content_type=STRATEGIC_PATCH)

    def delete(self, manifest: Manifest, namespace: str = "") -> None:
        self._send("DELETE", object_path(manifest, namespace), {"gracePeriodSeconds": 0})

    def stop_engine(self) -> None:
        self._plane.stop("kyverno")

    def start_engine(self) -> None:
        self._plane.start("kyverno")

    def clean(self) -> None:
        self.start_engine()
        self.gateway.close()
        for manifest, namespace in reversed(self._made):
            try:
                self.delete(manifest, namespace)
            except NotFound:
                continue

    def _send(self, method: str, path: str, body: Manifest, **options: Any) -> Answer:
        def send() -> Answer:
            reply = self._raw.send(method, path, body, **options)
            if not reply.ok:
                raise refusal(reply.status, json.dumps(reply.body).encode())
            return Answer(reply.body, reply.warnings)

        return patiently(send)


class _Recording:
    """The gateway, and a note of each policy that went through it, so that all are removed."""

    def __init__(self, gateway: Gateway, made: list[tuple[Manifest, str]]) -> None:
        self._gateway = gateway
        self._made = made

    def __getattr__(self, name: str) -> Any:
        return getattr(self._gateway, name)

    def dry_run_pod(self, namespace: str, pod: Mapping[str, Any]) -> Answer:
        return patiently(lambda: self._gateway.dry_run_pod(namespace, pod))

    def write(self, change: Write, *, dry_run: bool) -> Answer:
        if change.verb is Verb.CREATE and not dry_run and change.manifest is not None:
            self._made.append((change.manifest, change.namespace))
        return self._gateway.write(change, dry_run=dry_run)


def patiently(ask: Callable[[], Answer]) -> Answer:
    """Ask again while the webhook of a ClusterPolicy that was just deleted refuses everything, anybody's."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return ask()
        except RejectedByAdmission as error:
            if "failed to fetch policy" not in error.raw or time.monotonic() > deadline:
                raise
        time.sleep(0.1)


def own_name(word: str) -> str:
    """A name that no other run on the same plane has."""
    return f"ct-{word}-{secrets.token_hex(3)}"


def within(manifest: Manifest, namespace: str) -> Manifest:
    manifest = copy.deepcopy(manifest)
    if namespace:
        manifest["metadata"]["namespace"] = namespace
    return manifest


def merged(old: Any, change: Any) -> Any:
    """Apply a JSON merge patch."""
    if not isinstance(old, dict) or not isinstance(change, dict):
        return change
    result = dict(old)
    for key, value in change.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key, {}), value)
    return result


def refused(ask: Callable[[], object]) -> ClusterError | None:
    """Give the error that a call ends with, or None."""
    try:
        ask()
    except ClusterError as error:
        return error
    return None
