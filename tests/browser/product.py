"""The real product as a browser test sees it: `python -m launch.demo` in a directory of its own. Knows no page."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from launch.installation import Installation

ROOT = Path(__file__).resolve().parent.parent.parent
START_SECONDS = 240
STOP_SECONDS = 60
READY = "Ctrl-C stops everything"
_PASSWORD = re.compile(r"^  operator +(\S+)$", re.MULTILINE)
_NOT_INHERITED = ("SECPROF_", "DATABASE_URL", "REDIS_URL", "DJANGO_", "CELERY_")


@dataclass(frozen=True, slots=True)
class Product:
    """One running demo."""

    address: str
    directory: Path
    output: Path
    process: subprocess.Popen[bytes]

    @property
    def password(self) -> str:
        """Read the password where a person does: in what the start printed."""
        found = _PASSWORD.search(self.output.read_text(encoding="utf-8"))
        assert found, self.output.read_text(encoding="utf-8")
        return found[1]

    @contextlib.contextmanager
    def fault(self, cluster: str, name: str, **options: float) -> Iterator[None]:
        """Break something in a sandbox cluster, and heal it afterwards."""
        words = [f"--{option}={value}" for option, value in options.items()]
        self.manage("sandbox_fault", cluster, name, *words)
        try:
            yield
        finally:
            self.manage("sandbox_fault", cluster, "none")

    def manage(self, *words: str) -> None:
        """Run a management command in this demo's environment."""
        place = Installation(self.directory)
        environ = place.environ(os.environ, broker_url="memory://", kyverno=False)
        command = [sys.executable, "manage.py", *words]
        subprocess.run(command, cwd=ROOT, env=environ, check=True, capture_output=True)

    def kill_worker(self) -> None:
        """End the Celery worker the hard way; the demo's supervisor starts another."""
        (worker,) = [pid for pid in _children(self.process.pid) if "worker" in _command(pid)]
        os.kill(worker, signal.SIGKILL)


@contextlib.contextmanager
def running(directory: Path) -> Iterator[Product]:
    """Start the demo in this directory, and stop it as Ctrl-C does."""
    port = _free_port()
    directory.mkdir(parents=True, exist_ok=True)
    output = directory / "output"
    environ = {k: v for k, v in os.environ.items() if not k.startswith(_NOT_INHERITED)}
    environ |= {"SECPROF_DEMO_DIR": str(directory / "demo"), "PORT": str(port)}
    with output.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "launch.demo"],
            cwd=ROOT,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    product = Product(f"http://127.0.0.1:{port}", directory / "demo", output, process)
    try:
        _await(lambda: READY in output.read_text() or process.poll() is not None, START_SECONDS)
        assert process.poll() is None, output.read_text()
        yield product
    finally:
        process.send_signal(signal.SIGINT)
        try:
            code = process.wait(STOP_SECONDS)
        finally:
            process.kill()
    assert code == 0, output.read_text()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _await(done: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s"
        time.sleep(0.1)


def _children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text().split()]


def _command(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
