"""The AppArmor cases A01 to A35: what stands in the pod, and what controls C3 and C4 say about it.

The same cases are put to the Python rule here and to the CEL rule on a real API server.
"""

from dataclasses import dataclass, field
from typing import Any

from policies.domain.facts import ClusterFacts
from policies.domain.objects import WorkloadKind
from policies.domain.posture import Effective
from tests.unit.domain.seccomp_cases import container, pod, wrapped

RD = {"type": "RuntimeDefault"}
UN = {"type": "Unconfined"}
WEB = {"type": "Localhost", "localhostProfile": "k8s-web"}
PREFIX = "container.apparmor.security.beta.kubernetes.io/"
FILE = "Localhost:k8s-web"
_DEFAULT = Effective.RUNTIME_DEFAULT
_IMPLICIT = Effective.IMPLICIT_DEFAULT
_NONE = Effective.UNCONFINED


@dataclass(frozen=True)
class ApparmorCase:
    """One pod, in one kind of workload, and the expected words."""

    id: str
    spec: dict[str, Any]
    c3: bool
    """True: require-apparmor passes."""
    c4: bool
    effective: dict[str, str] = field(default_factory=dict)
    kind: WorkloadKind = WorkloadKind.POD
    annotations: dict[str, str] = field(default_factory=dict)
    """Of the pod, by container."""
    own_annotations: dict[str, str] = field(default_factory=dict)
    """Of the object itself, or of what stands between it and the pod."""
    facts: ClusterFacts = field(default_factory=ClusterFacts)
    unreadable: bool = False
    """The rule in Python refuses to judge it."""
    admissible: bool = True
    """False when the API server itself refuses to create such a pod."""

    def manifest(self, *, name: str = "case") -> dict[str, Any]:
        """Build the object that holds this pod."""
        built = wrapped(self.kind, self.spec, name=name, annotations=keys(self.annotations))
        if self.own_annotations:
            holder = built["spec"]["jobTemplate"] if self.kind is WorkloadKind.CRON_JOB else built
            holder.setdefault("metadata", {})["annotations"] = keys(self.own_annotations)
        return built


def keys(annotations: dict[str, str]) -> dict[str, str]:
    """Write annotations by container as the API wants them."""
    return {PREFIX + name: value for name, value in annotations.items()}


