"""An API server of our own, in memory: lists with pages and versions, watches, writes. For benches and fault tests.

It keeps raw JSON per object and does what the collection asks of a real one, over TLS on loopback, compressed. It judges
nothing. `Trouble` makes it misbehave.
"""

import gzip
import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from controlplane.certificates import Pair, create_authority, issue_client, issue_server
from controlplane.kubeconfig import with_certificate

Manifest = dict[str, Any]
SERVED = {
    "/api/v1": {
        "namespaces": "Namespace",
        "pods": "Pod",
        "podtemplates": "PodTemplate",
        "replicationcontrollers": "ReplicationController",
        "nodes": "Node",
        "events": "Event",
    },
    "/apis/apps/v1": {
        "deployments": "Deployment",
        "statefulsets": "StatefulSet",
        "daemonsets": "DaemonSet",
        "replicasets": "ReplicaSet",
    },
    "/apis/batch/v1": {"jobs": "Job", "cronjobs": "CronJob"},
    "/apis/kyverno.io/v1": {"clusterpolicies": "ClusterPolicy"},
    "/apis/kyverno.io/v2": {"policyexceptions": "PolicyException"},
    "/apis/policies.kyverno.io/v1": {
        "validatingpolicies": "ValidatingPolicy",
        "policyexceptions": "PolicyException",
    },
    "/apis/admissionregistration.k8s.io/v1": {
        "validatingadmissionpolicies": "ValidatingAdmissionPolicy",
        "validatingadmissionpolicybindings": "ValidatingAdmissionPolicyBinding",
        "validatingwebhookconfigurations": "ValidatingWebhookConfiguration",
    },
    "/apis/wgpolicyk8s.io/v1alpha2": {
        "policyreports": "PolicyReport",
        "clusterpolicyreports": "ClusterPolicyReport",
    },
    "/apis/openreports.io/v1alpha1": {"reports": "Report", "clusterreports": "ClusterReport"},
}
_KEPT_EVENTS = 100_000
_GZIP_FROM_BYTES = 128 * 1024
"""From which an API server compresses."""


@dataclass
class Kind:
    """The objects of one kind: raw JSON by (namespace, name), in the order of etcd when listed."""

    objects: dict[tuple[str, str], bytes] = field(default_factory=dict)
    events: list[tuple[int, bytes]] = field(default_factory=list)
    """Version and line of a watch."""
    forgotten: int = 0
    """Watches from before this version are too old."""


@dataclass(frozen=True)
class Answer:
    """What a trouble answers in the place of the server."""

    status: int = 200
    body: bytes = b"{}"
    headers: tuple[tuple[str, str], ...] = ()
    cut_after: int | None = None
    """Send only so many bytes of the body, then break off."""
    seconds: float = 0
    """Wait so long first."""


Trouble = Callable[[str, dict[str, str]], Answer | None]
"""Given a request's path and query; None lets it through. May be asked in several threads."""


