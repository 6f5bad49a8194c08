"""The manifests of deploy/rbac on a real API server: with each mode what must work works, and the rest is refused by name."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from django.test import Client
from django.utils import timezone

from controlplane import ControlPlane
from policies.actions import clusters
from policies.actions.cluster_rights import POLICIES, SECRETS
from policies.cluster import errors
from policies.cluster.gateway import (
    CLUSTER_POLICIES,
    NAMESPACES,
    PODS,
    VALIDATING_POLICIES,
    Gateway,
    Manifest,
    Resource,
    Verb,
    Write,
)
from policies.cluster.kubeconfig import parse_kubeconfig
from policies.cluster.kubernetes import KubernetesGateway
from policies.cluster.writes import write
from policies.domain.cluster_rights import Asked, Held, Mode, excess, standings
from policies.domain.lifecycle import FlipVerb, RolloutStatus
from policies.models import Cluster, CollectionRun
from policies.queries.clusters import cluster_page
from policies.queries.reach import EVERYTHING_SEEN
from tests import factories
from tests.contract.identities import Identity, identity
from tests.contract.job import open_job
from tests.contract.planes import Plane, eventually
from tests.contract.test_adapter_real import changed_until_settled, pod, policy
from tests.world import People, World

pytestmark = pytest.mark.controlplane

CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap")
Account = Callable[..., Identity]


@pytest.fixture
def account(control_plane: ControlPlane, raw_plane: Plane) -> Iterator[Account]:
    with ExitStack() as opened:
        yield lambda *modes: opened.enter_context(identity(control_plane, raw_plane, *modes))


@pytest.fixture
def gateway_of() -> Iterator[Callable[[Identity], Gateway]]:
    with ExitStack() as opened:

        def open_one(of: Identity) -> Gateway:
            gateway = KubernetesGateway(parse_kubeconfig(of.kubeconfig, allow_loopback=True))
            opened.callback(gateway.close)
            return gateway

        yield open_one


@pytest.fixture
def people(django_user_model: type) -> People:
    return People(django_user_model)


def taken_in(of: Identity, people: People) -> World:
    cluster = clusters.add_cluster(
        name=of.name,
        kubeconfig=of.kubeconfig,
        context=None,
        by=people.admin,
        now=timezone.now(),
    )
    return World(people, cluster)


def held(cluster: Cluster) -> dict[Mode, Held]:
    cluster.refresh_from_db()
    asked = tuple(map(Asked.from_json, cluster.rights))
    assert excess(asked) == ()
    return {each.mode: each.held for each in standings(asked)}


def created(gateway: Gateway, resource: Resource, manifest: Manifest, *, dry_run: bool) -> None:
    change = Write(Verb.CREATE, resource, manifest["metadata"]["name"], manifest)
    write(gateway, change, decision="rbac", dry_run=dry_run)


@pytest.mark.django_db
def test_read_only_collects_everything_and_its_page_says_what_it_lacks(
    account: Account, people: People
) -> None:
    world = taken_in(account(Mode.READ), people)

    run = world.collect()

    assert (run.state, run.error_message) == (CollectionRun.State.COMPLETE, "")
    assert held(world.cluster) == {
        Mode.READ: Held.HELD,
        Mode.FLIP: Held.LACKING,
        Mode.PROBE: Held.LACKING,
    }
    flip, probe = cluster_page(world.cluster, reach=EVERYTHING_SEEN, now=timezone.now()).standings[
        1:
    ]
    assert len(flip.lacking) == 3 * len(POLICIES)
    assert probe.lacking == ("create pods",)
    client = Client()
    viewer = factories.user("viewer")
    factories.grant(viewer, "viewer")
    client.force_login(viewer)
    text = client.get(f"/clusters/{world.cluster.pk}/").text
    for words in (
        "Not held",
        "create, update, delete clusterpolicies.kyverno.io",
        "deploy/rbac/probe.yaml",
    ):
        assert words in text


def test_read_only_is_refused_everything_else_by_the_name_of_the_right(
    account: Account, gateway_of: Callable[[Identity], Gateway]
) -> None:
    gateway = gateway_of(account(Mode.READ))

    with pytest.raises(errors.Forbidden, match=r"may not create clusterpolicies\.kyverno\.io; "):
        created(gateway, CLUSTER_POLICIES, policy("rbac-never"), dry_run=True)
    with pytest.raises(errors.Forbidden, match="may not create pods; the manifests in deploy/rbac"):
        gateway.dry_run_pod("default", pod("tried"))
    with pytest.raises(errors.Forbidden, match="may not list secrets"):
        next(gateway.pages(SECRETS))
    with pytest.raises(errors.Forbidden, match="may not get configmaps"):
        gateway.get(CONFIG_MAPS, "kyverno-metrics", namespace="kyverno")
    assert gateway.get(CONFIG_MAPS, "kyverno", namespace="kyverno")["data"]


@pytest.mark.django_db
def test_read_only_is_told_on_the_plan_which_right_is_missing(
    account: Account, people: People
) -> None:
    world = taken_in(account(Mode.READ), people)
    world.collect()
    variant = world.variant("ClusterPolicy", name="rbac-plan")

    with pytest.raises(errors.Forbidden) as refused:
        world.plan(variant, FlipVerb.INSTALL)

    assert "may not create clusterpolicies.kyverno.io" in refused.value.message


@pytest.mark.django_db
def test_flip_writes_policies_and_neither_pods_nor_anything_else(
    account: Account,
    people: People,
    gateway_of: Callable[[Identity], Gateway],
    tmp_path: Path,
) -> None:
    holder = account(Mode.READ, Mode.FLIP)
    gateway = gateway_of(holder)
    manifest = policy(f"{holder.name}-never")

    created(gateway, CLUSTER_POLICIES, manifest, dry_run=False)
    changed_until_settled(
        gateway, Write(Verb.REPLACE, CLUSTER_POLICIES, manifest["metadata"]["name"], manifest)
    )
    changed_until_settled(
        gateway, Write(Verb.DELETE, CLUSTER_POLICIES, manifest["metadata"]["name"])
    )

    with pytest.raises(errors.Forbidden, match="may not create pods"):
        gateway.dry_run_pod("default", pod("tried"))
    assert not gateway.may("create", NAMESPACES)
    assert not gateway.may("list", SECRETS)
    assert gateway.may("delete", VALIDATING_POLICIES)
    world = taken_in(holder, people)
    world.collect()
    assert held(world.cluster) == {
        Mode.READ: Held.HELD,
        Mode.FLIP: Held.HELD,
        Mode.PROBE: Held.LACKING,
    }
    check_exceptions(as_client(holder, tmp_path), "kyverno")


def as_client(holder: Identity, tmp_path: Path) -> Plane:
    path = tmp_path / "kubeconfig"
    path.write_text(holder.certified)
    return Plane(path)


def check_exceptions(client: Plane, namespace: str) -> None:
    """Exceptions of both groups may be written in the agreed namespace, and in no other."""
    older = {
        "apiVersion": "kyverno.io/v2",
        "kind": "PolicyException",
        "spec": {
            "match": {"any": [{"resources": {"kinds": ["Pod"], "namespaces": ["none"]}}]},
            "exceptions": [{"policyName": "none", "ruleNames": ["none"]}],
        },
    }
    newer = {
        "apiVersion": "policies.kyverno.io/v1",
        "kind": "PolicyException",
        "spec": {"policyRefs": [{"name": "none", "kind": "ValidatingPolicy"}]},
    }
    for manifest in (older, newer):
        named = {**manifest, "metadata": {"name": "rbac-tried"}}
        assert client.create(named, namespace, dry_run=True).status != 403
        refused = client.create(named, "default", dry_run=True)
        assert refused.status == 403
        assert "cannot create resource" in refused.text


def test_probe_tries_pods_out_and_can_create_none(
    account: Account, gateway_of: Callable[[Identity], Gateway], tmp_path: Path
) -> None:
    holder = account(Mode.READ, Mode.PROBE)
    gateway = gateway_of(holder)

    # Everything happens in the account's own namespace, which goes with it: the API server takes a moment to learn the
    # policy, and so the first pods may come to be.
    client = as_client(holder, tmp_path)
    refused = eventually(
        lambda: client.create(pod(f"p-{secrets.token_hex(4)}"), holder.name),
        lambda reply: not reply.ok,
    )

    assert "creates pods as dry-runs only" in refused.text
    assert gateway.dry_run_pod(holder.name, pod("tried")).manifest["metadata"]["name"] == "tried"
    with pytest.raises(errors.Forbidden, match="may not create clusterpolicies"):
        created(gateway, CLUSTER_POLICIES, policy("rbac-never"), dry_run=True)
    assert not gateway.may("delete", PODS)


@pytest.mark.django_db
def test_all_three_take_a_namespace_to_enforce_and_back(
    control_plane: ControlPlane, account: Account, people: People
) -> None:
    for job in open_job(control_plane, people):
        holder = account(Mode.READ, Mode.FLIP, Mode.PROBE)
        clusters.replace_credential(
            cluster_id=job.world.cluster.pk,
            kubeconfig=holder.kubeconfig,
            context=None,
            by=people.admin,
            now=timezone.now(),
        )
        job.world.cluster.refresh_from_db()
        assert set(held(job.world.cluster).values()) == {Held.UNKNOWN}
        variant = job.installed("ClusterPolicy")
        job.world.collect()

        done = job.world.flip(variant, FlipVerb.ENFORCE, "team-a", override="to be tested")

        assert done is RolloutStatus.PROVEN
        assert job.world.roll_back(variant, "team-a") is RolloutStatus.PROVEN
        assert set(held(job.world.cluster).values()) == {Held.HELD}
