"""The `cluster` of a contract test: once the sandbox, once a real control plane with Kyverno.

SECPROF_CONTROLPLANE names the control plane to use; it is shared, and stays up.
"""

import os
from collections.abc import Iterator

import pytest

import controlplane
from controlplane import ControlPlane
from policies.domain.controls import SECCOMP_CONTROLS
from policies.domain.library import API_VERSIONS, Target, VariantSpec
from policies.domain.parameters import Parameters
from tests.contract.clusters import Cluster, RealCluster, SandboxCluster, own_name
from tests.contract.planes import Plane, newest

KYVERNO = (Target.CLUSTER_POLICY, Target.VALIDATING_POLICY)
SHORT = {
    Target.CLUSTER_POLICY: "cpol",
    Target.VALIDATING_POLICY: "vpol",
    Target.NATIVE: "vap",
}


@pytest.fixture(scope="session")
def control_plane() -> ControlPlane:
    """A real control plane that is up; where none can be, the test is skipped, or fails if it must not."""
    reason = controlplane.available()
    if reason and os.environ.get("SECPROF_REQUIRE_CONTROLPLANE") == "1":
        pytest.fail(reason)
    if reason:
        pytest.skip(reason)
    return newest()


@pytest.fixture(scope="session")
def raw_plane(control_plane: ControlPlane) -> Plane:
    return Plane(control_plane.kubeconfig)


@pytest.fixture(
    scope="module", params=["sandbox", pytest.param("real", marks=pytest.mark.controlplane)]
)
def cluster(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    """A cluster of the module's own, or its own corner of a shared one."""
    made: Cluster
    if request.param == "sandbox":
        made = SandboxCluster(tmp_path_factory.mktemp("sandbox"))
    else:
        plane = request.getfixturevalue("control_plane")
        made = RealCluster(plane, request.getfixturevalue("raw_plane"))
    yield made
    made.clean()


@pytest.fixture(scope="module", params=tuple(Target), ids=SHORT.get)
def spec(request: pytest.FixtureRequest) -> VariantSpec:
    """The seccomp variant with both controls, for each kind of policy."""
    return seccomp(request.param)


@pytest.fixture(scope="module", params=KYVERNO, ids=SHORT.get)
def kyverno_spec(request: pytest.FixtureRequest) -> VariantSpec:
    """The same for the kinds that Kyverno carries out."""
    return seccomp(request.param)


def seccomp(target: Target) -> VariantSpec:
    return VariantSpec(
        name=own_name(SHORT[target]),
        target=target,
        api_version=API_VERSIONS[target][0],
        parameters=Parameters(controls=SECCOMP_CONTROLS),
    )
