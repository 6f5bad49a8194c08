"""The supervisor, with real processes."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from launch.supervisor import GaveUp, Spec, Supervisor

SLEEP = "import time; print('up', flush=True); time.sleep(60)"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN);" + SLEEP


def spec(tmp_path: Path, code: str = SLEEP, name: str = "child", **more: object) -> Spec:
    command = (sys.executable, "-c", code)
    return Spec(name, command, os.environ, tmp_path / f"{name}.log", tmp_path, **more)


def wait_until(done: Callable[[], object], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def supervisor(said: list[str]) -> Iterator[Supervisor]:
    supervisor = Supervisor(said.append)
    yield supervisor
    supervisor.stop(hurry=lambda: True)


def test_look_child_killed_starts_it_again_and_says_so(
    supervisor: Supervisor, said: list[str], tmp_path: Path
) -> None:
    child = supervisor.start(spec(tmp_path))
    assert child.process
    first = child.process.pid

    os.kill(first, signal.SIGKILL)
    wait_until(lambda: supervisor.look() or said)
    wait_until(lambda: supervisor.look() or child.running)

    assert child.process.pid != first
    assert said == ["child ended; starting it again in 0.5 s."]


def test_look_child_killed_ends_what_it_had_started(supervisor: Supervisor, tmp_path: Path) -> None:
    code = "import subprocess, sys, time; p = subprocess.Popen(['sleep', '60']);"
    code += "print(p.pid, flush=True); time.sleep(60)"
    child = supervisor.start(spec(tmp_path, code))
    wait_until(lambda: (tmp_path / "child.log").read_text().endswith("\n"))
    grandchild = int((tmp_path / "child.log").read_text())
    assert child.process

    os.kill(child.process.pid, signal.SIGKILL)

    wait_until(lambda: supervisor.look() or not alive(grandchild))


def test_look_child_that_keeps_dying_gives_up_with_its_last_words(
    supervisor: Supervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("launch.supervisor.LONGEST_DELAY_SECONDS", 0.01)
    supervisor.start(spec(tmp_path, "raise SystemExit('the database is on fire')"))

    with pytest.raises(GaveUp) as gave_up:
        wait_until(supervisor.look)

    assert "child ended 5 times in a row, last with exit code 1" in str(gave_up.value)
    assert "the database is on fire" in str(gave_up.value)


def test_look_child_not_to_be_restarted_gives_up_at_once(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    supervisor.start(spec(tmp_path, "raise SystemExit(3)", restart=False))

    with pytest.raises(GaveUp, match="child ended with exit code 3"):
        wait_until(supervisor.look)


def test_stop_child_that_ignores_it_is_killed_after_its_grace(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    child = supervisor.start(spec(tmp_path, STUBBORN, grace_seconds=0.3))
    wait_until((tmp_path / "child.log").read_text)

    started = time.monotonic()
    supervisor.stop()

    assert not child.running
    assert 0.3 <= time.monotonic() - started < 5


def test_stop_broker_outlives_those_that_need_it(supervisor: Supervisor, tmp_path: Path) -> None:
    code = textwrap.dedent("""
        import signal, sys, time
        def stop(*_):
            print(time.monotonic(), flush=True)
            sys.exit()
        signal.signal(signal.SIGTERM, stop)
        print("up", flush=True)
        time.sleep(60)
    """)
    slow = code.replace("print(time", "time.sleep(0.3); print(time")
    supervisor.start(spec(tmp_path, code, "broker", stops_last=True))
    supervisor.start(spec(tmp_path, slow, "worker"))
    logs = [tmp_path / "broker.log", tmp_path / "worker.log"]
    wait_until(lambda: all("up" in log.read_text() for log in logs))

    supervisor.stop()

    broker_end, worker_end = (float(log.read_text().split()[1]) for log in logs)
    assert worker_end < broker_end


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel ends orphans on Linux only")
def test_supervisor_killed_leaves_no_child_behind(tmp_path: Path) -> None:
    script = textwrap.dedent(f"""
        import os, sys, time
        from pathlib import Path
        from launch.supervisor import Spec, Supervisor
        here = Path({str(tmp_path)!r})
        supervisor = Supervisor(print)
        command = (sys.executable, "-c", {STUBBORN!r})
        children = [
            supervisor.start(Spec(name, command, os.environ, here / name, here)) for name in "ab"
        ]
        print(*(child.process.pid for child in children), flush=True)
        time.sleep(60)
    """)
    root = Path(__file__).parents[3]
    process = subprocess.Popen(
        [sys.executable, "-c", script], cwd=root, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    children = [int(word) for word in process.stdout.readline().split()]
    wait_until(lambda: all((tmp_path / name).read_text() for name in "ab"))
    assert all(map(alive, children))

    process.kill()
    process.communicate()

    wait_until(lambda: not any(map(alive, children)), seconds=2)
