"""The gateway to a real cluster. It knows paths, verbs and pages; bytes move in `transport`."""

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar
from urllib.parse import quote

import msgspec

from policies.cluster.connection import Connection
from policies.cluster.errors import Invalid, Malformed, NotFound
from policies.cluster.gateway import (
    NAMESPACES,
    PODS,
    Answer,
    Change,
    Manifest,
    Page,
    Resource,
    ServerVersion,
    Traffic,
    Verb,
    WatchEnded,
    Write,
)
from policies.cluster.paging import PagedReading, decode_list
from policies.cluster.transport import Transport
from policies.cluster.watching import watch_all

FIELD_MANAGER = "secprof"
PAGES_AHEAD = 8
"""Pages that are read before anybody asks for them, some 4 MB each."""
PAGE_SIZE = 500
"""Objects on one page of a list, unless told otherwise."""

Decoded = TypeVar("Decoded")


class _Served(msgspec.Struct):
    name: str


class _ResourceList(msgspec.Struct):
    resources: tuple[_Served, ...] | None


class _Version(msgspec.Struct, rename="camel"):
    git_version: str


class _ReviewStatus(msgspec.Struct):
    allowed: bool


class _Review(msgspec.Struct):
    status: _ReviewStatus


_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
_REVIEW = msgspec.json.Decoder(_Review)
_RESOURCES = msgspec.json.Decoder(_ResourceList)
_VERSION = msgspec.json.Decoder(_Version)
_MANIFEST = msgspec.json.Decoder(dict[str, Any])


