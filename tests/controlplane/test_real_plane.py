"""A real control plane: up, used, hurt, healed, down. Builds the programs first if it must."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from kubernetes import client, config

import controlplane
from controlplane import ControlPlane, readiness
from controlplane.processes import Condition

pytestmark = pytest.mark.controlplane

_POLICIES = ("kyverno.io", "v1", "clusterpolicies")


@pytest.fixture(scope="module", params=controlplane.kyverno_versions())
def plane(request: pytest.FixtureRequest) -> Iterator[ControlPlane]:
    version: str = request.param
    name = f"test-{version.replace('.', '-')}-{os.getpid()}"
    try:
        yield controlplane.up(name, version)
    finally:
        controlplane.down(name)


@pytest.fixture
def api(plane: ControlPlane) -> Iterator[client.ApiClient]:
    with _client(plane.kubeconfig.read_text()) as admin:
        yield admin


def _client(kubeconfig: str) -> client.ApiClient:
    return config.new_client_from_config_dict(yaml.safe_load(kubeconfig))


def _conditions(plane: ControlPlane) -> dict[str, Condition]:
    return {status.part: status.condition for status in plane.status()}


def _dry_run(api: client.ApiClient, seccomp_profile: str) -> int:
    pod = {
        "metadata": {"name": "probe"},
        "spec": {
            "securityContext": {"seccompProfile": {"type": seccomp_profile}},
            "containers": [{"name": "probe", "image": "probe"}],
        },
    }
    try:
        client.CoreV1Api(api).create_namespaced_pod("default", pod, dry_run="All")
    except client.ApiException as error:
        return int(error.status)
    return 201


def _enforced_policy() -> dict[str, object]:
    expression = "object.spec.securityContext.seccompProfile.type == 'RuntimeDefault'"
    rule = {
        "name": "seccomp",
        "match": {"any": [{"resources": {"kinds": ["Pod"], "operations": ["CREATE"]}}]},
        "validate": {
            "failureAction": "Enforce",
            "cel": {"expressions": [{"expression": expression, "message": "seccomp"}]},
        },
    }
    return {
        "apiVersion": "kyverno.io/v1",
        "kind": "ClusterPolicy",
        "metadata": {"name": "seccomp"},
        "spec": {"background": False, "rules": [rule]},
    }


def test_policy_refuses_the_bad_and_admits_the_good(
    plane: ControlPlane, api: client.ApiClient
) -> None:
    client.CustomObjectsApi(api).create_cluster_custom_object(*_POLICIES, _enforced_policy())

    readiness.wait_until(lambda: _dry_run(api, "Unconfined") == 400, "The policy", seconds=30)
    assert _dry_run(api, "RuntimeDefault") == 201


def test_stopped_kyverno_fails_closed_and_comes_back(
    plane: ControlPlane, api: client.ApiClient
) -> None:
    plane.stop("kyverno")
    stopped, answer = _conditions(plane)["kyverno"], _dry_run(api, "RuntimeDefault")
    plane.start("kyverno")

    assert (stopped, answer) == (Condition.GONE, 500)
    assert _dry_run(api, "RuntimeDefault") == 201


def test_paused_kyverno_is_seen_and_resumes(plane: ControlPlane, api: client.ApiClient) -> None:
    plane.pause("kyverno")
    paused = _conditions(plane)["kyverno"]
    plane.resume("kyverno")

    assert paused is Condition.PAUSED
    assert _dry_run(api, "RuntimeDefault") == 201


def test_killed_part_is_seen_and_brought_up_again(plane: ControlPlane) -> None:
    (killed,) = [status for status in plane.status() if status.part == "reports"]
    os.kill(killed.pid or 0, 9)
    while _conditions(plane)["reports"] is not Condition.GONE:
        pass

    again = controlplane.up(plane.name, plane.kyverno)

    assert again == plane
    assert set(_conditions(plane).values()) == {Condition.RUNNING}


def test_api_server_comes_back_on_its_port(plane: ControlPlane, api: client.ApiClient) -> None:
    plane.stop("apiserver")
    plane.start("apiserver")

    assert client.VersionApi(api).get_code().major == "1"


def test_new_user_may_do_nothing(plane: ControlPlane) -> None:
    refused = pytest.raises(client.ApiException, match=r"alice.* cannot list resource")
    with _client(plane.user_kubeconfig("alice", ("devs",))) as alice, refused as refusal:
        client.CoreV1Api(alice).list_namespace()

    assert refusal.value.status == 403


def test_token_makes_its_service_account(plane: ControlPlane, api: client.ApiClient) -> None:
    client.CoreV1Api(api).create_namespaced_service_account(
        "default", {"metadata": {"name": "robot"}}
    )

    with _client(plane.token_kubeconfig("default", "robot")) as robot:
        review = client.AuthenticationV1Api(robot).create_self_subject_review({})

    assert review.status.user_info.username == "system:serviceaccount:default:robot"


def test_deployments_carry_the_version(plane: ControlPlane, api: client.ApiClient) -> None:
    found = client.AppsV1Api(api).list_namespaced_deployment("kyverno").items

    images = [deployment.spec.template.spec.containers[0].image for deployment in found]
    assert len(images) == 3
    assert all(image.endswith(f":v{plane.kyverno}") for image in images)


def test_down_leaves_no_process_and_no_file() -> None:
    name = f"test-down-{os.getpid()}"
    plane = controlplane.up(name)
    pids = [status.pid for status in plane.status()]

    plane.down()

    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
    assert not plane.kubeconfig.parent.exists()
