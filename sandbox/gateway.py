"""The sandbox's side of `policies.cluster.gateway`: the same requests, answers and errors, from a file."""

import copy
import json
from collections.abc import Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Any

from policies.cluster.errors import ClusterError, Forbidden, Gone, Unreachable
from policies.cluster.gateway import (
    EVENTS,
    OPERATOR_GROUP,
    PODS,
    POLICY_REPORTS,
    VALIDATING_WEBHOOKS,
    Answer,
    Change,
    ChangeKind,
    Manifest,
    Page,
    Resource,
    ServerVersion,
    Traffic,
    Verb,
    WatchEnded,
    Write,
)
from sandbox import admission, engine, events, faults, kinds, nodes, reports
from sandbox.api_server import ApiServer, Clock, utc_now
from sandbox.attempts import run_cron_jobs
from sandbox.refused import not_served
from sandbox.store import Store

PAGE_SIZE = 500
SERVER_VERSION = ServerVersion("v1.36.3")


class SandboxGateway:
    """A connection to one sandbox cluster. Not shared between threads."""

    def __init__(self, path: Path, *, clock: Clock = utc_now) -> None:
        """Prepare the connection; nothing is opened yet."""
        self._path = path
        self._clock = clock
        self._opened: Store | None = None
        self._request_count = 0
        self._received_bytes = 0

    def version(self) -> ServerVersion:
        self._request()
        self._receive(SERVER_VERSION.git_version.encode())
        return SERVER_VERSION

    def serves(self, resource: Resource) -> bool:
        self._request()
        return self._is_served(resource)

    def pages(
        self,
        resource: Resource,
        *,
        namespace: str = "",
        fields: str = "",
        limit: int = 0,
        at: str = "",
    ) -> Iterator[Page]:
        limit = limit or PAGE_SIZE
        self._meet(resource, "list")
        self._let_engine_work(resource)
        version = str(self._store.last_change())
        if at and self._store.changes(resource.group, resource.kind, int(at)) != ():
            raise Gone(f"The sandbox forgets what {resource.full_name} were.")
        found = self._store.objects(resource.group, resource.kind, namespace=namespace)
        chosen = events.select(resource.kind, fields, found)
        items = tuple(_listed(resource, manifest) for manifest in chosen)
        for number in count(1):
            if number > 1:
                self._meet(resource, "list")
            faults.meet_page(self._store, resource, number)
            page = items[(number - 1) * limit : number * limit]
            self._receive(*page)
            last = number * limit >= len(items)
            yield Page(page, version, last)
            if last:
                return

    def read_ahead(self, resource: Resource) -> None:
        """Do nothing: there is no server to be kept busy."""

    def changes(
        self, since: Mapping[Resource, str], *, limit_seconds: float
    ) -> Iterator[Change | WatchEnded]:
        for resource, version in since.items():
            try:
                self._meet(resource, "watch")
            except ClusterError as error:
                yield WatchEnded(resource, error)
                continue
            self._let_engine_work(resource)
            told = self._store.changes(
                resource.group, resource.kind, int(version) if version.isdecimal() else -1
            )
            if told is None:
                gone = Gone(f"What happened to {resource.full_name} since {version} was forgotten.")
                yield WatchEnded(resource, gone)
                continue
            for number, is_gone, text in told:
                item = _listed(resource, json.loads(text))
                self._receive(item)
                kind = ChangeKind.REMOVED if is_gone else ChangeKind.PUT
                yield Change(resource, kind, str(number), item)

    def get(self, resource: Resource, name: str, *, namespace: str = "") -> Manifest:
        self._meet(resource, "get")
        self._let_engine_work(resource)
        found = self._server.read(resource, kinds.key_for(resource, name, namespace))
        return self._received(resource, found)

    def dry_run_pod(self, namespace: str, pod: Mapping[str, Any]) -> Answer:
        self._meet(PODS, "create")
        manifest = copy.deepcopy(dict(pod))
        manifest.update(apiVersion=PODS.api_version, kind=PODS.kind)
        manifest.setdefault("metadata", {})["namespace"] = namespace
        answer = self._server.create(manifest, dry_run=True)
        return Answer(self._received(PODS, answer.manifest), answer.warnings)

    def may(self, verb: str, resource: Resource) -> bool:
        self._request()
        try:
            faults.meet_authorisation(self._store, resource, verb)
        except Forbidden:
            return False
        return True

    def write(self, change: Write, *, dry_run: bool) -> Answer:
        self._meet(change.resource, change.verb)
        if change.verb is Verb.DELETE:
            return self._server.delete(
                change.resource,
                change.name,
                namespace=change.namespace,
                uid=change.uid,
                version=change.resource_version,
                dry_run=dry_run,
            )
        manifest = _sent(change)
        if change.verb is Verb.CREATE:
            answer = self._server.create(manifest, dry_run=dry_run)
        else:
            answer = self._server.replace(
                manifest, uid=change.uid, version=change.resource_version, dry_run=dry_run
            )
        return Answer(self._received(change.resource, answer.manifest), answer.warnings)

    def traffic(self) -> Traffic:
        return Traffic(self._request_count, self._received_bytes)

    def close(self) -> None:
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    @property
    def _store(self) -> Store:
        if self._opened is None:
            if not self._path.exists():
                raise Unreachable(f"There is no sandbox cluster in {self._path.name}.")
            self._opened = Store(self._path)
        return self._opened

    @property
    def _server(self) -> ApiServer:
        return ApiServer(self._store, self._clock)

    def _request(self) -> None:
        self._request_count += 1
        faults.meet_connection(self._store)

    def _meet(self, resource: Resource, verb: str) -> None:
        self._request()
        if not self._is_served(resource):
            raise not_served(resource)
        faults.meet_authorisation(self._store, resource, verb)

    def _let_engine_work(self, resource: Resource) -> None:
        """Let controllers bring up to date what is asked for."""
        if resource.plural == POLICY_REPORTS.plural:
            reports.bring_up_to_date(self._store, self._clock())
        if resource.plural == VALIDATING_WEBHOOKS.plural:
            found = admission.policies(self._store)
            engine.bring_webhooks_up_to_date(self._store, found, self._clock())
        if resource == EVENTS:
            run_cron_jobs(self._store, self._server, self._clock())
            events.forget_expired(self._store, self._clock())

    def _is_served(self, resource: Resource) -> bool:
        if resource.group == OPERATOR_GROUP and not nodes.is_operator_installed(self._store):
            return False
        return kinds.is_served(resource)

    def _receive(self, *bodies: bytes) -> None:
        self._received_bytes += sum(map(len, bodies))

    def _received(self, resource: Resource, manifest: Manifest) -> Manifest:
        shown = {**manifest, "apiVersion": resource.api_version}
        self._receive(json.dumps(shown).encode())
        return shown


def _sent(change: Write) -> Manifest:
    if change.manifest is None:
        raise ValueError(f"A {change.verb} needs a manifest.")
    manifest = copy.deepcopy(change.manifest)
    manifest["apiVersion"] = change.resource.api_version
    manifest["kind"] = change.resource.kind
    metadata = manifest.setdefault("metadata", {})
    metadata["name"] = change.name
    if change.namespace:
        metadata["namespace"] = change.namespace
    return manifest


def _listed(resource: Resource, manifest: Manifest) -> bytes:
    """Write an item of a list: built-in kinds leave out what the list itself already says."""
    if kinds.is_built_in(resource):
        shown = {key: manifest[key] for key in manifest if key not in ("apiVersion", "kind")}
    else:
        shown = {**manifest, "apiVersion": resource.api_version}
    return json.dumps(shown, separators=(",", ":")).encode()
