"""Detached processes: started, paused, ended, and never mistaken for another."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from controlplane import processes
from controlplane.processes import Condition, Process


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[Process]:
    process = processes.spawn(["/bin/sleep", "60"], {}, tmp_path / "log")
    yield process
    processes.end(process)


def test_spawned_process_runs_in_a_session_of_its_own(sleeper: Process) -> None:
    assert processes.look(sleeper) is Condition.RUNNING
    assert os.getsid(sleeper.pid) == sleeper.pid


def test_spawned_process_holds_no_file_of_its_starter(tmp_path: Path) -> None:
    lock = os.open(tmp_path / "lock", os.O_CREAT | os.O_RDWR)
    os.set_inheritable(lock, True)

    process = processes.spawn(["/bin/sleep", "60"], {}, tmp_path / "log")

    held = {str(each.readlink()) for each in Path(f"/proc/{process.pid}/fd").iterdir()}
    processes.end(process)
    os.close(lock)
    assert str(tmp_path / "log") in held
    assert str(tmp_path / "lock") not in held


def test_output_is_appended_to_the_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("before\n")

    process = processes.spawn(["/bin/sh", "-c", "echo out; echo err >&2"], {}, log)

    while processes.look(process) is not Condition.GONE:
        pass
    assert log.read_text() == "before\nout\nerr\n"


def test_pause_and_resume_are_seen(sleeper: Process) -> None:
    processes.pause(sleeper)
    paused = processes.look(sleeper)
    processes.resume(sleeper)

    assert paused is Condition.PAUSED
    assert processes.look(sleeper) is Condition.RUNNING


@pytest.mark.parametrize("grace_seconds", [0.0, 5.0])
def test_ended_process_is_gone(sleeper: Process, grace_seconds: float) -> None:
    processes.end(sleeper, grace_seconds)

    assert processes.look(sleeper) is Condition.GONE
    assert not Path(f"/proc/{sleeper.pid}").exists()


def test_paused_process_ends_within_its_grace(sleeper: Process) -> None:
    processes.pause(sleeper)

    processes.end(sleeper, grace_seconds=5.0)

    assert processes.look(sleeper) is Condition.GONE


def test_process_that_ignores_the_request_is_forced(tmp_path: Path) -> None:
    log = tmp_path / "log"
    stubborn = "trap '' TERM; echo ready; while :; do sleep 0.1; done"
    process = processes.spawn(["/bin/sh", "-c", stubborn], {"PATH": os.environ["PATH"]}, log)
    while "ready" not in log.read_text():
        pass

    processes.end(process, grace_seconds=0.2)

    assert processes.look(process) is Condition.GONE


def test_stranger_with_the_same_id_is_gone_and_never_ended(sleeper: Process) -> None:
    stranger = replace(sleeper, started=sleeper.started - 1)

    processes.end(stranger, grace_seconds=0.1)

    assert processes.look(stranger) is Condition.GONE
    assert processes.look(sleeper) is Condition.RUNNING
