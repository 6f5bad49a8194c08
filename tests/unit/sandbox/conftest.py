"""A sandbox cluster with a clock that stands still until a test moves it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from policies.cluster.gateway import Manifest
from policies.domain.controls import SECCOMP_CONTROLS
from policies.domain.library import API_VERSIONS, Target, VariantSpec, compile_objects
from policies.domain.parameters import Parameters
from sandbox.control import Sandbox
from sandbox.gateway import SandboxGateway

START = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)


@dataclass
class Clock:
    now: datetime = START

    def __call__(self) -> datetime:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@dataclass
class Place:
    """One sandbox cluster, from both sides."""

    path: Path
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.sandbox = Sandbox(self.path, clock=self.clock)
        self.gateway = SandboxGateway(self.path, clock=self.clock)

    def close(self) -> None:
        self.gateway.close()
        self.sandbox.close()

    def install(self, target: Target = Target.CLUSTER_POLICY, *enforced: str) -> None:
        for manifest in policies(target, *enforced):
            self.sandbox.create(manifest)


def policies(target: Target = Target.CLUSTER_POLICY, *enforced: str) -> tuple[Manifest, ...]:
    """The compiled objects of the seccomp variant."""
    spec = VariantSpec(
        name="seccomp",
        target=target,
        api_version=API_VERSIONS[target][0],
        parameters=Parameters(controls=SECCOMP_CONTROLS),
    )
    return tuple(compiled.manifest for compiled in compile_objects(spec, enforced))


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path / "cluster.sqlite3")
    for namespace in ("default", "team-a", "team-b"):
        made.sandbox.make_namespace(namespace)
    yield made
    made.close()
