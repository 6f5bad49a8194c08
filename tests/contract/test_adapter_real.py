"""The gateway on a real kube-apiserver with Kyverno: what only a real one can show."""

import base64
import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import pytest
import yaml

from controlplane import ControlPlane
from policies.cluster import errors
from policies.cluster.connection import Connection
from policies.cluster.gateway import (
    CLUSTER_POLICIES,
    NAMESPACES,
    PODS,
    Manifest,
    Resource,
    Verb,
    Write,
)
from policies.cluster.kubeconfig import parse_kubeconfig
from policies.cluster.kubernetes import KubernetesGateway
from policies.cluster.writes import write
from tests.contract.planes import Plane
from tests.unit.cluster.authority import Authority

pytestmark = pytest.mark.controlplane

POD_COUNT = 5
CRDS = Resource(
    "apiextensions.k8s.io",
    "v1",
    "customresourcedefinitions",
    "CustomResourceDefinition",
    namespaced=False,
)
Open = Callable[[Connection], KubernetesGateway]


def pod(name: str, **changes: Any) -> Manifest:
    spec = {"containers": [{"name": "c", "image": "example.invalid/none"}]} | changes
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


def policy(name: str, message: str = "one") -> Manifest:
    """A ClusterPolicy that matches nothing that exists."""
    rule = {
        "name": "never",
        "match": {"any": [{"resources": {"kinds": ["Pod"], "namespaces": [f"{name}-none"]}}]},
        "validate": {"message": message, "pattern": {"metadata": {"name": "?*"}}},
    }
    return {
        "apiVersion": "kyverno.io/v1",
        "kind": "ClusterPolicy",
        "metadata": {"name": name},
        "spec": {"background": False, "rules": [rule]},
    }


@pytest.fixture(scope="module")
def admin(control_plane: ControlPlane) -> Connection:
    return parse_kubeconfig(control_plane.kubeconfig.read_text(), allow_loopback=True)


@pytest.fixture
def open_one() -> Iterator[Open]:
    with ExitStack() as opened:

        def open_gateway(connection: Connection) -> KubernetesGateway:
            gateway = KubernetesGateway(connection)
            opened.callback(gateway.close)
            return gateway

        yield open_gateway


@pytest.fixture
def gateway(admin: Connection, open_one: Open) -> KubernetesGateway:
    return open_one(admin)


@pytest.fixture(scope="module")
def namespace(raw_plane: Plane) -> Iterator[str]:
    """A namespace with some pods in it."""
    name = f"adapter-{secrets.token_hex(3)}"
    created = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    assert raw_plane.send("POST", "/api/v1/namespaces", created).ok
    for number in range(POD_COUNT):
        assert raw_plane.send("POST", f"/api/v1/namespaces/{name}/pods", pod(f"p{number}")).ok
    yield name
    raw_plane.send("DELETE", f"/api/v1/namespaces/{name}", {})


@pytest.fixture
def policy_name(raw_plane: Plane) -> Iterator[str]:
    name = f"adapter-{secrets.token_hex(3)}"
    yield name
    raw_plane.send("DELETE", f"/apis/kyverno.io/v1/clusterpolicies/{name}", {})


def guards(live: Manifest) -> dict[str, str]:
    metadata = live["metadata"]
    return {"uid": metadata["uid"], "resource_version": metadata["resourceVersion"]}


def create(gateway: KubernetesGateway, name: str) -> Manifest:
    change = Write(Verb.CREATE, CLUSTER_POLICIES, name, policy(name))
    return write(gateway, change, decision="adapter", dry_run=False).manifest


def changed_until_settled(gateway: KubernetesGateway, change: Write) -> Manifest:
    """Carry out a change on the newest version; Kyverno writes the policy's status in between."""
    for _ in range(20):
        live = gateway.get(CLUSTER_POLICIES, change.name)
        try:
            guarded = replace(change, **guards(live))
            return write(gateway, guarded, decision="adapter", dry_run=False).manifest
        except errors.Conflict:
            continue
    raise AssertionError("Kyverno did not leave the policy alone.")


def test_pages_are_as_long_as_asked_for_and_complete(
    gateway: KubernetesGateway, namespace: str
) -> None:
    pages = list(gateway.pages(PODS, namespace=namespace, limit=2))

    assert [len(page.items) for page in pages] == [2, 2, 1]
    assert [page.last for page in pages] == [False, False, True]
    assert len({page.resource_version for page in pages}) == 1


def test_long_lists_come_compressed_and_are_counted(gateway: KubernetesGateway) -> None:
    plain = sum(len(item) for page in gateway.pages(CRDS) for item in page.items)

    moved = gateway.traffic()
    assert moved.request_count == 1
    assert plain > 1_000_000
    assert 0 < moved.received_bytes < plain / 5


