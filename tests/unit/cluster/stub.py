"""A real HTTPS server on loopback that answers what a test tells it to. Knows nothing of Kubernetes."""

import gzip
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from policies.cluster.connection import Connection
from tests.unit.cluster.authority import Authority


@dataclass(frozen=True)
class Canned:
    """One answer."""

    status: int = 200
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    delay_seconds: float = 0
    cut_after: int | None = None
    """Send only so many bytes of the body, then close."""
    raw: bytes | None = None
    """Send exactly this instead of HTTP."""

    @classmethod
    def of(cls, content: Any, status: int = 200, **more: Any) -> "Canned":
        return cls(status=status, body=json.dumps(content).encode(), **more)

    def zipped(self) -> "Canned":
        headers = (*self.headers, ("Content-Encoding", "gzip"))
        return Canned(self.status, gzip.compress(self.body), headers)


@dataclass(frozen=True)
class Asked:
    """One request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Stub:
    """What to answer, in order (the last answer stays), and what was asked."""

    port: int
    authority: Authority
    answers: list[Canned] = field(default_factory=lambda: [Canned.of({})])
    asked: list[Asked] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)

    def connection(self, **changes: Any) -> Connection:
        known = {"server": f"https://127.0.0.1:{self.port}", "ca_pem": self.authority.ca_pem}
        return Connection(**{**known, "token": "tests-token", "allow_loopback": True, **changes})

    def next_answer(self) -> Canned:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    stub: Stub

    def server_activate(self) -> None:
        self.peers: list[socket.socket] = []
        super().server_activate()

    def get_request(self) -> tuple[socket.socket, Any]:
        peer, address = super().get_request()
        self.peers.append(peer)
        return peer, address

    def part(self) -> None:
        """Wake the threads that wait for another request on a connection kept open."""
        for peer in self.peers:
            with suppress(OSError):
                peer.shutdown(socket.SHUT_RDWR)

    def handle_error(self, *args: Any) -> None:
        """Clients of these tests break off on purpose; nothing to report."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 10
    server: _Server

    def answer(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        stub = self.server.stub
        stub.asked.append(Asked(self.command, self.path, headers, self.rfile.read(length)))
        canned = stub.next_answer()
        stub.stopping.wait(canned.delay_seconds)
        if canned.raw is not None:
            self.wfile.write(canned.raw)
            self.close_connection = True
            return
        self.send_response(canned.status)
        for name, value in canned.headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(canned.body)))
        self.end_headers()
        self.wfile.write(canned.body[: canned.cut_after])
        self.close_connection = canned.cut_after is not None

    def log_message(self, *args: Any) -> None:
        """Keep quiet."""


for method in ("GET", "POST", "PUT", "DELETE"):
    setattr(_Handler, f"do_{method}", _Handler.answer)


@contextmanager
def serve(
    directory: Path,
    *,
    authority: Authority,
    hosts: tuple[str, ...] = ("127.0.0.1", "localhost"),
    days: int = 2,
    client_authority: Authority | None = None,
) -> Iterator[Stub]:
    """Serve with a certificate for these hosts; `client_authority`: demand a client certificate of it."""
    server = _Server(("127.0.0.1", 0), _Handler)
    context = _context(directory, authority.server(*hosts, days=days), client_authority)
    server.socket = context.wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False
    )
    server.stub = Stub(port=server.server_port, authority=authority)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.stub
    finally:
        server.stub.stopping.set()
        server.shutdown()
        thread.join()
        server.part()
        server.server_close()


def _context(
    directory: Path, identity: tuple[str, str], client_authority: Authority | None
) -> ssl.SSLContext:
    pem = directory / "server.pem"
    pem.write_text("\n".join(identity))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    if client_authority:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=client_authority.ca_pem)
    return context
