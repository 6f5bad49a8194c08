"""A small sandbox company with two teams, and every kind of policy."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.utils import timezone
from pytest_django import Settings

from policies.actions import clusters, step_run
from policies.domain.library import Target
from policies.models import Cluster
from sandbox.control import Sandbox
from sandbox.controllers import roll_out
from sandbox.store import Manifest
from tests.integration.actions.watched import Hand, WatchedGateway
from tests.world import GOOD, People, World, deployment, kyverno


class SandboxWorld(World):
    """A world whose cluster is a sandbox, with the sandbox itself at hand."""

    def __init__(self, people: People, sandbox: Sandbox, cluster: Cluster) -> None:
        super().__init__(people, cluster, sandbox.scan)
        self.sandbox = sandbox

    def rolled_out(self, name: str, replicas: int, **options: str) -> Manifest:
        """A Deployment of team-a with what its controllers would have made of it."""

        def make(manifest: Manifest) -> Manifest:
            return self.sandbox.apply_manifest(manifest, forced=True).manifest

        stored = make(deployment("team-a", name, GOOD, replicas=replicas))
        roll_out(stored, make, options)
        return stored


@pytest.fixture
def people(django_user_model: type) -> People:
    return People(django_user_model)


@pytest.fixture
def world(people: People, tmp_path: Path, settings: Settings) -> Iterator[SandboxWorld]:
    settings.SECPROF_STATE_DIR = tmp_path
    settings.SECPROF_PROOF_TIMEOUT_SECONDS = 2
    (tmp_path / "sandbox").mkdir()
    sandbox = Sandbox(tmp_path / "sandbox" / "prod.sqlite3")
    for namespace in ("kyverno", "team-a", "team-b"):
        sandbox.make_namespace(namespace, labels={"team": namespace.removeprefix("team-")})
    sandbox.apply_manifest(kyverno())
    sandbox.apply_manifest(deployment("team-a", "good", GOOD))
    sandbox.apply_manifest(deployment("team-b", "good", GOOD))
    cluster = clusters.add_sandbox(name="prod", by=people.admin, now=timezone.now())
    world = SandboxWorld(people, sandbox, cluster)
    world.collect()
    yield world
    sandbox.close()


@pytest.fixture
def hand(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Hand:
    """The test's hand on every gateway to the sandbox."""
    hand = Hand()
    monkeypatch.setattr(WatchedGateway, "hand", hand, raising=False)
    settings.CLUSTER_GATEWAYS = {
        **settings.CLUSTER_GATEWAYS,
        "sandbox": f"{WatchedGateway.__module__}.{WatchedGateway.__qualname__}",
    }
    return hand


@pytest.fixture(params=[target.value for target in Target])
def target(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(params=[Target.CLUSTER_POLICY.value, Target.VALIDATING_POLICY.value])
def kyverno_target(request: pytest.FixtureRequest) -> str:
    """Those that Kyverno stands behind."""
    return request.param


@pytest.fixture
def little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps give up on a cluster that does not answer at once."""
    monkeypatch.setattr(step_run, "PATIENCE_SECONDS", 0.05)
