"""A worker killed with SIGKILL between apply and proof, in a real installation against a real Kyverno.

Its own database file, broker, worker and beat: the ones of the tests live in this process.
"""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import controlplane
from launch import broker
from policies.actions.specs import resources_of
from policies.domain.library import API_VERSIONS, Target
from tests.contract.job import NAMESPACES, clear
from tests.contract.planes import Plane, eventually, newest

pytestmark = pytest.mark.controlplane

ROOT = Path(__file__).resolve().parents[2]


class Installation:
    """One product of its own: settings, broker, worker and beat."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.database = directory / "secprof.sqlite3"
        chosen = broker.choose(directory, {})
        self.environ = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "secprof_site.settings",
            "SECPROF_DEBUG": "1",
            "SECPROF_ALLOW_LOOPBACK_CLUSTERS": "1",
            "SECPROF_STATE_DIR": str(directory),
            "DATABASE_URL": f"sqlite:///{self.database}",
            "REDIS_URL": chosen.url,
        }
        self._processes: list[subprocess.Popen[bytes]] = []
        self._start(*chosen.command)
        broker.await_answer(chosen, seconds=20)

    def run(self, *command: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", *command],
            env=self.environ,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip().splitlines()[-1]

    def start_worker(self) -> subprocess.Popen[bytes]:
        options = (
            "--pool",
            "threads",
            "--concurrency",
            "2",
            "--without-gossip",
            "--without-mingle",
        )
        return self._start(
            sys.executable, "-m", "celery", "--app", "secprof_site", "worker", *options
        )

    def start_beat(self) -> None:
        schedule = str(self.directory / "beat")
        self._start(
            sys.executable,
            "-m",
            "celery",
            "--app",
            "secprof_site",
            "beat",
            "-s",
            schedule,
            "--pidfile=",
        )

    def _start(self, *command: str) -> subprocess.Popen[bytes]:
        log = (self.directory / "processes.log").open("ab")
        process = subprocess.Popen(
            command, env=self.environ, cwd=ROOT, stdout=log, stderr=log, start_new_session=True
        )
        log.close()
        self._processes.append(process)
        return process

    def ask(self, query: str, *arguments: Any) -> list[tuple[Any, ...]]:
        connection = sqlite3.connect(f"file:{self.database}?mode=ro", uri=True, timeout=10)
        try:
            return connection.execute(query, arguments).fetchall()
        finally:
            connection.close()

    def stop(self) -> None:
        for process in reversed(self._processes):
            if process.poll() is None:
                process.kill()
            process.wait()


@pytest.fixture(params=[target.value for target in Target])
def target(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def plane() -> Iterator[controlplane.ControlPlane]:
    plane = newest()
    raw = Plane(plane.kubeconfig)
    clear(raw)
    for namespace in NAMESPACES:
        raw.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    yield plane
    clear(raw)


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    made = Installation(tmp_path)
    yield made
    made.stop()


def steps(installation: Installation, flip: str, kind: str) -> list[tuple[Any, ...]]:
    return installation.ask(
        "SELECT s.status, s.detail FROM policies_rolloutstep s JOIN policies_rollout r"
        " ON s.rollout_id = r.id WHERE r.flip_id = ? AND s.kind LIKE ? ORDER BY s.position",
        flip.replace("-", ""),
        kind,
    )


def wait(ask: Callable[[], Any], accept: Callable[[Any], bool], seconds: float) -> Any:
    return eventually(ask, accept, seconds=seconds)


def test_worker_killed_between_apply_and_proof_is_resumed_and_applies_once(
    plane: controlplane.ControlPlane, installation: Installation, target: str
) -> None:
    flip = installation.run(
        "tests.contract.drive_flip", str(plane.kubeconfig), f"killed-{plane.name}", target
    )
    worker = installation.start_worker()
    while not (applied := steps(installation, flip, "apply")) or applied[-1][0] != "done":
        assert worker.poll() is None
    os.kill(worker.pid, signal.SIGKILL)
    worker.wait()
    assert [s for s, _ in steps(installation, flip, "prove-%")][-1] == "pending"

    installation.start_worker()
    installation.start_beat()
    ended = wait(
        lambda: installation.ask(
            "SELECT status FROM policies_flip WHERE id = ?", flip.replace("-", "")
        ),
        lambda rows: rows[0][0] not in {"approved", "rolling"},
        90,
    )

    assert ended == [("proven",)]
    assert {status for status, _ in steps(installation, flip, "prove-%")} == {"done"}
    resource = resources_of(Target(target), API_VERSIONS[Target(target)][0])[-1]
    path = f"/apis/{resource.api_version}/{resource.plural}/require-seccomp-enforce"
    twin = Plane(plane.kubeconfig).send("GET", path).body
    assert twin["metadata"]["generation"] == 1
    written = installation.ask(
        "SELECT count(*) FROM policies_auditevent WHERE verb = 'rollout.apply' AND flip_id = ?",
        flip,
    )
    assert written == [(len(applied),)]
    resumed = installation.ask(
        "SELECT count(*) FROM policies_auditevent WHERE verb = 'rollout.resumed' AND flip_id = ?",
        flip,
    )
    assert resumed == [(1,)]
