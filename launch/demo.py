"""The one-command start: prepares a private installation under var/ and keeps its processes running until Ctrl-C."""

import argparse
import contextlib
import os
import shutil
import signal
import socket
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from launch import broker
from launch.installation import Installation, InstallationBusy
from launch.supervisor import GaveUp, Spec, Supervisor, die_with_parent, shown_tail
from launch.terminal import foreground

ROOT = Path(__file__).resolve().parent.parent
HOST = "127.0.0.1"
ROLES = ("viewer", "owner", "operator", "approver", "auditor", "admin")
GO = ("go", "/usr/local/go/bin/go")
START_SECONDS = 60
PLANES_SECONDS = 30 * 60
"""The first start of a control plane builds it."""


class DemoFailed(Exception):
    """The demo cannot start; the message says what to do."""


class Stopped(Exception):
    """Somebody asked to stop."""


@dataclass(slots=True)
class Stops:
    """How often somebody asked to stop."""

    count: int = 0

    def note(self, *_: object) -> None:
        self.count += 1

    def check(self) -> None:
        """Raise Stopped once somebody asked."""
        if self.count:
            raise Stopped

    def listen(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # Whoever ignores hang-ups (nohup) means it; SIGINT is ignored by shells for every background job.
            if number != signal.SIGHUP or signal.getsignal(number) is signal.SIG_DFL:
                signal.signal(number, self.note)


@dataclass(frozen=True, slots=True)
class Demo:
    """What one start was asked for."""

    installation: Installation
    port: int
    kyverno: bool
    supervisor: Supervisor
    stops: Stops

    @property
    def address(self) -> str:
        return f"http://{HOST}:{self.port}/"

    def spec(self, name: str, environ: Mapping[str, str], *command: str) -> Spec:
        """Describe a Python module as a process of this demo."""
        log = self.installation.logs / f"{name}.log"
        return Spec(name, (sys.executable, "-m", *command), environ, log, ROOT)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m launch.demo", description=__doc__)
    parser.add_argument("--kyverno", action="store_true", help="on real control planes (needs Go)")
    parser.add_argument("--with-parent", action="store_true", help="stop when the caller dies")
    options = parser.parse_args(arguments)
    if options.with_parent:
        die_with_parent(signal.SIGTERM, os.getppid())
    stops, supervisor = Stops(), Supervisor(say)
    failure = ""
    with foreground():
        stops.listen()
        try:
            place = installation(os.environ, kyverno=options.kyverno)
            port = read_port(os.environ)
            with contextlib.closing(place.hold()):
                try:
                    serve(Demo(place, port, options.kyverno, supervisor, stops))
                finally:
                    asked = stops.count
                    supervisor.stop(hurry=lambda: stops.count > max(asked, 1))
        except Stopped:
            say("Stopped.")
        except (DemoFailed, InstallationBusy, GaveUp, broker.NoBroker) as error:
            failure = str(error)
    if failure:
        print(failure, file=sys.stderr, flush=True)
    return 1 if failure else 0


def say(text: str) -> None:
    print(text, flush=True)


def installation(
    environ: Mapping[str, str], *, kyverno: bool, find: Callable[[str], str | None] = shutil.which
) -> Installation:
    """Find the directory of this demo. Raises DemoFailed for the Kyverno demo on a machine without Go."""
    if kyverno and not any(map(find, GO)):
        raise DemoFailed(
            "make demo-kyverno builds a real control plane and needs Go (https://go.dev/dl/), which is not on PATH."
            " `make demo` needs nothing but Python."
        )
    fallback = ROOT / "var" / ("demo-kyverno" if kyverno else "demo")
    return Installation(Path(environ.get("SECPROF_DEMO_DIR", "") or fallback).absolute())


def read_port(environ: Mapping[str, str]) -> int:
    """Read PORT and see that it is free. Raises DemoFailed."""
    text = environ.get("PORT", "").strip() or "8000"
    if not text.isdigit() or not 0 < int(text) < 65536:
        raise DemoFailed(f"PORT must be a number from 1 to 65535, not {text!r}.")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, int(text)))
        except PermissionError:
            raise DemoFailed(
                f"Port {text} is not for everybody. Choose one from 1024: PORT=8001"
            ) from None
        except OSError:
            raise DemoFailed(
                f"Port {text} is taken by another program. Choose one: PORT=8001"
            ) from None
    return int(text)


