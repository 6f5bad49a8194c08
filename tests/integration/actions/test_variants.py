"""Variants: what may be created, in the newest version that the cluster serves; nothing is written to the cluster."""

from typing import Any

import pytest

from policies.actions import variants
from policies.actions.errors import Refused
from policies.cluster.errors import Unreachable
from policies.cluster.gateway import Resource
from policies.domain.authority import SYSTEM, NotAllowed
from policies.models import AuditEvent, Variant
from sandbox.faults import Fault
from sandbox.gateway import SandboxGateway
from tests.integration.actions.conftest import SandboxWorld
from tests.integration.actions.watched import Hand
from tests.world import C1_C2

pytestmark = pytest.mark.django_db


def create(world: SandboxWorld, **changes: Any) -> Variant:
    values: dict[str, Any] = {
        "cluster_id": world.cluster.pk,
        "name": "require-seccomp",
        "controls": C1_C2,
        "target": "ClusterPolicy",
        "by": world.people.operator,
        "now": world.now(),
    }
    return variants.create_variant(**values | changes)


@pytest.mark.parametrize(
    ("target", "version"),
    [("ClusterPolicy", "kyverno.io/v1"), ("ValidatingPolicy", "policies.kyverno.io/v1")],
)
def test_create_variant_takes_the_newest_version_and_writes_no_object(
    world: SandboxWorld, hand: Hand, target: str, version: str
) -> None:
    variant = create(world, target=target, controls=tuple(reversed(C1_C2)))

    assert (variant.api_version, variant.controls) == (version, list(C1_C2))
    assert hand.writes == []
    event = AuditEvent.objects.get(verb="variant.created")
    assert (event.actor, event.variant, event.cluster) == ("operator", "require-seccomp", "prod")


def test_create_variant_on_an_older_cluster_takes_an_older_version(
    world: SandboxWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    def serves(_self: SandboxGateway, resource: Resource) -> bool:
        return resource.version == "v1beta1"

    monkeypatch.setattr(SandboxGateway, "serves", serves)

    assert create(world, target="ValidatingPolicy").api_version == "policies.kyverno.io/v1beta1"
    with pytest.raises(Refused, match="does not serve ClusterPolicy. Install Kyverno"):
        create(world, name="other")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"name": "Upper"}, "small letters"),
        ({"name": "a" * 41}, "at most 40"),
        ({"name": "seccomp-enforce"}, "like the name of a twin"),
        ({"controls": ()}, "no such choice of controls"),
        ({"controls": ("no-such",)}, "no such choice"),
        ({"target": "Pod"}, "no such choice"),
    ],
)
def test_create_variant_of_what_makes_none_is_refused(
    world: SandboxWorld, changes: dict[str, Any], says: str
) -> None:
    with pytest.raises(Refused, match=says):
        create(world, **changes)

    assert not Variant.objects.exists()


def test_create_variant_twice_is_refused(world: SandboxWorld) -> None:
    create(world)

    with pytest.raises(Refused, match="prod has a variant require-seccomp already"):
        create(world, target="ValidatingPolicy")


def test_create_variant_takes_an_operator_and_a_person(world: SandboxWorld) -> None:
    for actor in (world.people.viewer, world.people.approver, SYSTEM):
        with pytest.raises(NotAllowed):
            create(world, by=actor)


def test_create_variant_on_a_cluster_out_of_reach_says_so(world: SandboxWorld) -> None:
    world.sandbox.set_fault(Fault.API_SERVER_DOWN)

    with pytest.raises(Unreachable):
        create(world)
