"""Variants: what may be created and edited, and that neither writes anything to the cluster."""

from typing import Any

import pytest

from policies.actions import inventory, variants
from policies.actions.errors import Busy, Refused
from policies.cluster.errors import Unreachable
from policies.cluster.gateway import Resource, ServerVersion
from policies.domain.authority import SYSTEM, NotAllowed
from policies.domain.parameters import Parameters
from policies.models import (
    AuditEvent,
    Cluster,
    DeclaredPool,
    KindSnapshot,
    ObservedNode,
    Variant,
    VariantRevision,
)
from policies.queries.installed import OutdatedList, outdated_lists
from sandbox.faults import Fault
from sandbox.gateway import SandboxGateway
from tests.integration.actions.conftest import SandboxWorld
from tests.integration.actions.watched import Hand
from tests.world import C1_C2, USUAL

pytestmark = pytest.mark.django_db


def create(world: SandboxWorld, **changes: Any) -> Variant:
    values: dict[str, Any] = {
        "cluster_id": world.cluster.pk,
        "name": "require-seccomp",
        "template": "seccomp",
        "parameters": USUAL["seccomp"],
        "target": "ClusterPolicy",
        "by": world.people.operator,
        "now": world.now(),
    }
    return variants.create_variant(**values | changes)


def edit(world: SandboxWorld, variant: Variant, **changes: Any) -> Variant:
    values: dict[str, Any] = {
        "variant_id": variant.pk,
        "parameters": Parameters.from_json({"controls": C1_C2, "message": "Ask the team."}),
        "note": "a sentence for those who are refused",
        "based_on": variant.revision_number,
        "by": world.people.operator,
        "now": world.now(),
    }
    return variants.edit_variant(**values | changes)


@pytest.mark.parametrize(
    ("target", "version"),
    [("ClusterPolicy", "kyverno.io/v1"), ("ValidatingPolicy", "policies.kyverno.io/v1")],
)
def test_create_variant_takes_the_newest_version_and_writes_no_object(
    world: SandboxWorld, hand: Hand, target: str, version: str
) -> None:
    variant = create(world, target=target)

    assert (variant.api_version, variant.controls) == (version, C1_C2)
    assert hand.writes == []
    event = AuditEvent.objects.get(verb="variant.created")
    assert (event.actor, event.variant, event.cluster) == ("operator", "require-seccomp", "prod")
    first = VariantRevision.objects.get(variant=variant)
    assert (first.number, first.parameters, first.note) == (1, variant.parameters, "")
    assert (first.target, first.api_version) == (target, version)


def test_create_variant_keeps_every_parameter_and_collects_anew(world: SandboxWorld) -> None:
    stored = {
        "controls": [*C1_C2, "allowed-profiles"],
        "seccomp": {"allowed": ["profiles/*.json"]},
        "excluded_namespaces": ["legacy"],
    }

    variant = create(world, parameters=Parameters.from_json(stored))

    assert variant.parameters == stored
    world.cluster.refresh_from_db()
    assert world.cluster.collect_due_at == variant.created_at


def test_create_variant_without_a_target_takes_one_that_is_served(
    world: SandboxWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SandboxGateway, "serves", lambda _, resource: resource.version == "v1beta1")

    variant = create(world, target=None)

    assert (variant.target, variant.api_version) == (
        "ValidatingPolicy",
        "policies.kyverno.io/v1beta1",
    )


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
        ({"template": "selinux"}, "no template"),
        ({"parameters": USUAL["apparmor"]}, "no control"),
        ({"target": "Pod"}, "no such choice"),
        (
            {"parameters": Parameters.from_json({"controls": ["profile-installed"]})},
            "refuse no pod",
        ),
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


@pytest.mark.parametrize(
    ("minor", "kyverno", "changes", "says"),
    [
        ("v1.29.4", "v1.19.1", {"template": "apparmor"}, "drops appArmorProfile"),
        ("v1.36.3", "v1.20.0", {}, "a rollback could be refused"),
        ("v1.29.4", "v1.19.1", {"template": "apparmor", "target": None}, "No kind of policy"),
    ],
)
def test_create_variant_of_what_is_not_safe_is_refused_with_the_reason(
    world: SandboxWorld,
    monkeypatch: pytest.MonkeyPatch,
    minor: str,
    kyverno: str,
    changes: dict[str, Any],
    says: str,
) -> None:
    monkeypatch.setattr(SandboxGateway, "version", lambda _: ServerVersion(minor))
    Cluster.objects.update(kyverno_version=kyverno)
    parameters = USUAL[changes.get("template", "seccomp")]

    with pytest.raises(Refused, match=says):
        create(world, parameters=parameters, **changes)

    assert not Variant.objects.exists()


def test_create_variant_where_kyverno_tells_no_version_goes_by_what_is_served(
    world: SandboxWorld,
) -> None:
    Cluster.objects.update(kyverno_version="")

    assert create(world, target=None).target == "ValidatingPolicy"


def test_create_and_edit_take_an_operator_and_a_person(world: SandboxWorld) -> None:
    variant = create(world)

    for actor in (world.people.viewer, world.people.approver, SYSTEM):
        with pytest.raises(NotAllowed):
            create(world, by=actor)
        with pytest.raises(NotAllowed):
            edit(world, variant, by=actor)


def test_create_variant_on_a_cluster_out_of_reach_says_so(world: SandboxWorld) -> None:
    world.sandbox.set_fault(Fault.API_SERVER_DOWN)

    with pytest.raises(Unreachable):
        create(world)