def serve(demo: Demo) -> None:
    """Start everything in order, say where it is, and keep it running until asked to stop."""
    place = demo.installation
    place.trim_logs()
    fresh = place.fresh
    chosen = broker.choose(place.directory, os.environ)
    environ = place.environ(os.environ, broker_url=chosen.url, kyverno=demo.kyverno)
    if chosen.command:
        log = place.logs / "broker.log"
        demo.supervisor.start(
            Spec("broker", chosen.command, environ, log, place.directory, stops_last=True)
        )
    # Our own may have a long queue to read back; somebody else's runs already, or does not.
    broker.await_answer(chosen, seconds=30 if chosen.command else 3)
    if demo.kyverno:
        raise_planes(demo, environ, fresh=fresh)
    prepare(demo, environ)
    start_processes(demo, environ)
    await_web(demo)
    announce(demo)
    while True:
        time.sleep(0.2)
        demo.stops.check()
        demo.supervisor.look()


def raise_planes(demo: Demo, environ: Mapping[str, str], *, fresh: bool) -> None:
    """Bring the control planes up and wait until all are. Raises GaveUp, DemoFailed."""
    say("Starting two control planes; the first time builds them, which takes some minutes …")
    kubeconfigs = demo.installation.kubeconfigs
    kubeconfigs.unlink(missing_ok=True)
    spec = demo.spec(
        "planes", environ, "launch.planes", str(kubeconfigs), *(["--fresh"] if fresh else [])
    )
    # It must outlive us by the seconds that it takes to stop the planes.
    demo.supervisor.start(
        replace(spec, death_signal=signal.SIGTERM, grace_seconds=60, restart=False)
    )
    wait_for(demo, kubeconfigs.exists, PLANES_SECONDS, "The control planes are not up", "planes")


def prepare(demo: Demo, environ: Mapping[str, str]) -> None:
    """Migrate, gather static files and seed. Raises DemoFailed with the end of the log."""
    say("Preparing the database and the first collection …")
    options = ("--kyverno",) if demo.kyverno else ()
    spec = demo.spec("prepare", environ, "launch.prepare", *options)
    if demo.supervisor.run(spec, check=demo.stops.check):
        raise DemoFailed(f"The demo could not be prepared. {shown_tail(spec.log)}")


def start_processes(demo: Demo, environ: Mapping[str, str]) -> None:
    """Start web, worker and beat."""
    schedule = str(demo.installation.directory / "beat-schedule")
    celery = "celery --app secprof_site"
    web = (
        f"gunicorn secprof_site.wsgi --bind {HOST}:{demo.port} --no-control-socket"
        " --worker-class gthread --workers 1 --threads 8 --graceful-timeout 3"
    )
    worker = (
        f"{celery} worker --pool threads --concurrency 4 --without-gossip --without-mingle -l INFO"
    )
    # Beat is a process of its own: inside the worker it would outlive a kill and tick twice.
    beat = (*f"{celery} beat --pidfile= -l WARNING --schedule".split(), schedule)
    for name, command in (("web", web.split()), ("worker", worker.split()), ("beat", beat)):
        demo.supervisor.start(demo.spec(name, environ, *command))


def await_web(demo: Demo) -> None:
    """Wait for the first answer. Raises DemoFailed, GaveUp."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def answers() -> bool:
        try:
            with opener.open(f"{demo.address}healthz", timeout=2) as response:
                return bool(response.status == 200)
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            return False

    wait_for(demo, answers, START_SECONDS, "The web process does not answer", "web")


def wait_for(
    demo: Demo, done: Callable[[], bool], seconds: float, otherwise: str, log: str
) -> None:
    """Wait until `done`, keeping processes alive. Raises DemoFailed with the end of that log."""
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() >= deadline:
            raise DemoFailed(f"{otherwise}. {shown_tail(demo.installation.logs / f'{log}.log')}")
        time.sleep(0.05)
        demo.stops.check()
        demo.supervisor.look()


def announce(demo: Demo) -> None:
    """Print the address and a login for each role."""
    password = demo.installation.secrets().password
    clusters = demo.installation.kubeconfigs.read_text().splitlines() if demo.kyverno else []
    rows = "\n".join(f"  {role:<10} {password}" for role in ROLES)
    say(
        f"\nsecprof runs at {demo.address}\n\n  {'user':<10} password\n{rows}\n\n"
        + "".join(f"kubectl --kubeconfig {path}\n" for path in clusters)
        + f"Logs are in {demo.installation.logs}. Ctrl-C stops everything."
    )


if __name__ == "__main__":
    sys.exit(main())
