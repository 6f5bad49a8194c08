"""The hand that tests and the demo have in a sandbox cluster: faults, objects past or through admission, reports."""

import copy
from datetime import datetime
from pathlib import Path
from typing import Any

from policies.cluster.errors import NotFound
from policies.cluster.gateway import NAMESPACES, PODS, Answer, Resource
from sandbox import kinds, nodes, reports
from sandbox.admission import freeze_view, thaw_view
from sandbox.api_server import ApiServer, Clock, utc_now
from sandbox.attempts import make_pods_anew, try_cron_jobs
from sandbox.faults import Fault, SetFault, is_set, read_faults
from sandbox.store import Manifest, Store, key_of


class Sandbox:
    """One sandbox cluster, from behind. Faults do not stand in its way."""

    def __init__(self, path: Path, *, clock: Clock = utc_now) -> None:
        self._store = Store(path)
        self._server = ApiServer(self._store, clock)
        self._clock = clock

    def close(self) -> None:
        self._store.close()

    def set_fault(self, fault: Fault, *, target: str = "", amount: float = 0) -> None:
        """Break something, for every process that uses this cluster. See `Fault` for target and amount."""
        with self._store.transaction():
            if fault is Fault.ENGINE_DOWN and not is_set(self._store, fault):
                freeze_view(self._store)
            self._store.set_fault(fault, target, amount)

    def clear_fault(self, fault: Fault, *, target: str = "") -> None:
        with self._store.transaction():
            self._store.remove_fault(fault, target)
            if fault is Fault.ENGINE_DOWN:
                thaw_view(self._store)
                self._server.settle_policies()

    def clear_faults(self) -> None:
        for found in self.faults():
            self.clear_fault(found.fault, target=found.target)

    def faults(self) -> tuple[SetFault, ...]:
        return read_faults(self._store)

    def make_namespace(self, name: str, *, labels: dict[str, str] | None = None) -> None:
        metadata: Manifest = {"name": name, "labels": dict(labels or {})}
        self.apply_manifest({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})

    def apply_manifest(self, manifest: Manifest, *, forced: bool = False) -> Answer:
        """Create or replace an object; forced past every webhook, or through admission like anybody else's."""
        if self._store.find(key_of(_namespaced(manifest))) is None:
            return self._server.create(manifest, forced=forced)
        return self._server.replace(_namespaced(manifest), forced=forced)

    def add_nodes(self) -> None:
        """Add the nodes of the seed."""
        for manifest in nodes.node_manifests():
            self.apply_manifest(manifest, forced=True)

    def install_operator(self) -> None:
        """Serve the Security Profiles Operator's kinds, with what it reports in the seed."""
        nodes.install_operator(self._store)
        self.make_namespace(nodes.NAMESPACE)
        for manifest in nodes.operator_manifests():
            self.apply_manifest(manifest, forced=True)

    def create(self, manifest: Manifest) -> Answer:
        """Create an object, through admission. Raises ClusterError."""
        return self._server.create(manifest)

    def replace(self, manifest: Manifest) -> Answer:
        """Replace an object, through admission. Raises ClusterError."""
        return self._server.replace(_namespaced(manifest))

    def delete(self, resource: Resource, name: str, *, namespace: str = "") -> None:
        """Delete an object and what it owns. Raises NotFound."""
        self._server.delete(resource, name, namespace=namespace)

    def get(self, resource: Resource, name: str, *, namespace: str = "") -> Manifest:
        return self._server.read(resource, kinds.key_for(resource, name, namespace))

    def objects(self, resource: Resource, *, namespace: str = "") -> tuple[Manifest, ...]:
        """Give all objects of a kind."""
        return self._store.objects(resource.group, resource.kind, namespace=namespace)

    def set_status(
        self, resource: Resource, name: str, status: Manifest, *, namespace: str = ""
    ) -> None:
        """Write a status, as the controller in charge does."""
        with self._store.transaction():
            manifest = self.get(resource, name, namespace=namespace)
            self._store.put({**manifest, "status": status})

    def exists(self, resource: Resource, name: str, *, namespace: str = "") -> bool:
        try:
            self.get(resource, name, namespace=namespace)
        except NotFound:
            return False
        return True

    def label(
        self, resource: Resource, name: str, labels: dict[str, str], *, namespace: str = ""
    ) -> Answer:
        """Add labels, through admission."""
        with self._store.transaction():
            manifest = self.get(resource, name, namespace=namespace)
            manifest["metadata"].setdefault("labels", {}).update(labels)
            return self._server.replace(manifest)

    def scale(self, resource: Resource, name: str, replicas: int, *, namespace: str) -> Answer:
        """Set the replicas by an update of the main resource, through admission."""
        with self._store.transaction():
            manifest = self.get(resource, name, namespace=namespace)
            manifest["spec"]["replicas"] = replicas
            return self._server.replace(manifest)

    def admit(self, manifest: Manifest) -> Answer:
        """Ask whether this object could be created (dry-run). Raises ClusterError."""
        return self._server.create(manifest, dry_run=True)

    def admit_update(self, manifest: Manifest) -> Answer:
        """Ask whether this update would be admitted (dry-run); `manifest` is the whole new object."""
        return self._server.replace(_namespaced(manifest), dry_run=True)

    def admit_ephemeral(self, namespace: str, pod: str, container: dict[str, Any]) -> Answer:
        """Ask whether `kubectl debug` with this container would be admitted (dry-run)."""
        manifest = copy.deepcopy(self.get(PODS, pod, namespace=namespace))
        manifest["spec"].setdefault("ephemeralContainers", []).append(container)
        return self._server.replace(manifest, dry_run=True, subresource="ephemeralcontainers")

    def make_pods_anew(self, resource: Resource, name: str, *, namespace: str) -> None:
        """Delete a workload's pods and let its controller create them again; what is refused becomes an event."""
        workload = self.get(resource, name, namespace=namespace)
        make_pods_anew(self._store, self._server, workload, self._clock())

    def run_cron_jobs(self) -> None:
        """Let each CronJob try to create a Job now; what is refused becomes an event."""
        try_cron_jobs(self._store, self._server, self._clock())

    def scan(self, now: datetime | None = None) -> int:
        """Judge every resource again, frozen or not; return how many reports were made."""
        return reports.report(self._store, now or self._clock(), everything=True)

    def namespaces(self) -> tuple[str, ...]:
        return tuple(
            manifest["metadata"]["name"]
            for manifest in self._store.objects(NAMESPACES.group, NAMESPACES.kind)
        )


def _namespaced(manifest: Manifest) -> Manifest:
    """Put an object without a namespace where the API server would put it."""
    manifest = copy.deepcopy(manifest)
    if kinds.resource_of(manifest).namespaced:
        manifest["metadata"].setdefault("namespace", "default")
    return manifest
