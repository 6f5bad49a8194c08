"""Nodes in the sandbox, and the Security Profiles Operator where it is installed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from policies.cluster.errors import NotFound
from policies.cluster.gateway import (
    APPARMOR_PROFILES,
    NODES,
    OPERATOR_DAEMONS,
    PROFILE_NODE_STATUSES,
    SECCOMP_PROFILES,
    Resource,
)
from policies.domain.controls import Mechanism
from policies.domain.inventory.reading import (
    read_node,
    read_node_status,
    read_profile,
    read_settings,
)
from sandbox.company import seed
from sandbox.gateway import SandboxGateway
from tests.unit.sandbox.conftest import START, Clock

OPERATOR = (SECCOMP_PROFILES, APPARMOR_PROFILES, PROFILE_NODE_STATUSES, OPERATOR_DAEMONS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("nodes")
    seed(made / "prod", "prod", START)
    seed(made / "staging", "staging", START)
    return made


@pytest.fixture
def prod(folder: Path) -> Iterator[SandboxGateway]:
    gateway = SandboxGateway(folder / "prod", clock=Clock())
    yield gateway
    gateway.close()


@pytest.fixture
def staging(folder: Path) -> Iterator[SandboxGateway]:
    gateway = SandboxGateway(folder / "staging", clock=Clock())
    yield gateway
    gateway.close()


def listed(gateway: SandboxGateway, resource: Resource) -> tuple[bytes, ...]:
    return tuple(item for page in gateway.pages(resource) for item in page.items)


def test_nodes_are_read_with_their_taints(prod: SandboxGateway) -> None:
    nodes = [read_node(item) for item in listed(prod, NODES)]

    assert [node.name for node in nodes] == ["node-a1", "node-b1", "node-c1", "node-g1"]
    assert [bool(node.taints) for node in nodes] == [False, False, False, True]
    assert all(node.is_ready and node.created_at for node in nodes)


def test_operator_shows_one_profile_missing_on_one_node(prod: SandboxGateway) -> None:
    statuses = [read_node_status(item) for item in listed(prod, PROFILE_NODE_STATUSES)]

    where = {(s.profile, s.node) for s in statuses if s}
    assert ("key-rotation", "node-b1") in where
    assert ("key-rotation", "node-c1") not in where


def test_operator_shows_a_profile_in_complain_mode(prod: SandboxGateway) -> None:
    (web,) = (read_profile(Mechanism.APPARMOR, i) for i in listed(prod, APPARMOR_PROFILES))
    (spod,) = (read_settings(item) for item in listed(prod, OPERATOR_DAEMONS))

    assert (web.name, web.mode, spod.enables_apparmor) == ("k8s-web", "Complain", True)


@pytest.mark.parametrize("resource", OPERATOR)
def test_operator_that_is_not_installed_is_not_served(
    prod: SandboxGateway, staging: SandboxGateway, resource: Resource
) -> None:
    assert prod.serves(resource)
    assert not staging.serves(resource)
    with pytest.raises(NotFound):
        listed(staging, resource)
