"""The cases L01 to L24 of control C6: a Localhost profile, and whether it may be used under `ALLOWING`."""

from dataclasses import dataclass
from typing import Any

from policies.domain.controls import Control
from policies.domain.parameters import Parameters, ProfileParameters
from tests.unit.domain.apparmor_cases import boxed, keys
from tests.unit.domain.seccomp_cases import RD, container, pod

ALLOWING = Parameters(
    controls=(Control.ALLOWED_PROFILES,),
    seccomp=ProfileParameters(
        allowed=("operator/*.json", "profiles/web-*.json"), denied=("**log-enricher-trace*",)
    ),
    apparmor=ProfileParameters(allowed=("k8s-*",), denied=("unconfined",)),
)
ALLOWING_NONE = Parameters(controls=(Control.ALLOWED_PROFILES,))


@dataclass(frozen=True)
class LocalhostCase:
    """One pod with a Localhost profile somewhere, and whether C6 passes."""

    id: str
    spec: dict[str, Any]
    c6: bool
    annotations: tuple[tuple[str, str], ...] = ()
    parameters: Parameters = ALLOWING
    unreadable: bool = False
    """The API server refuses it, and so does the rule in Python."""


def localhost(reference: str) -> dict[str, Any]:
    return {"type": "Localhost", "localhostProfile": reference}


def _file(path: str) -> dict[str, Any]:
    return pod(container("c", localhost(path)))


def _name(name: str) -> dict[str, Any]:
    return pod(boxed("c", localhost(name)))


LOCALHOST_CASES: tuple[LocalhostCase, ...] = (
    LocalhostCase("L01", _file("operator/a.json"), True),
    LocalhostCase("L02", _file("operator/ns/a.json"), False),
    LocalhostCase("L03", _file("profiles/web-1.json"), True),
    LocalhostCase("L04", _file("profiles/api-1.json"), False),
    LocalhostCase("L05", _file("profiles/web-.json"), True),
    LocalhostCase("L06", _file("Operator/a.json"), False),
    LocalhostCase("L07", _file("operator/a.JSON"), False),
    LocalhostCase("L08", _file("operator/a.json.bak"), False),
    LocalhostCase("L09", _file("xoperator/a.json"), False),
    LocalhostCase("L10", _file("./operator/a.json"), False),
    LocalhostCase("L11", _file("operator//a.json"), False),
    LocalhostCase("L12", _file("operator/../secret.json"), False, unreadable=True),
    LocalhostCase("L13", _file("/operator/a.json"), False, unreadable=True),
    LocalhostCase("L14", _file(""), False),
    LocalhostCase("L15", _file("operator/log-enricher-trace.json"), False),
    LocalhostCase("L16", _name("k8s-web-app"), True),
    LocalhostCase("L17", _name("Unconfined"), False),
    LocalhostCase("L18", _name("cri-containerd.apparmor.d"), False),
    LocalhostCase("L19", _name("/usr/sbin/ntpd"), False),
    LocalhostCase("L20", _name(":ns:k8s-a"), False),
    LocalhostCase("L21", _file("operator/a.json"), False, parameters=ALLOWING_NONE),
    LocalhostCase(
        "L22",
        pod(container("c")),
        True,
        annotations=tuple(keys({"c": "localhost/k8s-web-app"}).items()),
    ),
    LocalhostCase(
        "L23",
        pod(
            container("c", localhost("operator/a.json")),
            init=(container("init", localhost("other/a.json")),),
        ),
        False,
    ),
    LocalhostCase("L24", pod(container("c", RD), profile=localhost("other/a.json")), False),
)
