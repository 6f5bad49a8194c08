"""When each part of a control plane counts as ready, asked of the part itself. Waits; starts nothing."""

import http
import http.client
import json
import ssl
import time
from collections.abc import Callable, Mapping
from datetime import datetime

from controlplane.errors import ControlPlaneError
from controlplane.kube import Api
from controlplane.manifests import probe_policy
from controlplane.parts import KYVERNO, KYVERNO_NAMESPACE

Check = Callable[[], bool]

_POLL_SECONDS = 0.2
_POLICY_WEBHOOK = (
    "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
    "/kyverno-policy-validating-webhook-cfg"
)
_LEASES = f"/apis/coordination.k8s.io/v1/namespaces/{KYVERNO_NAMESPACE}/leases"


class NotReady(ControlPlaneError):
    """Something did not become ready in time, or died on the way."""


def wait_until(check: Check, what: str, seconds: float, alive: Check = lambda: True) -> None:
    """Ask until the answer is yes; a refused connection counts as no.

    Raises:
        NotReady: the time is over, or `alive` says no.
    """
    deadline = time.monotonic() + seconds
    while not _answers(check):
        if not alive():
            raise NotReady(f"{what} ended while starting.")
        if time.monotonic() > deadline:
            raise NotReady(f"{what} was not ready within {seconds:.0f} s.")
        time.sleep(_POLL_SECONDS)


def check_of(part: str, api: Api, ports: Mapping[str, int], started_at: datetime) -> Check:
    """Return the question whose yes means that this part, started then, does its work."""
    checks: dict[str, Check] = {
        "etcd": lambda: _etcd_is_healthy(ports["etcd"]),
        "apiserver": lambda: api.get("/readyz").ok,
        "controller-manager": lambda: _controllers_are_healthy(ports["controller-manager"]),
        "kyverno": lambda: _policy_webhook_answers(api),
        "reports": lambda: _leads(api, "reports", started_at),
        "background": lambda: _leads(api, "background", started_at),
    }
    return checks[part]


def _answers(check: Check) -> bool:
    try:
        return check()
    except (OSError, http.client.HTTPException):
        return False


def _etcd_is_healthy(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/health")
        answer = json.loads(connection.getresponse().read())
        return bool(answer.get("health") == "true")
    finally:
        connection.close()


def _controllers_are_healthy(port: int) -> bool:
    # It signs its own certificate at every start, and its health is no secret.
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=5, context=context)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == http.HTTPStatus.OK
    finally:
        connection.close()


def _policy_webhook_answers(api: Api) -> bool:
    found = api.get(_POLICY_WEBHOOK)
    if not found.ok:
        return False
    webhooks = found.json()["webhooks"]
    if not webhooks or not all(webhook["clientConfig"].get("caBundle") for webhook in webhooks):
        return False
    return api.post("/apis/kyverno.io/v1/clusterpolicies?dryRun=All", probe_policy()).ok


def _leads(api: Api, part: str, started_at: datetime) -> bool:
    found = api.get(f"{_LEASES}/{KYVERNO[part].name}")
    if not found.ok:
        return False
    renewed = found.json()["spec"].get("renewTime")
    return renewed is not None and datetime.fromisoformat(renewed) > started_at
