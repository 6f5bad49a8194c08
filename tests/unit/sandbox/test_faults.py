"""Faults act on every gateway of a sandbox cluster, from whichever process they were set."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from policies.cluster import errors
from policies.cluster.gateway import (
    CLUSTER_POLICIES,
    NAMESPACES,
    PODS,
    VALIDATING_POLICIES,
    Verb,
    Write,
)
from policies.domain.library import Target
from policies.domain.objects import WorkloadKind
from sandbox.control import Sandbox
from sandbox.faults import Fault
from sandbox.gateway import SandboxGateway
from tests.unit.domain.seccomp_cases import RD, container, pod, wrapped
from tests.unit.sandbox.conftest import Place, policies

ROOT = Path(__file__).parents[3]
GOOD = wrapped(WorkloadKind.POD, pod(container("c"), profile=RD), name="good")
UNSET = wrapped(WorkloadKind.POD, pod(container("c")), name="unset")


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault.API_SERVER_DOWN, errors.Unreachable),
        (Fault.WRONG_CA, errors.TlsFailed),
        (Fault.WRONG_CREDENTIALS, errors.Unauthorized),
    ],
)
def test_connection_fault_meets_every_request_until_it_is_cleared(
    place: Place, fault: Fault, error: type[errors.ClusterError]
) -> None:
    place.sandbox.set_fault(fault)

    for request in (
        place.gateway.version,
        lambda: place.gateway.serves(PODS),
        lambda: list(place.gateway.pages(NAMESPACES)),
        lambda: place.gateway.get(NAMESPACES, "team-a"),
        lambda: place.gateway.dry_run_pod("team-a", GOOD),
        lambda: place.gateway.write(Write(Verb.DELETE, CLUSTER_POLICIES, "x"), dry_run=True),
    ):
        with pytest.raises(error):
            request()
    place.sandbox.clear_fault(fault)
    assert place.gateway.version().minor == (1, 36)


def test_forbidden_resource_is_refused_and_others_are_not(place: Place) -> None:
    place.sandbox.set_fault(Fault.FORBIDDEN, target="pods")

    with pytest.raises(errors.Forbidden, match="cannot list resource"):
        list(place.gateway.pages(PODS))
    with pytest.raises(errors.Forbidden, match="cannot create resource"):
        place.gateway.dry_run_pod("team-a", GOOD)
    assert list(place.gateway.pages(NAMESPACES))


def test_forbidden_without_a_target_is_everything(place: Place) -> None:
    place.sandbox.set_fault(Fault.FORBIDDEN)

    with pytest.raises(errors.Forbidden):
        list(place.gateway.pages(NAMESPACES))
    assert place.gateway.version()


def test_broken_page_comes_after_those_before_it(place: Place) -> None:
    place.sandbox.set_fault(Fault.BROKEN_PAGE, target="namespaces", amount=2)
    pages = place.gateway.pages(NAMESPACES, limit=2)

    assert not next(pages).last
    with pytest.raises(errors.Unreachable, match="cut off in the middle"):
        next(pages)


def test_api_server_that_stops_between_two_pages_breaks_the_list(place: Place) -> None:
    pages = place.gateway.pages(NAMESPACES, limit=2)
    next(pages)

    place.sandbox.set_fault(Fault.API_SERVER_DOWN)

    with pytest.raises(errors.Unreachable):
        next(pages)


def test_slow_server_takes_its_time_for_each_request(place: Place) -> None:
    place.sandbox.set_fault(Fault.SLOW, amount=0.05)
    begun = time.monotonic()

    place.gateway.version()

    assert time.monotonic() - begun >= 0.05


def test_fault_set_in_another_process_acts_here(place: Place) -> None:
    script = (
        "import sys; from pathlib import Path; from sandbox.control import Sandbox;"
        "from sandbox.faults import Fault;"
        "Sandbox(Path(sys.argv[1])).set_fault(Fault.API_SERVER_DOWN)"
    )

    subprocess.run([sys.executable, "-c", script, str(place.path)], check=True, cwd=ROOT)

    with pytest.raises(errors.Unreachable):
        place.gateway.version()


def test_cleared_faults_are_all_gone(place: Place) -> None:
    place.sandbox.set_fault(Fault.ENGINE_DOWN)
    place.sandbox.set_fault(Fault.FORBIDDEN, target="pods")
    assert {found.fault for found in place.sandbox.faults()} == {
        Fault.ENGINE_DOWN,
        Fault.FORBIDDEN,
    }

    place.sandbox.clear_faults()

    assert place.sandbox.faults() == ()


def test_engine_down_policies_cannot_be_written(place: Place) -> None:
    place.sandbox.set_fault(Fault.ENGINE_DOWN)

    for target, resource in (
        (Target.CLUSTER_POLICY, CLUSTER_POLICIES),
        (Target.VALIDATING_POLICY, VALIDATING_POLICIES),
    ):
        change = Write(Verb.CREATE, resource, "seccomp", policies(target)[0])
        with pytest.raises(errors.EngineDown):
            place.gateway.write(change, dry_run=True)


def test_engine_back_writes_the_status_that_it_owes(place: Place) -> None:
    place.sandbox.set_fault(Fault.ENGINE_DOWN)
    place.sandbox.apply_manifest(policies()[0], forced=True)
    assert "status" not in place.gateway.get(CLUSTER_POLICIES, "seccomp")

    place.sandbox.clear_fault(Fault.ENGINE_DOWN)

    assert place.gateway.get(CLUSTER_POLICIES, "seccomp")["status"]["conditions"]


def test_engine_down_twice_keeps_the_webhooks_of_before(place: Place) -> None:
    place.install(Target.CLUSTER_POLICY, "team-a")
    place.sandbox.set_fault(Fault.ENGINE_DOWN)
    place.sandbox.delete(CLUSTER_POLICIES, "seccomp-enforce")

    place.sandbox.set_fault(Fault.ENGINE_DOWN)

    with pytest.raises(errors.EngineDown):
        place.gateway.dry_run_pod("team-a", GOOD)


def test_system_namespaces_are_never_sent_to_the_engine(place: Place) -> None:
    place.sandbox.make_namespace("kube-system")
    place.install(Target.CLUSTER_POLICY, "kube-system")

    assert place.gateway.dry_run_pod("kube-system", UNSET).warnings == ()


def test_cluster_that_was_never_made_is_unreachable(tmp_path: Path) -> None:
    gateway = SandboxGateway(tmp_path / "absent.sqlite3")

    with pytest.raises(errors.Unreachable, match=r"no sandbox cluster in absent\.sqlite3"):
        gateway.version()
    gateway.close()


def test_delete_of_a_namespace_takes_all_in_it(place: Place) -> None:
    place.sandbox.create({**GOOD, "metadata": {"name": "good", "namespace": "team-a"}})

    place.sandbox.delete(NAMESPACES, "team-a")

    assert not place.sandbox.exists(PODS, "good", namespace="team-a")
    assert place.sandbox.namespaces() == ("default", "team-b")


def test_two_writers_lose_nothing(place: Place) -> None:
    other = Sandbox(place.path, clock=place.clock)
    try:
        for number in range(20):
            writer = (place.sandbox, other)[number % 2]
            writer.create({**GOOD, "metadata": {"name": f"p{number}", "namespace": "team-a"}})
    finally:
        other.close()

    (page,) = place.gateway.pages(PODS, namespace="team-a")
    versions = {
        place.sandbox.get(PODS, f"p{n}", namespace="team-a")["metadata"]["resourceVersion"]
        for n in range(20)
    }
    assert (len(page.items), len(versions)) == (20, 20)
