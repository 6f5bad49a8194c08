"""`make demo` as a person meets it: started, killed, stopped, started again."""

import os
import pty
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from launch.demo import DemoFailed, installation

ROOT = Path(__file__).parents[3]
COMMAND = (sys.executable, "-m", "launch.demo")
PATIENCE_SECONDS = 60


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environ(directory: Path, port: int) -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("SECPROF_", "REDIS_", "DATABASE_", "DJANGO_"))
    }
    return kept | {"SECPROF_DEMO_DIR": str(directory), "PORT": str(port)}


def processes_of(directory: Path) -> dict[int, str]:
    """Find every process that serves this demo: pid → command line.

    By its environment, or (the broker overwrites that with its title) by where it runs.
    """
    wanted = f"SECPROF_STATE_DIR={directory}".encode()
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            here = (entry / "cwd").readlink() == directory
            if here or wanted in (entry / "environ").read_bytes().split(b"\0"):
                found[int(entry.name)] = (entry / "cmdline").read_text().replace("\0", " ")
        except OSError:
            continue
    return {pid: command for pid, command in found.items() if command}


def wait_until(done: Callable[[], object], seconds: float = PATIENCE_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.05)


@dataclass
class Running:
    """One start of the demo."""

    process: subprocess.Popen[str]
    said: str = ""

    def read_until(self, text: str) -> str:
        assert self.process.stdout
        while text not in self.said:
            line = self.process.stdout.readline()
            assert line, f"the demo ended, having said: {self.said}"
            self.said += line
        return self.said


class Demo:
    """A demo in a directory of its own."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = free_port()
        self.started: list[subprocess.Popen[str]] = []

    def start(self) -> Running:
        process = subprocess.Popen(
            COMMAND,
            cwd=ROOT,
            env=environ(self.directory, self.port),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.started.append(process)
        return Running(process)

    def pid_of(self, name: str) -> int | None:
        return next((pid for pid, line in self.processes().items() if name in line), None)

    def processes(self) -> dict[int, str]:
        return processes_of(self.directory)

    def status(self) -> int:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=5) as answer:
            return int(answer.status)


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    demo = Demo(tmp_path / "demo with space")
    yield demo
    for process in demo.started:
        process.kill()
        process.communicate()


def test_demo_killed_leaves_nothing_and_starts_again_with_the_same_login(demo: Demo) -> None:
    first = demo.start()
    said = first.read_until("Ctrl-C stops everything")
    assert f"http://127.0.0.1:{demo.port}/" in said
    assert demo.status() == 200
    for name in ("broker.sock", "gunicorn", "celery --app secprof_site worker", "beat --pidfile"):
        assert demo.pid_of(name), f"{name} is not among {demo.processes()}"

    worker = demo.pid_of("celery --app secprof_site worker")
    assert worker
    os.kill(worker, signal.SIGKILL)
    wait_until(lambda: demo.pid_of("celery --app secprof_site worker") not in {worker, None})

    first.process.kill()
    wait_until(lambda: not demo.processes(), seconds=5)

    second = demo.start()
    again = second.read_until("Ctrl-C stops everything")
    assert [line for line in again.splitlines() if "operator" in line] == [
        line for line in said.splitlines() if "operator" in line
    ]
    second.process.send_signal(signal.SIGINT)
    assert second.process.wait(timeout=20) == 0
    assert not demo.processes()


def test_demo_from_make_ctrl_c_on_a_terminal_ends_well(tmp_path: Path) -> None:
    makefile = tmp_path / "Makefile"
    makefile.write_text(f"demo:\n\t@cd {ROOT} && exec {' '.join(COMMAND)} --with-parent\n")
    directory = tmp_path / "demo"
    pid, terminal = pty.fork()
    if pid == 0:
        command = ["make", "-f", str(makefile), "demo"]
        os.execvpe(command[0], command, environ(directory, free_port()))
    said = b""
    while b"Preparing" not in said:
        said += os.read(terminal, 1024)

    os.write(terminal, b"\x03")

    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == 0
    assert not processes_of(directory)


def run_demo(tmp_path: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        COMMAND,
        cwd=ROOT,
        env=environ(tmp_path, 8000) | variables,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )


def test_demo_port_taken_says_how_to_choose_another(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        result = run_demo(tmp_path, PORT=str(taken))

    assert result.returncode == 1
    assert f"Port {taken} is taken by another program" in result.stderr
    assert "PORT=" in result.stderr


@pytest.mark.parametrize("port", ["http", "0", "65536"])
def test_demo_port_no_number_is_refused(tmp_path: Path, port: str) -> None:
    result = run_demo(tmp_path, PORT=port)

    assert result.returncode == 1
    assert "PORT must be a number" in result.stderr


def test_demo_broker_that_does_not_answer_is_named(tmp_path: Path) -> None:
    result = run_demo(
        tmp_path, PORT=str(free_port()), REDIS_URL=f"redis://127.0.0.1:{free_port()}/0"
    )

    assert result.returncode == 1
    assert "The broker at 127.0.0.1 does not answer" in result.stderr


def test_demo_kyverno_without_go_says_what_is_missing() -> None:
    with pytest.raises(DemoFailed, match="needs Go"):
        installation({}, kyverno=True, find={}.get)
