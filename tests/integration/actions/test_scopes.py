"""Where each action asks for a right: at its namespaces, at its cluster, or on everything."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from policies.actions import clusters, collection, flips, inventory, rehearsals, variants
from policies.actions import validation as validating
from policies.actions.errors import Refused
from policies.domain.authority import (
    Act,
    Actor,
    Grant,
    NotAllowed,
    Role,
    Scope,
    SecondFactorNeeded,
    everywhere,
)
from policies.domain.lifecycle import FlipStatus, FlipVerb
from policies.domain.parameters import Parameters
from policies.models import AuditEvent, DeclaredPool, Flip, ObservedNamespace, Variant
from tests.integration.actions.conftest import SandboxWorld
from tests.integration.actions.test_clusters import kubeconfig
from tests.world import BAD, USUAL, deployment

pytestmark = pytest.mark.django_db

TEAM_A = Scope("prod", "team-a")
LABELLED = Scope("", "", "team=a")
PROD = Scope("prod")
ELSEWHERE = Scope("staging")
REACH_TEAM_A = (Scope(), PROD, TEAM_A, Scope("", "team-a"), LABELLED)
REACH_PROD = (Scope(), PROD)
NOT_TEAM_A = (ELSEWHERE, Scope("prod", "team-b"), Scope("", "", "team=b"))
NOT_PROD = (ELSEWHERE, TEAM_A, LABELLED)


def scoped(actor: Actor, *scopes: Scope) -> Actor:
    """The same person, whose roles reach only so far."""
    grants = frozenset(Grant(role, scope) for role in actor.roles for scope in scopes)
    return replace(actor, grants=grants)


@pytest.fixture
def variant(world: SandboxWorld) -> Variant:
    return world.installed("ClusterPolicy")


def ask(world: SandboxWorld, variant: Variant, by: Actor, *names: str, **more: str) -> Flip:
    """Plan as somebody who sees everything, and ask as this actor."""
    verb = FlipVerb.ENFORCE if names else FlipVerb.INSTALL
    plan = flips.preview(
        variant_id=variant.pk, verb=verb, namespaces=names, by=world.people.admin, now=world.now()
    )
    values = {"reason": "clean", "override_reason": "", **more}
    return flips.request(
        variant_id=variant.pk,
        verb=verb,
        namespaces=names,
        plan_digest=plan.digest,
        by=by,
        now=world.now(),
        **values,
    )


@pytest.mark.parametrize("scope", REACH_TEAM_A, ids=str)
def test_flip_is_asked_for_withdrawn_and_decided_on_where_a_role_reaches(
    world: SandboxWorld, variant: Variant, scope: Scope
) -> None:
    operator = scoped(world.people.operator, scope)
    approver = scoped(world.people.approver, scope)
    first = ask(world, variant, operator, "team-a")
    flips.withdraw(flip_id=first.pk, by=operator, now=world.now())
    second = ask(world, variant, operator, "team-a")

    flips.approve(
        flip_id=second.pk, plan_digest=second.plan_digest, comment="", by=approver, now=world.now()
    )
    rolled = flips.roll_back(
        variant_id=variant.pk, namespaces=["team-a"], reason="no", by=approver, now=world.now()
    )

    assert Flip.objects.get(pk=second.pk).status != FlipStatus.REQUESTED
    assert rolled.namespaces == ["team-a"]


@pytest.mark.parametrize("scope", NOT_TEAM_A, ids=str)
def test_flip_out_of_reach_is_refused_at_every_point(
    world: SandboxWorld, variant: Variant, scope: Scope
) -> None:
    operator = scoped(world.people.operator, scope)
    waiting = ask(world, variant, world.people.operator, "team-a")
    rows = AuditEvent.objects.count()
    digest = waiting.plan_digest
    approver = scoped(world.people.approver, scope)

    for act in (
        lambda: ask(world, variant, operator, "team-a"),
        lambda: flips.preview(
            variant_id=variant.pk,
            verb=FlipVerb.ENFORCE,
            namespaces=["team-a"],
            by=operator,
            now=world.now(),
        ),
        lambda: flips.withdraw(flip_id=waiting.pk, by=operator, now=world.now()),
        lambda: flips.approve(
            flip_id=waiting.pk, plan_digest=digest, comment="", by=approver, now=world.now()
        ),
        lambda: flips.decline(flip_id=waiting.pk, comment="no", by=approver, now=world.now()),
        lambda: flips.roll_back(
            variant_id=variant.pk, namespaces=["team-a"], reason="x", by=operator, now=world.now()
        ),
    ):
        with pytest.raises(NotAllowed, match="on team-a on prod: your role"):
            act()

    assert Flip.objects.get(pk=waiting.pk).status == FlipStatus.REQUESTED
    assert AuditEvent.objects.count() == rows


def test_flip_of_one_namespace_too_many_is_refused(world: SandboxWorld, variant: Variant) -> None:
    with pytest.raises(NotAllowed, match="on team-b on prod"):
        ask(world, variant, scoped(world.people.operator, TEAM_A), "team-a", "team-b")

    both = scoped(world.people.operator, TEAM_A, Scope("", "", "team in (b,c)"))
    assert ask(world, variant, both, "team-a", "team-b").namespaces == ["team-a", "team-b"]


def test_flip_of_no_namespace_is_refused_before_anybody_asks_where(
    world: SandboxWorld, variant: Variant
) -> None:
    with pytest.raises(Refused, match="at least one namespace"):
        flips.roll_back(
            variant_id=variant.pk,
            namespaces=[],
            reason="x",
            by=scoped(world.people.operator, TEAM_A),
            now=world.now(),
        )


@pytest.mark.parametrize("scope", NOT_PROD, ids=str)
def test_install_takes_the_whole_cluster(world: SandboxWorld, scope: Scope) -> None:
    variant = world.variant("ClusterPolicy")

    with pytest.raises(NotAllowed, match="on prod: your role"):
        ask(world, variant, scoped(world.people.operator, scope))

    assert ask(world, variant, scoped(world.people.operator, PROD)).verb == FlipVerb.INSTALL


def test_overriding_gates_is_a_right_of_its_own(world: SandboxWorld) -> None:
    world.sandbox.apply_manifest(deployment("team-a", "ftp", BAD))
    variant = world.installed("ClusterPolicy")
    unproven = replace(world.people.operator, unproven_acts=frozenset({Act.OVERRIDE_GATES}))

    with pytest.raises(SecondFactorNeeded, match="override gates"):
        ask(world, variant, unproven, "team-a", override_reason="known")

    assert ask(world, variant, unproven, "team-b").override_reason == ""
    assert not Flip.objects.filter(namespaces=["team-a"]).exists()


def test_grant_by_labels_is_judged_by_the_labels_of_now(
    world: SandboxWorld, variant: Variant
) -> None:
    operator = scoped(world.people.operator, LABELLED)
    flip = ask(world, variant, operator, "team-a")
    ObservedNamespace.objects.filter(name="team-a").update(labels={"team": "b"})

    with pytest.raises(NotAllowed):
        flips.withdraw(flip_id=flip.pk, by=operator, now=world.now())


def test_namespace_that_nothing_is_known_of_takes_a_grant_by_name(world: SandboxWorld) -> None:
    variant = world.installed("ClusterPolicy")
    ObservedNamespace.objects.filter(name="team-a").delete()

    with pytest.raises(NotAllowed):
        rehearse(world, variant, scoped(world.people.operator, LABELLED))
    with pytest.raises(Refused, match="has no namespace team-a"):
        rehearse(world, variant, scoped(world.people.operator, TEAM_A))


def rehearse(world: SandboxWorld, variant: Variant, by: Actor) -> object:
    return rehearsals.request_rehearsal(
        variant_id=variant.pk, namespaces=["team-a"], by=by, now=world.now()
    )


def validate(world: SandboxWorld, variant: Variant, by: Actor) -> object:
    return validating.validate(
        variant_id=variant.pk, namespace="team-a", by=by, now=world.now(), stopwatch=lambda: 0.0
    )


@pytest.mark.parametrize("act", [rehearse, validate])
def test_rehearsal_and_validation_take_the_namespace(
    world: SandboxWorld, variant: Variant, act: Callable[..., object]
) -> None:
    for scope in NOT_TEAM_A:
        with pytest.raises(NotAllowed):
            act(world, variant, scoped(world.people.approver, scope))

    for scope in REACH_TEAM_A:
        act(world, variant, scoped(world.people.approver, scope))


def _create(world: SandboxWorld, by: Actor) -> object:
    number = Variant.objects.count()
    return variants.create_variant(
        cluster_id=world.cluster.pk,
        name=f"made-{number}",
        template="seccomp",
        parameters=USUAL["seccomp"],
        target=None,
        by=by,
        now=world.now(),
    )


def _edit(world: SandboxWorld, by: Actor) -> object:
    variant = Variant.objects.first() or _create(world, world.people.admin)
    variant.refresh_from_db()
    changed = replace(
        Parameters.from_json(variant.parameters), message=f"asked {variant.revision_number}"
    )
    return variants.edit_variant(
        variant_id=variant.pk,
        parameters=changed,
        note="why",
        based_on=variant.revision_number,
        by=by,
        now=world.now(),
    )


def _declare(world: SandboxWorld, by: Actor) -> DeclaredPool:
    return inventory.declare_pool(
        cluster_id=world.cluster.pk,
        name="gpu",
        selector={},
        apparmor="unknown",
        complete=(),
        by=by,
        now=world.now(),
    )


def _declare_profile(world: SandboxWorld, by: Actor) -> object:
    pool = _declare(world, world.people.admin)
    value = f"profiles/{pool.profiles.count()}.json"
    made = inventory.declare_profile(
        pool_id=pool.pk, mechanism="seccomp", value=value, by=by, now=world.now()
    )
    return inventory.withdraw_profile(profile_id=made.pk, by=by, now=world.now())


def _withdraw(world: SandboxWorld, by: Actor) -> object:
    pool = _declare(world, world.people.admin)
    return inventory.withdraw_pool(pool_id=pool.pk, by=by, now=world.now())


CLUSTER_ACTS: dict[str, Callable[[SandboxWorld, Actor], object]] = {
    "test": lambda w, by: clusters.test_connection(cluster_id=w.cluster.pk, by=by, now=w.now()),
    "request": lambda w, by: collection.request_collection(
        cluster_id=w.cluster.pk, by=by, now=w.now()
    ),
    "collect": lambda w, by: collection.collect(cluster_id=w.cluster.pk, by=by, now=w.now()),
    "create": _create,
    "edit": _edit,
    "declare": _declare,
    "declare-profile": _declare_profile,
    "withdraw": _withdraw,
}


@pytest.mark.parametrize("name", CLUSTER_ACTS)
def test_acts_on_a_cluster_take_all_of_it(world: SandboxWorld, name: str) -> None:
    act = CLUSTER_ACTS[name]

    for scope in NOT_PROD:
        with pytest.raises(NotAllowed, match="on prod: your role"):
            act(world, scoped(world.people.admin, scope))

    for scope in REACH_PROD:
        act(world, scoped(world.people.admin, scope))


def test_credential_of_a_cluster_takes_that_cluster_and_a_new_cluster_everything(
    world: SandboxWorld, settings: object
) -> None:
    def replace_it(by: Actor) -> None:
        clusters.replace_credential(
            cluster_id=world.cluster.pk, kubeconfig=kubeconfig(), context=None, by=by, now=now
        )

    now = world.now()
    settings.SECPROF_ALLOW_LOOPBACK_CLUSTERS = True
    for scope in NOT_PROD:
        with pytest.raises(NotAllowed):
            replace_it(scoped(world.people.admin, scope))
    with pytest.raises(Refused, match="A sandbox has no credential"):
        replace_it(scoped(world.people.admin, PROD))
    with pytest.raises(NotAllowed, match="on everything: your role"):
        clusters.add_cluster(
            name="fresh",
            kubeconfig=kubeconfig(),
            context=None,
            by=scoped(world.people.admin, PROD),
            now=now,
        )


def test_admin_on_a_part_gives_no_roles() -> None:
    from policies.actions.grants import Holder, give

    part = Actor("part", 1, frozenset({Grant(Role.ADMIN, PROD)}))

    with pytest.raises(NotAllowed):
        give(to=Holder("x", is_group=True), role="viewer", scope=PROD, by=part, now=None)
    assert everywhere(Role.ADMIN) != part.grants
