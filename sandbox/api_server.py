"""The write side of the sandbox's API server: create, replace, delete, with guards, defaulting and webhooks."""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from policies.cluster.errors import RejectedByAdmission
from policies.cluster.gateway import (
    CLUSTER_POLICIES,
    KYVERNO_EXCEPTIONS,
    NAMESPACES,
    NATIVE_POLICIES,
    PODS,
    Answer,
    Resource,
)
from policies.domain.exceptions import ExceptionKind
from sandbox import apparmor, defaulting, events, exceptions, kinds, native, validation
from sandbox.admission import Failure, review, silence
from sandbox.faults import Fault, is_set
from sandbox.pods import is_workload
from sandbox.refused import exists_already, not_found, not_fulfilled
from sandbox.requests import Request
from sandbox.status import native_status, policy_status
from sandbox.store import Key, Manifest, Store, key_of

Clock = Callable[[], datetime]
MANAGER = "secprof"
_MIGRATE = "see https://kyverno.io/docs/guides/migration-to-cel/"
DEPRECATIONS = {
    CLUSTER_POLICIES.full_name: (
        "ClusterPolicy is deprecated and will be removed in a future release; migrate to ValidatingPolicy, "
        f"MutatingPolicy, GeneratingPolicy or ImageValidatingPolicy (policies.kyverno.io), {_MIGRATE}"
    ),
    KYVERNO_EXCEPTIONS.full_name: (
        "PolicyException is deprecated and will be removed in a future release; migrate to PolicyException "
        f"(policies.kyverno.io), {_MIGRATE}"
    ),
}


def utc_now() -> datetime:
    return datetime.now(UTC)


