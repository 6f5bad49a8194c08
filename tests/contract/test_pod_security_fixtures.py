"""Kubernetes' own fixtures of the Pod Security Standards, all versions: controls C1, C2 and C4 say what the standards say."""

import json
import subprocess
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from policies.domain.controls import BASE_CONTROLS, Control
from policies.domain.facts import ClusterFacts
from policies.domain.manifests import Checker
from policies.domain.parameters import Parameters
from policies.domain.posture import Result
from tests.needs import go_path

pytestmark = pytest.mark.controlplane

MODULE = "k8s.io/pod-security-admission@v0.36.3"
"""The one that the control planes are built from; its test data reaches back to Kubernetes 1.0."""
SECCOMP_FIELDS_SINCE = 19
C1, C2, C4 = (
    Control.REQUIRE_SECCOMP,
    Control.DENY_UNCONFINED_SECCOMP,
    Control.DENY_UNCONFINED_APPARMOR,
)
BROKEN_BY = {
    "apparmorprofile": C4,
    "seccompprofile_baseline": C2,
    "seccompprofile_restricted": C1,
}


@dataclass(frozen=True)
class Fixture:
    """One pod of the fixtures: its level, its version, and which control it must fail, if any."""

    file: Path
    level: str
    minor: int
    broken: Control | None

    @property
    def controls(self) -> tuple[Control, ...]:
        """Those that a pod of this level meets; before 1.19 nothing requires a seccomp profile."""
        requires = self.level == "restricted" and self.minor >= SECCOMP_FIELDS_SINCE
        return (C1, C2, C4) if requires else (C2, C4)


@pytest.fixture(scope="module")
def fixtures(tmp_path_factory: pytest.TempPathFactory) -> list[Fixture]:
    ran = subprocess.run(
        [str(go_path()), "mod", "download", "-json", MODULE],
        cwd=tmp_path_factory.mktemp("empty"),
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode:
        pytest.skip(f"no {MODULE} on this machine: {ran.stdout[-300:]}")
    root = Path(json.loads(ran.stdout)["Dir"]) / "test" / "testdata"
    return [_fixture(file, *file.relative_to(root).parts) for file in sorted(root.rglob("*.yaml"))]


def _fixture(file: Path, level: str, version: str, kind: str, name: str) -> Fixture:
    control = BROKEN_BY.get(name.removesuffix(".yaml").rstrip("0123456789"))
    minor = int(version.removeprefix("v1."))
    return Fixture(file, level, minor, control if kind == "fail" else None)


def test_pod_security_fixtures_fail_what_they_break_and_nothing_else(
    fixtures: list[Fixture],
) -> None:
    counts: Counter[str] = Counter()
    disagreements = []
    for fixture in fixtures:
        checker = Checker(
            Parameters(controls=BASE_CONTROLS),
            BASE_CONTROLS,
            ClusterFacts(kubernetes=(1, fixture.minor)),
        )
        checker.check(str(fixture.file), fixture.file.read_bytes())
        assert not checker.report.misread, checker.report.misread
        failing = {c for c, found in checker.report.results.items() if found[Result.FAIL]}
        if fixture.broken is None:
            counts["good"] += 1
            agrees = failing.isdisjoint(fixture.controls)
        else:
            counts[fixture.broken] += 1
            agrees = fixture.broken in failing
        if not agrees:
            disagreements.append((fixture, failing))

    assert disagreements == [], dict(counts)
    assert len(fixtures) > 4000
    assert min(counts[control] for control in (C1, C2, C4)) > 80