class ApiServer:
    """The state of the cluster. Safe to use from several threads."""

    def __init__(self) -> None:
        self.kinds = {
            f"{root}/{plural}": Kind() for root, found in SERVED.items() for plural in found
        }
        self.version = 1
        self.trouble: Trouble = lambda _path, _query: None
        self.weak: set[str] = set()
        """Kinds of an aggregated server: no version, no pages, no watch (as reports-server serves them)."""
        self.changed = threading.Condition()
        self.request_count = 0

    def put(self, path: str, manifest: Manifest) -> None:
        """Make or replace an object of the kind that lies at this path."""
        kind = self.kinds[path]
        meta = manifest["metadata"]
        with self.changed:
            self.version += 1
            meta["resourceVersion"] = str(self.version)
            key = (meta.get("namespace", ""), meta["name"])
            word = "MODIFIED" if key in kind.objects else "ADDED"
            item = json.dumps(manifest).encode()
            kind.objects[key] = item
            self._tell(kind, word, item)

    def remove(self, path: str, name: str, namespace: str = "") -> None:
        kind = self.kinds[path]
        with self.changed:
            self.version += 1
            manifest = json.loads(kind.objects.pop((namespace, name)))
            manifest["metadata"]["resourceVersion"] = str(self.version)
            self._tell(kind, "DELETED", json.dumps(manifest).encode())

    def forget(self) -> None:
        """Make every version that a watch could go on from too old."""
        with self.changed:
            for kind in self.kinds.values():
                kind.events.clear()
                kind.forgotten = self.version + 1
            self.version += 1

    def _tell(self, kind: Kind, word: str, item: bytes) -> None:
        line = b'{"type":"%s","object":%s}\n' % (word.encode(), item)
        kind.events.append((self.version, line))
        if len(kind.events) > _KEPT_EVENTS:
            kind.forgotten = kind.events[len(kind.events) // 2][0]
            del kind.events[: len(kind.events) // 2 + 1]
        self.changed.notify_all()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    api: ApiServer

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        with self.api.changed:
            self.api.request_count += 1
        trouble = self.api.trouble(parts.path, query)
        if trouble is not None:
            self._misbehave(trouble)
        elif parts.path == "/version":
            self._send(200, {"gitVersion": "v1.36.3"})
        elif parts.path in SERVED:
            names = [{"name": plural} for plural in SERVED[parts.path]]
            self._send(200, {"resources": names})
        elif parts.path not in self.api.kinds:
            self._send(404, _status(404, "the server could not find the requested resource"))
        elif query.get("watch") == "true":
            self._watch(parts.path, query)
        else:
            self._list(parts.path, query)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path.startswith("/apis/authorization.k8s.io/"):
            self._send(201, {"status": {"allowed": True}})
        else:
            self._send(403, _status(403, "this server takes no writes"))

    def _list(self, path: str, query: dict[str, str]) -> None:
        kind, weak = self.api.kinds[path], path in self.api.weak
        with self.api.changed:
            keys, version = sorted(kind.objects), self.api.version
            start = int(query.get("continue") or 0)
            size = len(keys) if weak else int(query.get("limit") or len(keys) or 1)
            items = [kind.objects[key] for key in keys[start : start + size]]
        following = str(start + size) if start + size < len(keys) else ""
        meta = {"resourceVersion": "" if weak else str(version), "continue": following}
        body = b'{"metadata":%s,"items":[%s]}' % (json.dumps(meta).encode(), b",".join(items))
        self._send_bytes(200, body)

    def _watch(self, path: str, query: dict[str, str]) -> None:
        kind, since = self.api.kinds[path], int(query["resourceVersion"])
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        until = time.monotonic() + float(query.get("timeoutSeconds", 60))
        try:
            if since < kind.forgotten:
                error = {"type": "ERROR", "object": _status(410, "too old resource version")}
                self._chunk(json.dumps(error).encode() + b"\n")
                self._chunk(b"")
                return
            while time.monotonic() < until:
                with self.api.changed:
                    lines = [line for at, line in _after(kind.events, since)]
                    since = self.api.version
                    if not lines:
                        self.api.changed.wait(0.5)
                for line in lines:
                    self._chunk(line)
            self._chunk(b"")
        except OSError:
            self.close_connection = True  # the client has heard enough

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def _misbehave(self, answer: Answer) -> None:
        time.sleep(answer.seconds)
        body = answer.body if answer.cut_after is None else answer.body[: answer.cut_after]
        self.send_response(answer.status)
        for name, value in answer.headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = answer.cut_after is not None

    def _send(self, status: int, content: Any) -> None:
        self._send_bytes(status, json.dumps(content).encode())

    def _send_bytes(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        if len(body) > _GZIP_FROM_BYTES and "gzip" in self.headers.get("Accept-Encoding", ""):
            body = gzip.compress(body, 1)
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: Any) -> None:
        """Nobody reads it."""


def _after(events: list[tuple[int, bytes]], since: int) -> list[tuple[int, bytes]]:
    found = len(events)
    while found and events[found - 1][0] > since:
        found -= 1
    return events[found:]


def _status(code: int, message: str) -> Manifest:
    return {"kind": "Status", "status": "Failure", "code": code, "message": message}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, *_args: Any) -> None:
        """A client that goes away is no error."""


@contextmanager
def serve(folder: Path, api: ApiServer) -> Iterator[str]:
    """Serve on loopback as long as the context lasts, and give a kubeconfig."""
    authority = create_authority()
    serving: Pair = issue_server(authority)
    serving.save(folder, "serving")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "serving.crt", folder / "serving.key")
    handler = type("Handler", (_Handler,), {"api": api})
    server = _Server(("127.0.0.1", 0), handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    client = issue_client(authority, "bench", ["system:masters"])
    try:
        yield with_certificate(
            f"https://127.0.0.1:{server.server_port}", authority.certificate, "bench", client
        )
    finally:
        server.shutdown()
        server.server_close()