def test_dry_run_pod_is_admitted_and_not_stored(gateway: KubernetesGateway, namespace: str) -> None:
    answer = gateway.dry_run_pod(namespace, pod("tried"))

    assert answer.manifest["metadata"]["namespace"] == namespace
    with pytest.raises(errors.NotFound, match="tried"):
        gateway.get(PODS, "tried", namespace=namespace)


def test_dry_run_pod_in_no_such_namespace_is_not_found(gateway: KubernetesGateway) -> None:
    with pytest.raises(errors.NotFound, match="adapter-no-such"):
        gateway.dry_run_pod("adapter-no-such", pod("tried"))


def test_dry_run_pod_that_is_not_valid_is_said(gateway: KubernetesGateway, namespace: str) -> None:
    with pytest.raises(errors.Invalid, match="containers"):
        gateway.dry_run_pod(namespace, pod("tried", containers=[]))


def test_dry_run_pod_against_pod_security_is_rejected_not_forbidden(
    gateway: KubernetesGateway, raw_plane: Plane
) -> None:
    name = f"adapter-{secrets.token_hex(3)}"
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    manifest = {"kind": "Namespace", "metadata": {"name": name, "labels": labels}}
    assert raw_plane.send("POST", "/api/v1/namespaces", {"apiVersion": "v1"} | manifest).ok
    try:
        with pytest.raises(errors.RejectedByAdmission) as caught:
            gateway.dry_run_pod(name, pod("tried"))
    finally:
        raw_plane.send("DELETE", f"/api/v1/namespaces/{name}", {})

    assert caught.value.webhook == ""
    assert "violates PodSecurity" in caught.value.raw


def test_user_without_rights_is_forbidden_by_name(
    control_plane: ControlPlane, namespace: str, open_one: Open
) -> None:
    text = control_plane.user_kubeconfig("adapter-nobody")
    nobody = open_one(parse_kubeconfig(text, allow_loopback=True))

    assert nobody.version().minor > (1, 0)
    with pytest.raises(errors.Forbidden, match="adapter-nobody"):
        next(nobody.pages(PODS))
    with pytest.raises(errors.Forbidden, match="cannot create resource"):
        nobody.dry_run_pod(namespace, pod("tried"))
    with pytest.raises(errors.Forbidden, match="clusterpolicies"):
        create(nobody, "adapter-never")


def test_service_account_token_is_accepted(
    control_plane: ControlPlane, raw_plane: Plane, namespace: str, open_one: Open
) -> None:
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "robot"}}
    raw_plane.send("POST", f"/api/v1/namespaces/{namespace}/serviceaccounts", account)
    text = control_plane.token_kubeconfig(namespace, "robot")
    robot = open_one(parse_kubeconfig(text, allow_loopback=True))

    with pytest.raises(errors.Forbidden, match=f"system:serviceaccount:{namespace}:robot"):
        robot.get(PODS, "p0", namespace=namespace)


def test_wrong_token_is_unauthorized(admin: Connection, open_one: Open) -> None:
    stranger = Connection(
        server=admin.server, ca_pem=admin.ca_pem, token="nobodys", allow_loopback=True
    )

    with pytest.raises(errors.Unauthorized, match="wrong or has expired"):
        open_one(stranger).version()


def test_certificate_of_another_ca_is_unauthorized(admin: Connection, open_one: Open) -> None:
    certificate, key = Authority().client("admin")
    stranger = replace(admin, client_certificate_pem=certificate, client_key_pem=key)

    with pytest.raises(errors.Unauthorized):
        open_one(stranger).version()


def test_wrong_ca_is_said(control_plane: ControlPlane, open_one: Open) -> None:
    config = yaml.safe_load(control_plane.kubeconfig.read_text())
    other = base64.b64encode(Authority().ca_pem.encode()).decode()
    config["clusters"][0]["cluster"]["certificate-authority-data"] = other

    with pytest.raises(errors.TlsFailed, match="not signed by the CA"):
        open_one(parse_kubeconfig(yaml.safe_dump(config), allow_loopback=True)).version()


def test_wrong_host_name_is_said(admin: Connection, open_one: Open) -> None:
    with pytest.raises(errors.TlsFailed, match="another host name"):
        open_one(replace(admin, tls_server_name="elsewhere.example")).version()


def test_port_where_nothing_listens_is_unreachable(admin: Connection, open_one: Open) -> None:
    with pytest.raises(errors.Unreachable, match="connection refused"):
        open_one(replace(admin, server="https://127.0.0.1:1")).version()


def test_create_is_stored_and_a_second_one_conflicts(
    gateway: KubernetesGateway, policy_name: str
) -> None:
    stored = create(gateway, policy_name)

    live = gateway.get(CLUSTER_POLICIES, policy_name)
    assert live["metadata"]["uid"] == stored["metadata"]["uid"]
    managers = {field["manager"] for field in live["metadata"]["managedFields"]}
    assert "secprof" in managers
    with pytest.raises(errors.Conflict, match="already exists"):
        create(gateway, policy_name)


