"""Collecting nodes, the operator's kinds and what workloads name; none of it makes a run partial."""

from datetime import timedelta
from typing import Any

import pytest

from policies.cluster.errors import TimedOut
from policies.cluster.gateway import (
    APPARMOR_PROFILES,
    NODES,
    OPERATOR_DAEMONS,
    PODS,
    PROFILE_KINDS,
    PROFILE_NODE_STATUSES,
    SECCOMP_PROFILES,
    Resource,
)
from policies.domain.controls import Mechanism
from policies.domain.inventory import Inventory, Lookup, Outcome, Reference, read_placement
from policies.models import (
    CollectionRun,
    KindSnapshot,
    ObservedNode,
    ObservedOperator,
    ObservedProfile,
    ObservedProfileStatus,
    ReferencedProfile,
)
from policies.queries.freshness import StripState, data_strip
from policies.queries.inventory import installed, load_inventory
from sandbox.controllers import roll_out
from sandbox.faults import Fault
from sandbox.gateway import SandboxGateway
from sandbox.store import Manifest
from tests.integration.actions.conftest import SandboxWorld
from tests.integration.actions.watched import Hand
from tests.world import deployment

pytestmark = pytest.mark.django_db
OPERATOR_KINDS = PROFILE_KINDS[1:]


@pytest.fixture
def world(world: SandboxWorld) -> SandboxWorld:
    world.sandbox.add_nodes()
    world.sandbox.install_operator()
    return world


def localhost(path: str) -> dict[str, Any]:
    profile = {"type": "Localhost", "localhostProfile": path}
    return {"name": "app", "image": "a", "securityContext": {"seccompProfile": profile}}


def snapshot(kind: Resource) -> KindSnapshot:
    return KindSnapshot.objects.get(kind=kind.full_name)


def inventory(world: SandboxWorld) -> Inventory:
    return load_inventory(world.cluster, now=world.now())


def outcome(world: SandboxWorld, value: str, mechanism: Mechanism = Mechanism.SECCOMP) -> Outcome:
    reference = ReferencedProfile.objects.get(value=value, mechanism=mechanism)
    lookup = Lookup(inventory(world), world.now())
    found = lookup.verdict(Reference(mechanism, value), read_placement(reference.placement))
    return found.outcome