def test_edit_makes_a_revision_with_its_note_and_writes_no_object(
    world: SandboxWorld, hand: Hand
) -> None:
    variant = create(world)

    edited = edit(world, variant)

    assert (edited.revision_number, edited.parameters["message"]) == (2, "Ask the team.")
    numbers = VariantRevision.objects.filter(variant=variant).order_by("number")
    assert list(numbers.values_list("number", "parameters")) == [
        (1, variant.parameters),
        (2, edited.parameters),
    ]
    event = AuditEvent.objects.get(verb="variant.edited")
    assert event.message == "a sentence for those who are refused"
    assert event.details == {
        "revision": 2,
        "before": variant.parameters,
        "after": edited.parameters,
    }
    world.cluster.refresh_from_db()
    assert world.cluster.collect_due_at is not None
    assert hand.writes == []


def test_edit_based_on_what_is_not_the_newest_is_told_and_writes_nothing(
    world: SandboxWorld,
) -> None:
    variant = create(world)
    edit(world, variant)

    with pytest.raises(Busy, match="edited meanwhile"):
        edit(world, variant, based_on=1)

    assert VariantRevision.objects.filter(variant=variant).count() == 2
    assert AuditEvent.objects.filter(verb="variant.edited").count() == 1


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"note": " "}, "what changes and why"),
        ({"parameters": USUAL["seccomp"]}, "has already"),
        ({"parameters": USUAL["confined-pods"]}, "no control"),
    ],
)
def test_edit_that_makes_no_sense_is_refused(
    world: SandboxWorld, changes: dict[str, Any], says: str
) -> None:
    variant = create(world)

    with pytest.raises(Refused, match=says):
        edit(world, variant, **changes)

    assert VariantRevision.objects.filter(variant=variant).count() == 1


INSTALLED = {"controls": [*C1_C2, "profile-installed"]}


def declare(world: SandboxWorld, *values: str) -> None:
    """Say of the only node which seccomp profiles lie there, and that these are all."""
    ObservedNode.objects.get_or_create(cluster=world.cluster, name="n", defaults={"os": "linux"})
    pool = inventory.declare_pool(
        cluster_id=world.cluster.pk,
        name="all",
        selector={},
        apparmor="no",
        complete=("seccomp",),
        by=world.people.admin,
        now=world.now(),
    )
    for value in values:
        inventory.declare_profile(
            pool_id=pool.pk,
            mechanism="seccomp",
            value=value,
            by=world.people.admin,
            now=world.now(),
        )


def refresh(world: SandboxWorld, variant: Variant, **changes: Any) -> Variant:
    values: dict[str, Any] = {
        "variant_id": variant.pk,
        "by": world.people.operator,
        "now": world.now(),
    }
    return variants.refresh_installed(**values | changes)


def test_list_of_installed_profiles_is_filled_in_where_it_is_asked_for(
    world: SandboxWorld,
) -> None:
    declare(world, "profiles/a.json")

    asking = create(world, parameters=Parameters.from_json(INSTALLED))
    not_asking = create(world, name="other")

    assert asking.parameters["seccomp"] == {"installed": ["profiles/a.json"]}
    assert "seccomp" not in not_asking.parameters


def test_list_of_installed_profiles_that_is_behind_is_told_and_refreshed(
    world: SandboxWorld,
) -> None:
    declare(world, "profiles/a.json")
    variant = create(world, parameters=Parameters.from_json(INSTALLED))
    with pytest.raises(Refused, match="already"):
        refresh(world, variant)
    declare(world, "profiles/b.json")

    assert [(o.mechanism, o.added, o.removed) for o in outdated(world, variant)] == [
        ("seccomp", ("profiles/b.json",), ())
    ]
    fresh = refresh(world, variant)

    assert fresh.parameters["seccomp"] == {"installed": ["profiles/a.json", "profiles/b.json"]}
    assert outdated(world, fresh) == ()
    newest = VariantRevision.objects.latest("number")
    assert (newest.number, newest.note) == (2, "Installed seccomp profiles: + profiles/b.json.")
    with pytest.raises(NotAllowed):
        refresh(world, fresh, by=world.people.viewer)


def test_lists_of_both_mechanisms_are_kept_apart(world: SandboxWorld) -> None:
    declare(world, "profiles/a.json")
    every = [*USUAL["confined-pods"].controls, "profile-installed"]
    variant = create(
        world, template="confined-pods", parameters=Parameters.from_json({"controls": every})
    )
    DeclaredPool.objects.update(complete=["seccomp", "apparmor"])

    fresh = refresh(world, variant)

    assert fresh.parameters["apparmor"] == {"installed": []}
    assert fresh.parameters["seccomp"] == {"installed": ["profiles/a.json"]}
    assert VariantRevision.objects.latest("number").note == "Installed apparmor profiles: none."


def outdated(world: SandboxWorld, variant: Variant) -> tuple[OutdatedList, ...]:
    variant.refresh_from_db()
    return outdated_lists(variant, now=world.now())


def test_list_of_installed_profiles_that_is_not_known_stays_as_it_is(
    world: SandboxWorld,
) -> None:
    stored = {**INSTALLED, "seccomp": {"installed": ["profiles/a.json"]}}
    KindSnapshot.objects.filter(kind="nodes").delete()

    variant = create(world, parameters=Parameters.from_json(stored))

    assert variant.parameters == stored
    assert outdated(world, variant) == ()
