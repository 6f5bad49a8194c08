"""Nodes and the operator's own kinds on a real API server: written as its releases write them, collected, judged."""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from controlplane import ControlPlane
from policies.actions import clusters
from policies.domain.controls import Mechanism
from policies.domain.inventory import Lookup, Outcome, Reference, Verdict, read_placement
from policies.models import CollectionRun, KindSnapshot, ObservedProfile, ReferencedProfile
from policies.queries.inventory import load_inventory
from tests.contract.operator import Operator, accepted, served
from tests.contract.planes import Plane
from tests.world import People, World, deployment

pytestmark = [pytest.mark.controlplane, pytest.mark.django_db]

TAINT = {"key": "secprof-test", "value": "yes", "effect": "NoSchedule"}
"""Keeps the pods of other tests off these nodes: no kubelet runs them."""
TOLERATION = {"key": "secprof-test", "operator": "Exists"}
LATER = timedelta(minutes=11)


@dataclass
class Scene:
    """A control plane with two nodes of its own, and one release of the operator."""

    world: World
    raw: Plane
    operator: Operator
    namespace: str
    nodes: tuple[str, str]

    def profile(self, kind: str, name: str, states: tuple[str, ...], **spec: Any) -> str:
        """Make a profile with a status on the first nodes; give what a pod writes to get it."""
        value = name
        status: dict[str, Any] = {"status": "Installed"}
        if kind == "SeccompProfile":
            middle = f"{self.namespace}/" if self.operator.namespace else ""
            value = f"operator/{middle}{name}.json"
            status["localhostProfile"] = value
            spec = {"defaultAction": "SCMP_ACT_ERRNO", **spec}
        elif self.operator.namespace:
            spec, status = {"policy": f"profile {name} {{}}"}, {}
        made = self.operator.create(kind, name, spec=spec, status=status)
        for node, state in zip(self.nodes, states, strict=False):
            self.operator.status(made, node, state)
        return value

    def workload(self, name: str, **profiles: str) -> None:
        """Make a Deployment that names these profiles and may run on the nodes of this test."""
        context = {
            f"{field}Profile": {"type": "Localhost", "localhostProfile": value}
            for field, value in profiles.items()
        }
        container = {"name": "app", "image": "example.invalid/none", "securityContext": context}
        manifest = deployment(self.namespace, name, container, replicas=0)
        spec = manifest["spec"]["template"]["spec"]
        terms = [
            {"matchExpressions": [{"key": "pool", "operator": "In", "values": [self.namespace]}]}
        ]
        required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}
        spec |= {"tolerations": [TOLERATION], "affinity": {"nodeAffinity": required}}
        accepted(self.raw.create(manifest, self.namespace))

    def verdict(self, workload: str, mechanism: Mechanism = Mechanism.SECCOMP) -> Verdict:
        row = ReferencedProfile.objects.get(
            namespace=self.namespace, workload=workload, mechanism=mechanism.value
        )
        now = self.world.now()
        lookup = Lookup(load_inventory(self.world.cluster, now=now), now)
        return lookup.verdict(Reference(mechanism, row.value), read_placement(row.placement))


@pytest.fixture(params=["v1.0.0", "v0.8.4"])
def scene(
    request: pytest.FixtureRequest,
    control_plane: ControlPlane,
    raw_plane: Plane,
    django_user_model: type,
) -> Iterator[Scene]:
    people = People(django_user_model)
    namespace = f"ct-profiles-{secrets.token_hex(3)}"
    nodes = (f"{namespace}-1", f"{namespace}-2")
    accepted(raw_plane.create(named("Namespace", namespace)))
    for name in nodes:
        make_node(raw_plane, name, namespace)
    cluster = clusters.add_cluster(
        name=namespace,
        kubeconfig=control_plane.kubeconfig.read_text(),
        context=None,
        by=people.admin,
        now=timezone.now(),
    )
    with served(raw_plane, request.param, namespace) as operator:
        yield Scene(World(people, cluster), raw_plane, operator, namespace, nodes)
    for name in nodes:
        raw_plane.delete(named("Node", name))
    raw_plane.delete(named("Namespace", namespace))


def named(kind: str, name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}}


def make_node(raw: Plane, name: str, pool: str) -> None:
    manifest = named("Node", name)
    manifest["metadata"]["labels"] = {"pool": pool, "kubernetes.io/os": "linux"}
    manifest["status"] = {"nodeInfo": node_info()}
    accepted(raw.create(manifest))
    # The API server taints a new node as not ready; no kubelet will ever take that away.
    accepted(raw.patch(named("Node", name), {"spec": {"taints": [TAINT]}}))