def test_create_dry_run_leaves_nothing(gateway: KubernetesGateway, policy_name: str) -> None:
    change = Write(Verb.CREATE, CLUSTER_POLICIES, policy_name, policy(policy_name))

    answer = write(gateway, change, decision="adapter", dry_run=True)

    assert answer.manifest["metadata"]["name"] == policy_name
    with pytest.raises(errors.NotFound):
        gateway.get(CLUSTER_POLICIES, policy_name)


def test_create_with_an_unknown_field_is_invalid(
    gateway: KubernetesGateway, policy_name: str
) -> None:
    manifest = policy(policy_name)
    manifest["spec"]["backgroundd"] = True
    change = Write(Verb.CREATE, CLUSTER_POLICIES, policy_name, manifest)

    with pytest.raises(errors.Invalid, match="backgroundd"):
        write(gateway, change, decision="adapter", dry_run=True)


def test_create_that_kyverno_refuses_names_its_webhook(
    gateway: KubernetesGateway, policy_name: str
) -> None:
    manifest = policy(policy_name)
    rule = manifest["spec"]["rules"][0]
    manifest["spec"]["rules"] = [rule, rule]
    change = Write(Verb.CREATE, CLUSTER_POLICIES, policy_name, manifest)

    with pytest.raises(errors.RejectedByAdmission) as caught:
        write(gateway, change, decision="adapter", dry_run=True)

    assert "kyverno" in caught.value.webhook
    assert "duplicate" in caught.value.raw.lower()


def test_replace_changes_and_a_stale_one_conflicts(
    gateway: KubernetesGateway, policy_name: str
) -> None:
    stale = guards(create(gateway, policy_name))
    change = Write(Verb.REPLACE, CLUSTER_POLICIES, policy_name, policy(policy_name, "two"))

    changed = changed_until_settled(gateway, change)

    assert changed["spec"]["rules"][0]["validate"]["message"] == "two"
    with pytest.raises(errors.Conflict, match="has been modified"):
        write(gateway, replace(change, **stale), decision="adapter", dry_run=False)


def test_replace_and_delete_of_another_uid_conflict(
    gateway: KubernetesGateway, policy_name: str
) -> None:
    create(gateway, policy_name)
    other = {"uid": "00000000-0000-0000-0000-000000000000"}
    for change in (
        Write(Verb.REPLACE, CLUSTER_POLICIES, policy_name, policy(policy_name, "two")),
        Write(Verb.DELETE, CLUSTER_POLICIES, policy_name),
    ):
        live = guards(gateway.get(CLUSTER_POLICIES, policy_name))
        with pytest.raises(errors.Conflict):
            write(gateway, replace(change, **live | other), decision="adapter", dry_run=False)


def test_dry_runs_of_replace_and_delete_leave_the_object(
    gateway: KubernetesGateway, policy_name: str
) -> None:
    create(gateway, policy_name)
    replacement = Write(Verb.REPLACE, CLUSTER_POLICIES, policy_name, policy(policy_name, "two"))
    for change in (replacement, Write(Verb.DELETE, CLUSTER_POLICIES, policy_name)):
        for _ in range(20):
            live = gateway.get(CLUSTER_POLICIES, policy_name)
            try:
                write(gateway, replace(change, **guards(live)), decision="adapter", dry_run=True)
                break
            except errors.Conflict:
                continue
        else:
            raise AssertionError("Kyverno did not leave the policy alone.")

    live = gateway.get(CLUSTER_POLICIES, policy_name)
    assert live["spec"]["rules"][0]["validate"]["message"] == "one"
    assert "deletionTimestamp" not in live["metadata"]


def test_delete_of_a_stale_version_conflicts_and_of_the_live_one_deletes(
    gateway: KubernetesGateway, policy_name: str
) -> None:
    first = guards(create(gateway, policy_name))
    change = Write(Verb.REPLACE, CLUSTER_POLICIES, policy_name, policy(policy_name, "two"))
    changed_until_settled(gateway, change)
    deletion = Write(Verb.DELETE, CLUSTER_POLICIES, policy_name, **first)

    with pytest.raises(errors.Conflict):
        write(gateway, deletion, decision="adapter", dry_run=False)
    changed_until_settled(gateway, deletion)

    with pytest.raises(errors.NotFound):
        gateway.get(CLUSTER_POLICIES, policy_name)
    with pytest.raises(errors.NotFound):
        write(gateway, deletion, decision="adapter", dry_run=False)


def test_namespaces_are_listed_over_the_whole_cluster(
    gateway: KubernetesGateway, namespace: str
) -> None:
    items = [item for page in gateway.pages(NAMESPACES, limit=3) for item in page.items]

    assert any(f'"{namespace}"'.encode() in item for item in items)