def timestamp(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class ApiServer:
    """Writes objects to one store. Each call is one transaction."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._denied: list[Failure] = []
        """Why the engine refused the request under way."""

    def create(self, manifest: Manifest, *, dry_run: bool = False, forced: bool = False) -> Answer:
        """Create an object. A forced create asks no webhook."""
        with self._announcing():
            return self._create(manifest, dry_run=dry_run, forced=forced)

    def _create(self, manifest: Manifest, *, dry_run: bool, forced: bool) -> Answer:
        manifest = copy.deepcopy(manifest)
        resource = kinds.resource_of(manifest)
        with self._store.transaction(writes=not dry_run):
            self._generate_name(manifest)
            key = key_of(manifest)
            self._require_namespace(resource, manifest)
            defaulting.fill_in(manifest)
            warnings = apparmor.copy_annotations(manifest) if resource == PODS else ()
            validation.check(manifest)
            warnings += apparmor.template_warnings(manifest)
            if not forced:
                warnings += self._admit(resource, Request("CREATE", manifest))
            if self._store.find(key) is not None:
                refused = exists_already(resource, key.name)
                refused.warnings = warnings
                raise refused
            _reset_status(manifest)
            metadata = manifest["metadata"]
            metadata["uid"] = self._store.new_uid(key)
            metadata.setdefault("creationTimestamp", timestamp(self._clock()))
            metadata["generation"] = 1
            self._sign(manifest)
            return self._finish(manifest, warnings, dry_run=dry_run)

    def replace(
        self,
        manifest: Manifest,
        *,
        uid: str = "",
        version: str = "",
        dry_run: bool = False,
        forced: bool = False,
        subresource: str = "",
    ) -> Answer:
        """Replace an object; `uid` and `version`, where given, must still hold. Raises NotFound, Conflict."""
        with self._announcing():
            return self._replace(
                manifest,
                uid=uid,
                version=version,
                dry_run=dry_run,
                forced=forced,
                subresource=subresource,
            )

    def _replace(
        self,
        manifest: Manifest,
        *,
        uid: str,
        version: str,
        dry_run: bool,
        forced: bool,
        subresource: str,
    ) -> Answer:
        manifest = copy.deepcopy(manifest)
        resource = kinds.resource_of(manifest)
        key = key_of(manifest)
        with self._store.transaction(writes=not dry_run):
            old = self.read(resource, key)
            _meet_replace_guards(resource, old, uid, version)
            _keep_own_fields(manifest, old)
            defaulting.fill_in(manifest)
            validation.check(manifest, old)
            request = Request("UPDATE", manifest, old, subresource)
            changed = _content(manifest) != _content(old)
            warnings = apparmor.template_warnings(manifest) if changed else ()
            if not forced:
                warnings += self._admit(resource, request)
            if manifest == old:
                return Answer(manifest, warnings)
            if changed:
                manifest["metadata"]["generation"] = old["metadata"].get("generation", 1) + 1
            self._sign(manifest)
            return self._finish(manifest, warnings, dry_run=dry_run)

    def delete(
        self,
        resource: Resource,
        name: str,
        *,
        namespace: str = "",
        uid: str = "",
        version: str = "",
        dry_run: bool = False,
    ) -> Answer:
        """Delete an object and what it owns. Raises NotFound, Conflict."""
        key = kinds.key_for(resource, name, namespace)
        with self._store.transaction(writes=not dry_run):
            old = self.read(resource, key)
            _meet_delete_guards(resource, old, uid, version)
            if not dry_run:
                self._store.next_version()
                self._store.remove(key)
                self._collect_garbage(key, old)
        return Answer({}, _deprecation(resource))

    def read(self, resource: Resource, key: Key) -> Manifest:
        found = self._store.find(key)
        if found is None:
            raise not_found(resource, key.name)
        return found

    def _admit(self, resource: Resource, request: Request) -> tuple[str, ...]:
        if request.kind in kinds.ENGINE_KINDS:
            return self._admit_policy(resource, request)
        if request.kind == kinds.EXCEPTION:
            return self._admit_exception(resource, request)
        if not is_workload(request.kind):
            return ()
        warnings = native.review(self._store, request)
        self._request = request
        return warnings + review(self._store, request, self._denied)

    @contextmanager
    def _announcing(self) -> Iterator[None]:
        """Let the engine make events of its denial, once the transaction that it ended is over."""
        self._denied = []
        try:
            yield
        except RejectedByAdmission:
            if self._denied:
                events.blocked(self._store, self._request, self._denied, self._clock())
            raise

    def _admit_policy(self, resource: Resource, request: Request) -> tuple[str, ...]:
        if is_set(self._store, Fault.ENGINE_DOWN):
            # Only the old kinds are sent to the mutating webhook, which comes first.
            verb = "mutate" if request.kind == CLUSTER_POLICIES.kind else "validate"
            raise silence(f"{verb}-policy.kyverno.svc", f"policy{verb}?timeout=10s")
        return _deprecation(resource)

    def _admit_exception(self, resource: Resource, request: Request) -> tuple[str, ...]:
        kind = ExceptionKind(resource.group)
        if is_set(self._store, Fault.ENGINE_DOWN):
            path = "exceptionvalidate" if kind is ExceptionKind.KYVERNO else "celexception/validate"
            raise silence("kyverno-svc.kyverno.svc", f"{path}?timeout=10s")
        warnings = exceptions.write_warnings(self._store, kind, request.namespace)
        return (*_deprecation(resource), *warnings, *_webhook_deprecation(resource))

    def _finish(self, manifest: Manifest, warnings: tuple[str, ...], *, dry_run: bool) -> Answer:
        if dry_run:
            return Answer(manifest, warnings)
        manifest["metadata"]["resourceVersion"] = str(self._store.next_version())
        self._store.put(manifest)
        answer = Answer(copy.deepcopy(manifest), warnings)
        self._run_controllers_on(manifest)
        return answer

    def _run_controllers_on(self, manifest: Manifest) -> None:
        """Let whoever is in charge write the status of a policy, which moves its resource version once more."""
        if manifest["kind"] == NATIVE_POLICIES.kind:
            status = native_status(manifest)
        elif manifest["kind"] in kinds.ENGINE_KINDS and not is_set(self._store, Fault.ENGINE_DOWN):
            status = policy_status(manifest, timestamp(self._clock()))
        else:
            return
        if _without_times(status) != _without_times(manifest.get("status")):
            manifest["status"] = status
            manifest["metadata"]["resourceVersion"] = str(self._store.next_version())
            self._store.put(manifest)

    def settle_policies(self) -> None:
        """Let the engine catch up with policies that were written while it was off."""
        with self._store.transaction():
            for resource in kinds.ENGINE_POLICIES:
                for manifest in self._store.objects(resource.group, resource.kind):
                    self._run_controllers_on(manifest)

    def _sign(self, manifest: Manifest) -> None:
        entry = {"manager": MANAGER, "operation": "Update", "apiVersion": manifest["apiVersion"]}
        if manifest["kind"] in kinds.POLICY_KINDS:
            manifest["metadata"]["managedFields"] = [{**entry, "time": timestamp(self._clock())}]

    def _generate_name(self, manifest: Manifest) -> None:
        metadata = manifest["metadata"]
        if not metadata.get("name") and metadata.get("generateName"):
            metadata["name"] = f"{metadata['generateName']}{self._store.version() % 0xFFFFF:05x}"

    def _require_namespace(self, resource: Resource, manifest: Manifest) -> None:
        if not resource.namespaced:
            manifest["metadata"].pop("namespace", None)
            if resource.kind == "Namespace":
                _label_namespace(manifest)
            return
        namespace = manifest["metadata"].setdefault("namespace", "default")
        if self._store.find(Key("", "Namespace", "", namespace)) is None:
            raise not_found(NAMESPACES, namespace)

    def _collect_garbage(self, key: Key, old: Manifest) -> None:
        if key.kind == "Namespace":
            self._store.remove_namespace(key.name)
            return
        for resource in (*kinds.BUILT_IN, *kinds.CUSTOM):
            for manifest in self._store.objects(
                resource.group, resource.kind, namespace=key.namespace
            ):
                owners = manifest["metadata"].get("ownerReferences") or ()
                if any(owner["uid"] == old["metadata"]["uid"] for owner in owners):
                    child = key_of(manifest)
                    self._store.remove(child)
                    self._collect_garbage(child, manifest)


def _deprecation(resource: Resource) -> tuple[str, ...]:
    """The warning that every request for one of Kyverno's old kinds is answered with."""
    said = DEPRECATIONS.get(resource.full_name)
    return (f"{resource.api_version} {said}",) if said else ()


def _webhook_deprecation(resource: Resource) -> tuple[str, ...]:
    """What Kyverno itself says to an exception of the old kind, which its webhook is shown in an older version."""
    said = DEPRECATIONS.get(resource.full_name)
    return (f"{resource.group}/v2beta1 {said}",) if said else ()


def _label_namespace(manifest: Manifest) -> None:
    metadata = manifest["metadata"]
    metadata.setdefault("labels", {})["kubernetes.io/metadata.name"] = metadata["name"]


def _content(manifest: Manifest) -> tuple[object, object]:
    """What a new generation is counted for."""
    return manifest.get("spec"), manifest.get("template")


def _keep_own_fields(manifest: Manifest, old: Manifest) -> None:
    """Copy what a client cannot change by a write to the main resource."""
    for field in ("uid", "creationTimestamp", "generation", "resourceVersion", "managedFields"):
        if field in old["metadata"]:
            manifest["metadata"][field] = old["metadata"][field]
    manifest.pop("status", None)
    if "status" in old:
        manifest["status"] = old["status"]


def _meet_replace_guards(resource: Resource, old: Manifest, uid: str, version: str) -> None:
    metadata = old["metadata"]
    if uid and uid != metadata["uid"]:
        why = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {metadata['uid']}"
        raise not_fulfilled(resource, metadata["name"], why)
    if version and version != metadata["resourceVersion"]:
        why = "the object has been modified; please apply your changes to the latest version and try again"
        raise not_fulfilled(resource, metadata["name"], why)


def _meet_delete_guards(resource: Resource, old: Manifest, uid: str, version: str) -> None:
    metadata = old["metadata"]
    for word, given, stored, end in (
        ("UID", uid, metadata["uid"], "deleted and then recreated"),
        ("ResourceVersion", version, metadata["resourceVersion"], "modified"),
    ):
        if given and given != stored:
            why = (
                f"the {word} in the precondition ({given}) does not match the {word} in record ({stored}). "
                f"The object might have been {end}"
            )
            raise not_fulfilled(resource, metadata["name"], why)


def _reset_status(manifest: Manifest) -> None:
    """Drop the status that a client sends with a policy; that of a native one is empty at first."""
    if manifest["kind"] in kinds.POLICY_KINDS:
        manifest.pop("status", None)
    if manifest["kind"] == NATIVE_POLICIES.kind:
        manifest["status"] = {}


def _without_times(status: object) -> object:
    if isinstance(status, dict):
        return {k: _without_times(v) for k, v in status.items() if k != "lastTransitionTime"}
    if isinstance(status, list):
        return [_without_times(item) for item in status]
    return status