def boxed(name: str, profile: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """Build a container with an AppArmor profile."""
    if profile is not None:
        more["appArmorProfile"] = profile
    return container(name, **more)


def on_pod(apparmor: dict[str, Any], *containers: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Build a pod spec with an AppArmor profile on the pod."""
    return pod(*containers, appArmorProfile=apparmor, **more)


APPARMOR_CASES: tuple[ApparmorCase, ...] = (
    ApparmorCase("A01", pod(boxed("c")), False, True, {"c": _IMPLICIT}),
    ApparmorCase("A02", on_pod(RD, boxed("c")), True, True, {"c": _DEFAULT}),
    ApparmorCase("A03", on_pod(WEB, boxed("c")), True, True, {"c": FILE}),
    ApparmorCase("A04", on_pod(UN, boxed("c")), False, False, {"c": _NONE}),
    ApparmorCase("A05", pod(boxed("c", RD)), True, True, {"c": _DEFAULT}),
    ApparmorCase(
        "A06", pod(boxed("a", RD), boxed("b")), False, True, {"a": _DEFAULT, "b": _IMPLICIT}
    ),
    ApparmorCase("A07", on_pod(RD, boxed("c", UN)), False, False, {"c": _NONE}),
    ApparmorCase("A08", on_pod(UN, boxed("c", RD)), False, False, {"c": _DEFAULT}),
    ApparmorCase(
        "A09",
        pod(boxed("c")),
        True,
        True,
        {"c": _DEFAULT},
        annotations={"c": "runtime/default"},
    ),
    ApparmorCase(
        "A10", pod(boxed("c")), True, True, {"c": FILE}, annotations={"c": "localhost/k8s-web"}
    ),
    ApparmorCase(
        "A11", pod(boxed("c")), False, False, {"c": _NONE}, annotations={"c": "unconfined"}
    ),
    ApparmorCase(
        "A12",
        pod(boxed("c"), init=(boxed("init"),)),
        False,
        False,
        {"c": _IMPLICIT, "init": _NONE},
        annotations={"init": "unconfined"},
    ),
    ApparmorCase("A13", pod(boxed("c")), False, True, {"c": _IMPLICIT}, annotations={"c": ""}),
    ApparmorCase(
        "A14",
        pod(boxed("c")),
        False,
        True,
        {"c": Effective.DOES_NOT_START},
        annotations={"c": "localhost/"},
    ),
    ApparmorCase(
        "A15",
        pod(boxed("c")),
        False,
        False,
        {"c": Effective.UNKNOWN},
        annotations={"c": "runtime/other"},
        admissible=False,
    ),
    ApparmorCase(
        "A16",
        on_pod(RD, boxed("c")),
        False,
        False,
        {"c": _NONE},
        annotations={"c": "unconfined"},
    ),
    ApparmorCase(
        "A17",
        on_pod(UN, boxed("c")),
        False,
        False,
        {"c": _DEFAULT},
        annotations={"c": "runtime/default"},
    ),
    ApparmorCase(
        "A18",
        pod(boxed("c", RD)),
        True,
        True,
        {"c": _DEFAULT},
        annotations={"c": "runtime/default"},
    ),
    ApparmorCase(
        "A19",
        pod(boxed("c", RD)),
        True,
        False,
        {"c": _DEFAULT},
        annotations={"c": "unconfined"},
        admissible=False,
    ),
    ApparmorCase(
        "A20",
        pod(boxed("c", {"type": "Localhost", "localhostProfile": "unconfined"})),
        False,
        False,
        {"c": "Localhost:unconfined"},
    ),
    ApparmorCase(
        "A21",
        on_pod(RD, boxed("c"), init=(boxed("init"), boxed("sidecar", restartPolicy="Always"))),
        True,
        True,
        {"c": _DEFAULT, "init": _DEFAULT, "sidecar": _DEFAULT},
    ),
    ApparmorCase(
        "A22",
        on_pod(RD, boxed("c"), ephemeral=(boxed("eph", UN),)),
        False,
        False,
        {"c": _DEFAULT, "eph": _NONE},
        admissible=False,
    ),
    ApparmorCase(
        "A23", pod(boxed("c", RD, privileged=True)), True, True, {"c": Effective.PRIVILEGED}
    ),
    ApparmorCase("A24", pod(boxed("c", WEB, privileged=True)), True, True, {"c": FILE}),
    ApparmorCase("A25", pod(boxed("c", privileged=True)), False, True, {"c": Effective.PRIVILEGED}),
    ApparmorCase("A26", pod(boxed("c"), os="windows"), True, True, {"c": Effective.NOT_APPLICABLE}),
    ApparmorCase(
        "A27",
        pod(boxed("c"), os="windows"),
        True,
        True,
        {"c": Effective.NOT_APPLICABLE},
        annotations={"c": "unconfined"},
    ),
    ApparmorCase(
        "A28",
        pod(boxed("c")),
        False,
        True,
        {"c": _IMPLICIT},
        annotations={"gone": "unconfined"},
        admissible=False,
    ),
    ApparmorCase(
        "A29",
        pod(boxed("c")),
        False,
        True,
        {"c": _IMPLICIT},
        kind=WorkloadKind.DEPLOYMENT,
        own_annotations={"c": "runtime/default"},
    ),
    ApparmorCase(
        "A30",
        pod(boxed("c")),
        False,
        True,
        {"c": _IMPLICIT},
        kind=WorkloadKind.CRON_JOB,
        own_annotations={"c": "runtime/default"},
    ),
    ApparmorCase(
        "A31",
        pod(boxed("c", RD)),
        False,
        True,
        {"c": _IMPLICIT},
        facts=ClusterFacts(kubernetes=(1, 29)),
    ),
    ApparmorCase(
        "A32",
        pod(boxed("c", RD)),
        True,
        True,
        {"c": _DEFAULT},
        facts=ClusterFacts(kubernetes=(1, 34)),
    ),
    ApparmorCase(
        "A33",
        pod(boxed("c", {"type": "Localhost", "localhostProfile": " k8s-web "})),
        True,
        True,
        unreadable=True,
        admissible=False,
    ),
    ApparmorCase(
        "A34",
        pod(boxed("c", RD)),
        True,
        True,
        {"c": Effective.DOES_NOT_START},
        facts=ClusterFacts(apparmor_nodes=False),
    ),
    ApparmorCase(
        "A35",
        pod(boxed("app"), boxed("sidecar")),
        False,
        True,
        {"app": _IMPLICIT, "sidecar": _DEFAULT},
        annotations={"sidecar": "runtime/default"},
    ),
)
