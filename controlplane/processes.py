"""Detached processes, known by their id and start time so that a reused id is never signalled."""

import contextlib
import os
import signal
import time
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from controlplane.errors import ControlPlaneError

_KILL_SECONDS = 10.0
_POLL_SECONDS = 0.05


class Unkillable(ControlPlaneError):
    """A process outlived SIGKILL."""


class Condition(StrEnum):
    """What a process is doing now."""

    RUNNING = "running"
    PAUSED = "paused"
    GONE = "gone"


_ALIVE = frozenset({Condition.RUNNING, Condition.PAUSED})


@dataclass(frozen=True, slots=True)
class Process:
    """A process id and when it started, in clock ticks since boot."""

    pid: int
    started: int


class _Stat(NamedTuple):
    """What /proc says about a process that exists."""

    state: str
    thread_count: int
    started: int


def _inherited() -> Iterator[int]:
    """Give the open files, but for the three usual ones, that a new program would be handed."""
    for entry in tuple(Path("/proc/self/fd").iterdir()):
        descriptor = int(entry.name)
        with contextlib.suppress(OSError):  # that of the listing itself is closed by now
            if descriptor > 2 and os.get_inheritable(descriptor):
                yield descriptor


def spawn(command: list[str], environment: Mapping[str, str], log: Path) -> Process:
    """Start a program in a session of its own, its output appended to the log."""
    file_actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
        (os.POSIX_SPAWN_DUP2, 1, 2),
        # What lives on must not hold the lock that whoever started us took.
        *((os.POSIX_SPAWN_CLOSE, descriptor) for descriptor in _inherited()),
    ]
    pid = os.posix_spawn(
        command[0],
        command,
        environment,
        file_actions=file_actions,
        setsid=True,
        # Python ignores SIGPIPE, and an ignored signal would be inherited.
        setsigdef=[signal.SIGPIPE],
    )
    entry = _stat(pid)
    if entry is None:  # it is our child: until we wait for it, the entry stays
        raise ProcessLookupError(pid)
    return Process(pid, entry.started)


def look(process: Process) -> Condition:
    """Say whether a process runs; a zombie or a stranger with the same id counts as gone."""
    entry = _stat(process.pid)
    if entry is None or entry.started != process.started:
        return Condition.GONE
    # The first thread may be a zombie while others still hold the ports.
    if entry.state in "ZX" and entry.thread_count <= 1:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(process.pid, os.WNOHANG)
        return Condition.GONE
    return Condition.PAUSED if entry.state in "Tt" else Condition.RUNNING


def send(process: Process, number: signal.Signals) -> None:
    """Signal exactly this process; nothing happens if it is gone."""
    with contextlib.suppress(ProcessLookupError):
        descriptor = os.pidfd_open(process.pid)
        try:
            if look(process) is not Condition.GONE:
                signal.pidfd_send_signal(descriptor, number)
        finally:
            os.close(descriptor)


def pause(process: Process) -> None:
    """Freeze a process and wait until it stands still; nothing happens if it is gone."""
    send(process, signal.SIGSTOP)
    # The signal takes effect thread by thread.
    _wait_while(process, {Condition.RUNNING}, _KILL_SECONDS)


def resume(process: Process) -> None:
    """Let a paused process go on."""
    send(process, signal.SIGCONT)


def end(process: Process, grace_seconds: float = 0.0) -> None:
    """Terminate a process, by force after the grace, and wait until it is gone.

    Raises:
        Unkillable: it is still there ten seconds after SIGKILL.
    """
    if grace_seconds:
        send(process, signal.SIGTERM)
        resume(process)
        if _wait_while(process, _ALIVE, grace_seconds):
            return
    send(process, signal.SIGKILL)
    if not _wait_while(process, _ALIVE, _KILL_SECONDS):
        raise Unkillable(f"Process {process.pid} does not end.")


def _wait_while(process: Process, conditions: Set[Condition], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while look(process) in conditions:
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def _stat(pid: int) -> _Stat | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = text.rpartition(")")[2].split()  # the name before it may hold blanks and brackets
    return _Stat(state=fields[0], thread_count=int(fields[17]), started=int(fields[19]))
