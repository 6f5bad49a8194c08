"""Keep processes running: start, restart with back-off, give up with a reason, stop all. Not a daemon.

Children never outlive the supervisor: the kernel ends them when it dies (Linux), whatever it dies of.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

QUICK_SECONDS = 10.0
"""A process that lived shorter than this died quickly."""
MOST_QUICK_DEATHS = 5
LONGEST_DELAY_SECONDS = 10.0
_TAIL_BYTES = 3000
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class GaveUp(Exception):
    """A process keeps dying."""


@dataclass(frozen=True, slots=True)
class Spec:
    """One process to keep running."""

    name: str
    command: tuple[str, ...]
    environ: Mapping[str, str]
    log: Path
    directory: Path
    stop_signal: signal.Signals = signal.SIGTERM
    death_signal: signal.Signals = signal.SIGKILL
    """What the kernel sends to it when the supervisor is gone."""
    grace_seconds: float = 10.0
    """How long it may take to stop before it is killed."""
    restart: bool = True
    stops_last: bool = False
    """The others need it until they are gone."""


def die_with_parent(death_signal: signal.Signals, parent: int) -> None:
    """Ask the kernel to send this process a signal when its parent dies. Does nothing outside Linux."""
    if _libc is None:
        return
    _libc.prctl(_PR_SET_PDEATHSIG, int(death_signal))
    if os.getppid() != parent:  # it died before we asked
        os.kill(os.getpid(), death_signal)


@dataclass(slots=True)
class Child:
    """One process and how often it died."""

    spec: Spec
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    quick_deaths: int = 0
    start_at: float = 0.0

    def start(self, now: float) -> None:
        parent = os.getpid()

        def prepare() -> None:
            die_with_parent(self.spec.death_signal, parent)

        self.spec.log.parent.mkdir(parents=True, exist_ok=True)
        with self.spec.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.spec.command,
                env=dict(self.spec.environ),
                cwd=self.spec.directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # A group of its own: Ctrl-C reaches the supervisor alone, which stops all in order.
                process_group=0,
                preexec_fn=prepare,
            )
        self.started_at = now

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def note_death(self, now: float) -> float:
        """Plan the next start and return the delay in seconds. Raises GaveUp after too many quick deaths."""
        quick = now - self.started_at < QUICK_SECONDS
        self.quick_deaths = self.quick_deaths + 1 if quick else 0
        self.end_group()
        code = self.process.returncode if self.process else 0
        self.process = None
        if not self.spec.restart or self.quick_deaths >= MOST_QUICK_DEATHS:
            times = (
                f"{self.quick_deaths} times in a row, last with" if self.spec.restart else "with"
            )
            raise GaveUp(
                f"{self.spec.name} ended {times} {_ending(code)}. {shown_tail(self.spec.log)}"
            )
        delay = min(0.25 * 2.0**self.quick_deaths, LONGEST_DELAY_SECONDS)
        self.start_at = now + delay
        return delay

    def ask_to_stop(self) -> None:
        if self.process and self.running:
            self.process.send_signal(self.spec.stop_signal)

    def end_group(self) -> None:
        """Kill whatever is left of the process and of those that it started."""
        if self.process:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def _ending(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"


def tail(log: Path) -> str:
    """Return the end of a log, in whole lines."""
    with contextlib.suppress(OSError), log.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _TAIL_BYTES))
        text = file.read().decode(errors="replace")
        return text if size <= _TAIL_BYTES else text.partition("\n")[2]
    return ""


def shown_tail(log: Path) -> str:
    """Introduce and quote the end of a log."""
    return f"The end of {log}:\n{tail(log)}"


@dataclass(slots=True)
class Supervisor:
    """All children, in the order in which they were started."""

    say: Callable[[str], None]
    children: list[Child] = field(default_factory=list)

    def start(self, spec: Spec) -> Child:
        child = Child(spec)
        child.start(time.monotonic())
        self.children.append(child)
        return child

    def look(self) -> None:
        """Restart what has died, when its time has come. Raises GaveUp."""
        now = time.monotonic()
        for child in self.children:
            if child.process and not child.running:
                delay = child.note_death(now)
                self.say(f"{child.spec.name} ended; starting it again in {delay:.1f} s.")
            if child.process is None and now >= child.start_at:
                child.start(now)

    def run(self, spec: Spec, *, check: Callable[[], None]) -> int:
        """Run one process to its end and return its exit code. `check` is called often and may raise."""
        child = Child(spec)
        child.start(time.monotonic())
        try:
            while child.running:
                time.sleep(0.02)
                check()
        finally:
            child.end_group()
        return child.process.returncode if child.process else 1

    def stop(self, *, hurry: Callable[[], bool] = lambda: False) -> None:
        """Stop all together, then those that the others need. `hurry` is asked whether to kill at once."""
        for last in (False, True):
            group = [child for child in self.children if child.spec.stops_last == last]
            for child in group:
                child.ask_to_stop()
            started = time.monotonic()
            while waiting := [child for child in group if child.running]:
                waited = time.monotonic() - started
                if hurry() or all(waited >= child.spec.grace_seconds for child in waiting):
                    break
                time.sleep(0.05)
            for child in group:
                child.end_group()
