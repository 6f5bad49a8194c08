"""Starts the provider behind a door, and stops both. Tests may shut the door, or change what comes through it."""

import contextlib
import http.server
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 180
Change = Callable[[dict[str, Any]], Any]


@dataclass(slots=True)
class Door:
    """What stands between secprof and the provider; `changes` holds, by the end of a path, what becomes of an answer."""

    provider_port: int
    shut: bool = False
    changes: dict[str, Change] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def open(self) -> None:
        """Let everything through as it is."""
        self.shut = False
        self.changes.clear()
        self.asked.clear()

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Any:
        """Ask the provider, and give its status, headers and body."""
        self.asked.append(path.partition("?")[0])
        given = requests.request(
            method,
            f"http://127.0.0.1:{self.provider_port}{path}",
            headers=headers,
            data=body,
            allow_redirects=False,
            timeout=20,
        )
        content = given.content
        for end, change in self.changes.items():
            if path.partition("?")[0].endswith(end):
                content = json.dumps(change(given.json())).encode()
        # Several cookies are several headers.
        return given.status_code, given.raw.headers.items(), content


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider that runs."""

    issuer: str
    directory: Path
    door: Door

    def tell(self, **people: dict[str, Any]) -> None:
        """Say what to claim about whom, from the next sign-in on."""
        fresh = self.directory / "people.new"
        fresh.write_text(json.dumps(people))
        fresh.rename(self.directory / "people.json")


@contextlib.contextmanager
def running(directory: Path, *people: str, callbacks: tuple[str, ...] = ()) -> Iterator[Provider]:
    """Start a provider that knows these people."""
    directory.mkdir(parents=True, exist_ok=True)
    port = free_port()
    door = Door(port)
    with _serving(door) as front:
        provider = Provider(f"http://127.0.0.1:{front}/o", directory, door)
        provider.tell(**{name: {} for name in people})
        log = (directory / "log").open("wb")
        command = [sys.executable, "-m", "tests.oidc.provider", str(port), provider.issuer]
        process = subprocess.Popen(
            [*command, str(directory), *callbacks],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
        )
        try:
            _await_ready(process, directory)
            yield provider
        finally:
            process.terminate()
            process.communicate(timeout=10)
            log.close()


def _await_ready(process: subprocess.Popen[bytes], directory: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not (directory / "ready").exists():
        assert process.poll() is None, (directory / "log").read_text()
        assert time.monotonic() < deadline, "the provider does not start"
        time.sleep(0.05)


@contextlib.contextmanager
def _serving(door: Door) -> Iterator[int]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            if door.shut:
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            length = int(self.headers.get("Content-Length") or 0)
            kept = {k: v for k, v in self.headers.items() if k.lower() != "accept-encoding"}
            status, headers, body = door.answer(
                self.command, self.path, kept, self.rfile.read(length)
            )
            self.send_response(status)
            for name, value in headers:
                if name.lower() not in {
                    "content-length",
                    "connection",
                    "transfer-encoding",
                    "content-encoding",
                }:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = handle_any  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


def free_port() -> int:
    """Find a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
