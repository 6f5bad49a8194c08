"""Who refuses a pod on a real kube-apiserver, told apart by the gateway (V10). Kyverno's own refusals: test_admission."""

import base64
import secrets
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from controlplane import ControlPlane
from policies.cluster import errors
from policies.cluster.gateway import Manifest
from policies.cluster.kubeconfig import parse_kubeconfig
from policies.cluster.kubernetes import KubernetesGateway
from tests.contract.planes import Plane, eventually
from tests.unit.cluster.authority import Authority

pytestmark = pytest.mark.controlplane

ADMISSION = "/apis/admissionregistration.k8s.io/v1"
POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "tried"},
    "spec": {"containers": [{"name": "c", "image": "example.invalid/none"}]},
}
PODS_RULE = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"]} | {
    "resources": ["pods"]
}
Make = Callable[[str, str, dict[str, Any]], None]


@pytest.fixture
def gateway(control_plane: ControlPlane) -> Iterator[KubernetesGateway]:
    text = control_plane.kubeconfig.read_text()
    opened = KubernetesGateway(parse_kubeconfig(text, allow_loopback=True))
    yield opened
    opened.close()


@pytest.fixture
def make(raw_plane: Plane) -> Iterator[Make]:
    """Create an object and delete it after the test."""
    with ExitStack() as made:

        def make_one(path: str, kind: str, more: dict[str, Any]) -> None:
            group = path.removeprefix("/apis/").rpartition("/")[0] if "/apis/" in path else "v1"
            manifest: Manifest = {"apiVersion": group, "kind": kind} | more
            reply = raw_plane.send("POST", path, manifest)
            assert reply.ok, reply.text
            made.callback(raw_plane.send, "DELETE", f"{path}/{more['metadata']['name']}", {})

        yield make_one


@pytest.fixture
def namespace(make: Make) -> str:
    name = f"adapter-{secrets.token_hex(3)}"
    make("/api/v1/namespaces", "Namespace", {"metadata": {"name": name}})
    return name


def refused(
    gateway: KubernetesGateway, namespace: str, awaited: type[errors.ClusterError]
) -> errors.ClusterError:
    """Try the pod until it is refused in the way that was set up, which takes the server a moment."""

    def attempt() -> errors.ClusterError | None:
        try:
            gateway.dry_run_pod(namespace, POD)
        except errors.ClusterError as error:
            return error
        return None

    error = eventually(attempt, lambda found: isinstance(found, awaited), in_a_row=1)
    assert error is not None
    return error


def webhook(namespace: str, port: int, seconds: int) -> dict[str, Any]:
    """A webhook for pods of this namespace alone, at this port of loopback."""
    name = f"{namespace}.adapter.example"
    ca = base64.b64encode(Authority().ca_pem.encode()).decode()
    hook = {
        "name": name,
        "clientConfig": {"url": f"https://127.0.0.1:{port}/", "caBundle": ca},
        "rules": [PODS_RULE],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        "failurePolicy": "Fail",
        "sideEffects": "None",
        "timeoutSeconds": seconds,
        "admissionReviewVersions": ["v1"],
    }
    return {"metadata": {"name": namespace}, "webhooks": [hook]}


@contextmanager
def silent_port() -> Iterator[int]:
    """A port that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield int(listening.getsockname()[1])


def test_webhook_that_nobody_serves_is_engine_down(
    gateway: KubernetesGateway, make: Make, namespace: str
) -> None:
    with silent_port() as port:
        pass
    path = f"{ADMISSION}/validatingwebhookconfigurations"
    make(path, "ValidatingWebhookConfiguration", webhook(namespace, port, 5))

    error = refused(gateway, namespace, errors.EngineDown)

    assert isinstance(error, errors.EngineDown)
    assert error.webhook == f"{namespace}.adapter.example"
    assert "could not be called" in error.message


def test_webhook_that_hangs_is_engine_down_and_no_time_out(
    gateway: KubernetesGateway, make: Make, namespace: str
) -> None:
    path = f"{ADMISSION}/validatingwebhookconfigurations"
    with silent_port() as port:
        make(path, "ValidatingWebhookConfiguration", webhook(namespace, port, 1))

        error = refused(gateway, namespace, errors.EngineDown)

    assert isinstance(error, errors.EngineDown)
    assert error.webhook == f"{namespace}.adapter.example"
    assert "did not answer in time" in error.message


def test_native_policy_is_named(gateway: KubernetesGateway, make: Make, namespace: str) -> None:
    policy = {
        "matchConstraints": {"resourceRules": [PODS_RULE]},
        "validations": [{"expression": "false", "message": "never, and not here"}],
    }
    binding = {
        "policyName": namespace,
        "validationActions": ["Deny"],
        "matchResources": {
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
        },
    }
    named = {"metadata": {"name": namespace}}
    kind = "ValidatingAdmissionPolicy"
    make(f"{ADMISSION}/validatingadmissionpolicies", kind, named | {"spec": policy})
    path = f"{ADMISSION}/validatingadmissionpolicybindings"
    make(path, f"{kind}Binding", named | {"spec": binding})

    error = refused(gateway, namespace, errors.RejectedByAdmission)

    assert isinstance(error, errors.RejectedByAdmission)
    assert (error.webhook, error.status) == (namespace, 422)
    assert "never, and not here" in error.raw


def test_quota_is_admission_of_the_server_itself(
    gateway: KubernetesGateway, make: Make, namespace: str
) -> None:
    quota = {"metadata": {"name": "full"}, "spec": {"hard": {"pods": "0"}}}
    make(f"/api/v1/namespaces/{namespace}/resourcequotas", "ResourceQuota", quota)

    error = refused(gateway, namespace, errors.RejectedByAdmission)

    assert isinstance(error, errors.RejectedByAdmission)
    assert (error.webhook, error.status) == ("", 403)
    assert "exceeded quota" in error.raw or "status unknown for quota" in error.raw