def test_collect_stores_nodes_profiles_statuses_and_settings(world: SandboxWorld) -> None:
    run = world.collect()

    assert run.state == CollectionRun.State.COMPLETE
    assert ObservedNode.objects.count() == 4
    assert ObservedNode.objects.get(name="node-g1").taints == [
        {"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}
    ]
    web = ObservedProfile.objects.get(mechanism="apparmor")
    assert (web.name, web.state, web.mode) == ("k8s-web", "Installed", "Complain")
    assert ObservedProfileStatus.objects.filter(profile="key-rotation").count() == 2
    assert ObservedOperator.objects.get().enables_apparmor
    assert {snapshot(kind).object_count for kind in (NODES, SECCOMP_PROFILES)} == {4, 3}


def test_collect_twice_rewrites_nothing(world: SandboxWorld) -> None:
    world.collect()
    before = set(ObservedNode.objects.values_list("pk", flat=True))

    world.collect()

    assert set(ObservedNode.objects.values_list("pk", flat=True)) == before


def test_collect_follows_what_moves_and_goes(world: SandboxWorld) -> None:
    world.collect()
    world.sandbox.delete(SECCOMP_PROFILES, "key-rotation")
    status = world.sandbox.get(PROFILE_NODE_STATUSES, "web-fine-node-a1")
    world.sandbox.delete(PROFILE_NODE_STATUSES, "web-fine-node-a1")
    world.sandbox.apply_manifest({**status, "status": {"status": "Error"}}, forced=True)

    world.collect()

    assert not ObservedProfile.objects.filter(name="key-rotation").exists()
    found = ObservedProfileStatus.objects.get(profile="web-fine", node="node-a1")
    assert found.state == "Error"


def test_collect_where_the_operator_is_gone_keeps_nothing_of_it(
    world: SandboxWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.collect()
    monkeypatch.setattr("sandbox.nodes.is_operator_installed", lambda _store: False)

    world.collect()

    assert not ObservedProfile.objects.exists()
    assert [snapshot(kind).served for kind in OPERATOR_KINDS] == [False] * 4
    assert inventory(world).observed is None


def test_collect_from_an_older_operator_reads_its_older_version(
    world: SandboxWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    pages = SandboxGateway.pages

    def serves(_self: SandboxGateway, resource: Resource) -> bool:
        older = "v1beta1" if resource.plural == SECCOMP_PROFILES.plural else "v1alpha1"
        return resource.version == older

    def listed(self: SandboxGateway, resource: Resource, **options: Any) -> Any:
        if resource.group == SECCOMP_PROFILES.group:
            asked.append(f"{resource.plural}/{resource.version}")
            resource = next(kind for kind in OPERATOR_KINDS if kind.plural == resource.plural)
        return pages(self, resource, **options)

    monkeypatch.setattr(SandboxGateway, "serves", serves)
    monkeypatch.setattr(SandboxGateway, "pages", listed)

    world.collect()

    assert asked == [
        "seccompprofiles/v1beta1",
        "apparmorprofiles/v1alpha1",
        "securityprofilenodestatuses/v1alpha1",
        "securityprofilesoperatordaemons/v1alpha1",
    ]
    assert ObservedProfile.objects.count() == 4


@pytest.mark.parametrize("kind", PROFILE_KINDS, ids=lambda kind: kind.plural)
def test_collect_forbidden_leaves_the_run_complete_and_the_reason_on_the_kind(
    world: SandboxWorld, kind: Resource
) -> None:
    world.collect()
    world.sandbox.set_fault(Fault.FORBIDDEN, target=kind.plural)

    run = world.collect()

    assert (run.state, run.error_message) == (CollectionRun.State.COMPLETE, "")
    assert "is forbidden" in snapshot(kind).failure
    strip = data_strip(world.cluster, now=world.now())
    assert strip.state is StripState.COMPLETE
    assert kind.full_name in strip.sentence


@pytest.mark.parametrize(
    ("kind", "gap"),
    [
        (
            SECCOMP_PROFILES,
            "seccompprofiles could not be read: the credential may not list"
            " seccompprofiles.security-profiles-operator.x-k8s.io; the manifests in deploy/rbac grant it.",
        ),
        (PROFILE_NODE_STATUSES, "securityprofilenodestatuses could not be read"),
    ],
)
def test_inventory_of_a_forbidden_kind_is_unknown_with_the_reason(
    world: SandboxWorld, kind: Resource, gap: str
) -> None:
    world.collect()
    world.sandbox.set_fault(Fault.FORBIDDEN, target=kind.plural)
    world.collect()

    found = inventory(world)

    assert found.observed is not None
    assert gap in found.observed.gaps[Mechanism.SECCOMP]
    assert installed(world.cluster, now=world.now())[Mechanism.SECCOMP] is None


def test_inventory_of_forbidden_nodes_has_none_and_says_why(world: SandboxWorld) -> None:
    world.collect()
    world.sandbox.set_fault(Fault.FORBIDDEN, target=NODES.plural)
    world.collect()

    found = inventory(world)

    assert found.nodes is None
    assert (
        "the credential may not list nodes; the manifests in deploy/rbac grant it"
        in found.nodes_gap
    )


def test_inventory_of_forbidden_settings_goes_by_the_statuses(world: SandboxWorld) -> None:
    world.collect()
    world.sandbox.set_fault(Fault.FORBIDDEN, target=OPERATOR_DAEMONS.plural)
    world.collect()

    found = inventory(world).observed

    assert found is not None
    assert (found.enables_apparmor, found.gaps) == (None, {})


def test_inventory_before_any_collection_is_unknown(world: SandboxWorld) -> None:
    KindSnapshot.objects.all().delete()

    found = inventory(world)

    assert found.nodes is None
    assert found.observed is not None
    assert set(found.observed.gaps) == set(Mechanism)


def test_inventory_that_is_old_is_unknown(world: SandboxWorld) -> None:
    world.collect()

    world.late = timedelta(days=1)

    assert "too long ago" in inventory(world).nodes_gap


def test_inventory_without_node_statuses_served_says_so(
    world: SandboxWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    serves = SandboxGateway.serves
    monkeypatch.setattr(
        SandboxGateway,
        "serves",
        lambda self, kind: kind.plural != PROFILE_NODE_STATUSES.plural and serves(self, kind),
    )
    world.collect()

    found = inventory(world).observed

    assert found is not None
    assert "not served" in found.gaps[Mechanism.SECCOMP]


def test_inventory_of_an_operator_without_apparmor_lacks_only_that(
    world: SandboxWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    serves = SandboxGateway.serves
    monkeypatch.setattr(
        SandboxGateway,
        "serves",
        lambda self, kind: kind.plural != APPARMOR_PROFILES.plural and serves(self, kind),
    )
    world.collect()

    found = inventory(world).observed

    assert found is not None
    assert found.missing == {Mechanism.APPARMOR}
    assert Mechanism.APPARMOR not in found.gaps


def test_collect_that_loses_the_way_among_nodes_asks_for_nothing_more(
    world: SandboxWorld, hand: Hand
) -> None:
    asked: list[str] = []

    def stop(call: str, what: str) -> None:
        if call == "page":
            asked.append(what)
            if what == "nodes/v1":
                raise TimedOut("No answer in time.")

    hand.before = stop

    run = world.collect()

    assert asked[-1] == "nodes/v1"
    assert run.state == CollectionRun.State.COMPLETE
    assert {snapshot(kind).failure for kind in PROFILE_KINDS} == {"No answer in time."}


def test_collect_names_an_object_that_it_cannot_read(world: SandboxWorld, hand: Hand) -> None:
    def spoil(resource: Resource, item: bytes) -> bytes:
        return item.replace(b'"spec"', b'"spec":3,"was"') if resource == SECCOMP_PROFILES else item

    hand.spoil = spoil

    run = world.collect()

    assert run.problem_count == 3
    assert {p["kind"] for p in run.problems} == {SECCOMP_PROFILES.full_name}
    assert snapshot(SECCOMP_PROFILES).object_count == 0


def test_collect_keeps_what_workloads_name_and_where_they_may_run(world: SandboxWorld) -> None:
    manifest = deployment("team-a", "web", localhost("operator/web-fine.json"))
    manifest["spec"]["template"]["spec"]["nodeSelector"] = {"pool": "general"}
    world.sandbox.apply_manifest(manifest)
    world.sandbox.apply_manifest(
        deployment("team-a", "keys", localhost("operator/key-rotation.json"))
    )
    world.sandbox.apply_manifest(deployment("team-b", "own", localhost("profiles/own.json")))
    world.late = timedelta(minutes=11)  # Before that, the operator is given time.

    world.collect()

    row = ReferencedProfile.objects.get(workload="web")
    assert (row.kind, row.namespace, row.container) == ("Deployment", "team-a", "app")
    assert row.placement == {"selector": [["pool", "general"]]}
    assert outcome(world, "operator/web-fine.json") is Outcome.PASS
    assert outcome(world, "operator/key-rotation.json") is Outcome.FAIL
    assert outcome(world, "profiles/own.json") is Outcome.UNKNOWN


def test_collect_forgets_what_no_workload_names_any_more(world: SandboxWorld) -> None:
    world.sandbox.apply_manifest(deployment("team-a", "web", localhost("a.json")))
    world.collect()
    world.sandbox.apply_manifest(deployment("team-a", "web", localhost("b.json")))

    world.collect()

    assert list(ReferencedProfile.objects.values_list("value", flat=True)) == ["b.json"]


def test_collect_that_misses_pods_leaves_what_workloads_name_alone(world: SandboxWorld) -> None:
    world.sandbox.apply_manifest(deployment("team-a", "web", localhost("a.json")))
    world.collect()
    world.sandbox.apply_manifest(deployment("team-a", "web", localhost("b.json")))
    world.sandbox.set_fault(Fault.FORBIDDEN, target=PODS.plural)

    world.collect()

    assert list(ReferencedProfile.objects.values_list("value", flat=True)) == ["a.json"]


def test_collect_attributes_what_only_pods_name_to_their_workload_once(
    world: SandboxWorld,
) -> None:
    stored = world.sandbox.apply_manifest(
        deployment("team-a", "bound", {"name": "app", "image": "a"}, replicas=3)
    ).manifest

    def make(manifest: Manifest) -> Manifest:
        if manifest["kind"] == "Pod":
            manifest["spec"]["containers"][0] |= localhost("operator/web-fine.json")
        return world.sandbox.apply_manifest(manifest, forced=True).manifest

    roll_out(stored, make, {})

    world.collect()

    row = ReferencedProfile.objects.get()
    assert (row.kind, row.workload, row.placement) == ("Deployment", "bound", {})


def test_installed_lists_what_every_plain_node_has(world: SandboxWorld) -> None:
    world.collect()

    assert installed(world.cluster, now=world.now()) == {
        Mechanism.SECCOMP: ("operator/log-enricher-trace.json", "operator/web-fine.json"),
        Mechanism.APPARMOR: ("k8s-web",),
    }