def node_info() -> dict[str, str]:
    blank = ("machineID", "systemUUID", "bootID", "kernelVersion", "kubeProxyVersion")
    said = {
        "operatingSystem": "linux",
        "osImage": "Debian GNU/Linux 12",
        "kubeletVersion": "v1.36.3",
        "containerRuntimeVersion": "containerd://2.1.4",
        "architecture": "amd64",
    }
    return {**dict.fromkeys(blank, ""), **said}


def test_profiles_of_each_release_are_collected_and_judged(scene: Scene) -> None:
    both = scene.profile("SeccompProfile", "both", ("Installed", "Installed"))
    one = scene.profile("SeccompProfile", "one", ("Installed",))
    broken = scene.profile("SeccompProfile", "broken", ("Installed", "Error"))
    off = {"disabled": True} if scene.operator.namespace else {"state": "Disabled"}
    disabled = scene.profile("SeccompProfile", "off", ("Installed", "Installed"), **off)
    for name, value in (("both", both), ("one", one), ("broken", broken), ("off", disabled)):
        scene.workload(name, seccomp=value)
    other = "operator/both.json" if scene.operator.namespace else "operator/ns/both.json"
    scene.workload("other-shape", seccomp=other)

    run = scene.world.collect()
    young = scene.verdict("one")
    scene.world.late = LATER
    scene.world.collect()

    assert run.state == CollectionRun.State.COMPLETE
    assert (run.problem_count, run.problems) == (0, [])
    assert scene.verdict("both").outcome is Outcome.PASS
    assert (young.outcome, young.nodes) == (Outcome.PENDING, scene.nodes[1:])
    late = scene.verdict("one")
    assert (late.outcome, late.nodes) == (Outcome.FAIL, scene.nodes[1:])
    assert "Error" in scene.verdict("broken").reason
    assert "disabled" in scene.verdict("off").reason
    wrong = scene.verdict("other-shape")
    assert (wrong.outcome, wrong.hint) == (Outcome.FAIL, both)


def test_apparmor_in_complain_mode_passes_as_weak_and_switched_off_fails(scene: Scene) -> None:
    if scene.operator.namespace:
        pytest.skip("0.8 has no mode and no status of AppArmor profiles")
    scene.profile(
        "AppArmorProfile", "web", ("Installed", "Installed"), mode="Complain", abstract={}
    )
    scene.workload("web", appArmor="web")
    scene.workload("prefixed", appArmor="localhost/web")
    on = {"enableAppArmor": True}
    scene.operator.create(
        "SecurityProfilesOperatorDaemon", "spod", namespace=scene.namespace, spec=on
    )
    scene.world.late = LATER
    scene.world.collect()
    with_it = scene.verdict("web", Mechanism.APPARMOR)
    prefixed = scene.verdict("prefixed", Mechanism.APPARMOR)

    path = (
        "/apis/security-profiles-operator.x-k8s.io/v1"
        f"/namespaces/{scene.namespace}/securityprofilesoperatordaemons/spod"
    )
    accepted(scene.raw.send("DELETE", path, {}))
    off = {"enableAppArmor": False}
    scene.operator.create(
        "SecurityProfilesOperatorDaemon", "spod", namespace=scene.namespace, spec=off
    )
    scene.world.collect()

    assert (with_it.outcome, with_it.is_weak) == (Outcome.PASS, True)
    assert (prefixed.outcome, prefixed.hint) == (Outcome.FAIL, "web")
    assert scene.verdict("web", Mechanism.APPARMOR).outcome is Outcome.FAIL


def test_who_may_not_list_is_told_so_and_absence_is_not_mistaken_for_it(
    scene: Scene, control_plane: ControlPlane
) -> None:
    scene.profile("SeccompProfile", "both", ("Installed", "Installed"))
    stranger = clusters.replace_credential(
        cluster_id=scene.world.cluster.pk,
        kubeconfig=control_plane.user_kubeconfig(f"{scene.namespace}-stranger"),
        context=None,
        by=scene.world.people.admin,
        now=timezone.now(),
    )
    scene.world.collect()

    found = load_inventory(stranger, now=scene.world.now())

    assert found.nodes is None
    assert found.observed is not None
    assert "may not list seccompprofiles" in found.observed.gaps[Mechanism.SECCOMP]
    assert not ObservedProfile.objects.filter(cluster=stranger).exists()


def test_cluster_without_the_operator_is_known_to_have_none(
    control_plane: ControlPlane, django_user_model: type
) -> None:
    people = People(django_user_model)
    cluster = clusters.add_cluster(
        name=f"ct-none-{secrets.token_hex(3)}",
        kubeconfig=control_plane.user_kubeconfig("ct-stranger"),
        context=None,
        by=people.admin,
        now=timezone.now(),
    )
    world = World(people, cluster)

    world.collect()

    assert load_inventory(cluster, now=world.now()).observed is None
    rows = KindSnapshot.objects.filter(cluster=cluster, kind__contains="security-profiles-operator")
    assert [(row.served, row.failure) for row in rows] == [(False, "")] * 4