class KubernetesGateway:
    """One API server, by the credential of one connection. Not shared between threads."""

    def __init__(
        self,
        connection: Connection,
        *,
        connect_timeout_seconds: float = 5,
        read_timeout_seconds: float = 60,
    ) -> None:
        """Prepare the connection; nothing is sent yet. Raises TlsFailed for an unusable certificate."""
        self._transport = Transport(
            connection,
            connect_timeout_seconds=connect_timeout_seconds,
            read_timeout_seconds=read_timeout_seconds,
        )
        self._ahead: dict[tuple[Resource, str, tuple[tuple[str, str], ...]], PagedReading] = {}
        self._served: dict[str, frozenset[str]] = {}

    def version(self) -> ServerVersion:
        reply = self._transport.read("/version")
        return ServerVersion(git_version=self._decode(_VERSION, reply.body).git_version)

    def serves(self, resource: Resource) -> bool:
        api_version = resource.api_version
        if api_version not in self._served:
            self._served[api_version] = self._discover(resource)
        return resource.plural in self._served[api_version]

    def pages(
        self,
        resource: Resource,
        *,
        namespace: str = "",
        fields: str = "",
        limit: int = 0,
        at: str = "",
    ) -> Iterator[Page]:
        asked = [("limit", str(limit or PAGE_SIZE))]
        if fields:
            asked.append(("fieldSelector", fields))
        if at:
            asked += [("resourceVersion", at), ("resourceVersionMatch", "Exact")]
        ahead = self._ahead.pop((resource, namespace, tuple(asked)), None)
        return (ahead or self._reading(resource, namespace, asked)).pages()

    def read_ahead(self, resource: Resource) -> None:
        asked = [("limit", str(PAGE_SIZE))]
        reading = self._reading(resource, "", asked)
        reading.begin(PAGES_AHEAD)
        self._ahead[resource, "", tuple(asked)] = reading

    def _reading(
        self, resource: Resource, namespace: str, asked: list[tuple[str, str]]
    ) -> PagedReading:
        return PagedReading(self._transport, _collection(resource, namespace), asked)

    def changes(
        self, since: Mapping[Resource, str], *, limit_seconds: float
    ) -> Iterator[Change | WatchEnded]:
        asked = {
            resource: (_collection(resource, ""), version) for resource, version in since.items()
        }
        # One namespace is asked for: the list says at which version the whole server is.
        reply = self._transport.read(_collection(NAMESPACES, ""), [("limit", "1")])
        now = decode_list(reply.body, host=self._transport.host).metadata.resource_version
        return watch_all(self._transport, asked, now=now, limit_seconds=limit_seconds)

    def get(self, resource: Resource, name: str, *, namespace: str = "") -> Manifest:
        reply = self._transport.read(_object(resource, name, namespace))
        return self._decode(_MANIFEST, reply.body)

    def dry_run_pod(self, namespace: str, pod: Mapping[str, Any]) -> Answer:
        if not namespace:
            raise Invalid("A pod is tried out in a namespace, and none was named.")
        query = [("dryRun", "All"), ("fieldManager", FIELD_MANAGER)]
        reply = self._transport.send("POST", _collection(PODS, namespace), query, dict(pod))
        return Answer(manifest=self._decode(_MANIFEST, reply.body), warnings=reply.warnings)

    def may(self, verb: str, resource: Resource) -> bool:
        asked = {"group": resource.group, "resource": resource.plural, "verb": verb}
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": asked},
        }
        reply = self._transport.send("POST", _REVIEWS, (), review)
        return self._decode(_REVIEW, reply.body).status.allowed

    def write(self, change: Write, *, dry_run: bool) -> Answer:
        if change.verb is Verb.DELETE:
            return self._delete(change, dry_run=dry_run)
        query = [("fieldManager", FIELD_MANAGER), ("fieldValidation", "Strict")]
        if dry_run:
            query.append(("dryRun", "All"))
        if change.verb is Verb.CREATE:
            method, path = "POST", _collection(change.resource, change.namespace)
        else:
            method, path = "PUT", _object(change.resource, change.name, change.namespace)
        reply = self._transport.send(method, path, query, _guarded(change))
        return Answer(manifest=self._decode(_MANIFEST, reply.body), warnings=reply.warnings)

    def traffic(self) -> Traffic:
        return self._transport.traffic()

    def close(self) -> None:
        for reading in self._ahead.values():
            reading.end()
        self._transport.close()

    def _delete(self, change: Write, *, dry_run: bool) -> Answer:
        # With a body the API server does not read the query, so dryRun stands in the body.
        options: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": {"uid": change.uid, "resourceVersion": change.resource_version},
        }
        if dry_run:
            options["dryRun"] = ["All"]
        path = _object(change.resource, change.name, change.namespace)
        reply = self._transport.send("DELETE", path, (), options)
        return Answer(manifest={}, warnings=reply.warnings)

    def _discover(self, resource: Resource) -> frozenset[str]:
        try:
            reply = self._transport.read(_root(resource))
        except NotFound:
            return frozenset()
        found = self._decode(_RESOURCES, reply.body)
        return frozenset(served.name for served in found.resources or ())

    def _decode(self, decoder: msgspec.json.Decoder[Decoded], body: bytes) -> Decoded:
        try:
            return decoder.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise Malformed(
                f"The answer of {self._transport.host} is not the JSON that an API server sends."
            ) from error


def _guarded(change: Write) -> Manifest:
    """Put the preconditions of a replace into the manifest, where the API server looks for them."""
    manifest = dict(change.manifest or {})
    if change.verb is Verb.REPLACE:
        metadata = dict(manifest.get("metadata") or {})
        metadata.update(uid=change.uid, resourceVersion=change.resource_version)
        manifest["metadata"] = metadata
    return manifest


def _root(resource: Resource) -> str:
    return f"/apis/{resource.api_version}" if resource.group else f"/api/{resource.version}"


def _collection(resource: Resource, namespace: str) -> str:
    within = f"/namespaces/{_segment(namespace)}" if namespace else ""
    return f"{_root(resource)}{within}/{resource.plural}"


def _object(resource: Resource, name: str, namespace: str) -> str:
    return f"{_collection(resource, namespace)}/{_segment(name)}"


def _segment(name: str) -> str:
    # Dots alone would be taken for steps in the path, and nothing would ask for the whole list.
    if name in {"", ".", ".."}:
        raise Invalid(f"`{name}` is not the name of an object.")
    return quote(name, safe="")
