"""Objects with every trap that a list of who fails may fall into. Each can stand on a real cluster, unless said."""

from typing import Any

from policies.domain.objects import WorkloadKind
from policies.domain.parameters import Parameters, ProfileParameters
from tests.unit.domain.seccomp_cases import wrapped

Manifest = dict[str, Any]

SECCOMP, APPARMOR = "seccompProfile", "appArmorProfile"
PREFIX = "container.apparmor.security.beta.kubernetes.io/"
RD = {"type": "RuntimeDefault"}
UN = {"type": "Unconfined"}
RESTARTS = {"restartPolicy": "Always"}
LEFT_ALONE = ("secprof-test/left-alone", "yes")


def localhost(reference: str) -> Manifest:
    return {"type": "Localhost", "localhostProfile": reference}


def container(name: str, own: Manifest | None = None, **more: Any) -> Manifest:
    """A container whose two profiles are of one kind; a mapping by field where they differ."""
    context = profiles(own)
    return {"name": name, "image": "secprof.invalid/trap:none", "securityContext": context, **more}


def profiles(own: Manifest | None) -> Manifest:
    if own is None or SECCOMP in own or APPARMOR in own:
        return own or {}
    return {SECCOMP: own, APPARMOR: own}


def spec(*containers: Manifest, pod: Manifest | None = None, **more: Any) -> Manifest:
    return {"containers": list(containers), "securityContext": profiles(pod), **more}


def annotated(**values: str) -> dict[str, str]:
    return {PREFIX + name: value for name, value in values.items()}


C = container("c")
C_RD = container("c", RD)
ALLOWED = {SECCOMP: localhost("operator/web.json"), APPARMOR: localhost("k8s-web")}
NOT_ALLOWED = {SECCOMP: localhost("operator/ns/web.json"), APPARMOR: localhost("docker-default")}
DENIED = {SECCOMP: localhost("operator/trace.json"), APPARMOR: localhost("k8s-trace")}
NOT_INSTALLED = {SECCOMP: localhost("operator/other.json"), APPARMOR: localhost("k8s-other")}

PARAMETERS = {
    "seccomp": ProfileParameters(
        allowed=("operator/*.json",),
        denied=("**trace*",),
        installed=("operator/web.json", "operator/trace.json", "operator/ns/web.json"),
    ),
    "apparmor": ProfileParameters(
        allowed=("k8s-*",),
        denied=("*trace*",),
        installed=("k8s-web", "k8s-trace", "docker-default"),
    ),
    "excluded_labels": (LEFT_ALONE,),
}


def parameters(**more: Any) -> Parameters:
    return Parameters(**{**PARAMETERS, **more})


_PODS: dict[str, tuple[Manifest, dict[str, str]]] = {
    "nothing-set": (spec(C), {}),
    "pod-default": (spec(C, pod=RD), {}),
    "pod-unconfined": (spec(C, pod=UN), {}),
    "container-only": (spec(C_RD), {}),
    "overridden-down": (spec(container("c", UN), pod=RD), {}),
    "overridden-up": (spec(C_RD, pod=UN), {}),
    "one-of-two": (spec(C_RD, container("d")), {}),
    "init-unset": (spec(C_RD, initContainers=[container("i")]), {}),
    "init-unconfined": (spec(C_RD, initContainers=[container("i", UN)]), {}),
    "sidecar-unconfined": (spec(C, pod=RD, initContainers=[container("s", UN, **RESTARTS)]), {}),
    "privileged": (
        spec({**C, "securityContext": {"privileged": True, **profiles(RD)}}, pod=RD),
        {},
    ),
    "windows": ({"containers": [{"name": "c", "image": "i"}], "os": {"name": "windows"}}, {}),
    "allowed": (spec(C, pod=ALLOWED), {}),
    "not-allowed": (spec(container("c", NOT_ALLOWED), pod=RD), {}),
    "not-allowed-on-pod": (spec(C_RD, pod=NOT_ALLOWED), {}),
    "denied": (spec(container("c", DENIED)), {}),
    "not-installed": (spec(container("c", NOT_INSTALLED), container("d"), pod=RD), {}),
    "not-installed-on-pod": (spec(C, container("d", RD), pod=NOT_INSTALLED), {}),
    "named-unconfined": (
        spec(container("c", {SECCOMP: RD, APPARMOR: localhost("Unconfined")})),
        {},
    ),
    "annotated": (spec(C), annotated(c="runtime/default")),
    "annotated-unconfined": (spec(C), annotated(c="unconfined")),
    "annotated-over-pod": (spec(C, pod=RD), annotated(c="unconfined")),
    "annotated-one-of-two": (spec(C, container("d")), annotated(d="runtime/default")),
    "annotated-init": (spec(C_RD, initContainers=[container("i")]), annotated(i="unconfined")),
    "annotated-localhost": (spec(C), annotated(c="localhost/k8s-web")),
    "annotated-not-allowed": (spec(C), annotated(c="localhost/docker-default")),
    "annotated-nothing": (spec(C), annotated(c="")),
    "annotated-nameless": (spec(C), annotated(c="localhost/")),
    "dead-annotation": (spec(C), {"seccomp.security.alpha.kubernetes.io/pod": "runtime/default"}),
}

_REFUSED: dict[str, tuple[Manifest, dict[str, str]]] = {
    "no-type": (spec(container("c", {SECCOMP: {}})), {}),
    "unknown-type": (spec(C, pod={"type": "OCI"}), {}),
    "annotated-unknown": (spec(C), annotated(c="runtime/other")),
    "annotated-against-field": (spec(C_RD), annotated(c="unconfined")),
    "debugged": (
        spec(C, pod=RD, ephemeralContainers=[container("e", UN)]),
        annotated(e="unconfined"),
    ),
    "debugged-unset": (spec(C_RD, ephemeralContainers=[container("e")]), {}),
}
"""What an API server does not create."""

_TEMPLATES: dict[str, tuple[Manifest, dict[str, str]]] = {
    name: _PODS[name]
    for name in ("nothing-set", "pod-unconfined", "init-unconfined", "annotated", "annotated-init")
}


def traps() -> list[Manifest]:
    """Make all traps that an API server takes: pods, and templates in every kind."""
    made = [_object(WorkloadKind.POD, name, *held) for name, held in _PODS.items()]
    for kind in WorkloadKind:
        if kind is not WorkloadKind.POD:
            made += [_object(kind, name, *held) for name, held in _TEMPLATES.items()]
    return [*made, _left_alone(), _annotated_itself(), _running()]


def refused_traps() -> list[Manifest]:
    """Make those that stand in files at most."""
    return [_object(WorkloadKind.POD, name, *held) for name, held in _REFUSED.items()]


def _object(kind: WorkloadKind, name: str, held: Manifest, annotations: dict[str, str]) -> Manifest:
    unique = name if kind is WorkloadKind.POD else f"{kind.lower()}-{name}"
    return wrapped(kind, held, name=unique, annotations=annotations)


def _left_alone() -> Manifest:
    made = _object(WorkloadKind.POD, "left-alone", spec(C, pod=UN), {})
    made["metadata"]["labels"].update([LEFT_ALONE])
    return made


def _annotated_itself() -> Manifest:
    """A Deployment whose annotations do not reach its pods, and a label that is its own alone."""
    made = _object(WorkloadKind.DEPLOYMENT, "annotated-itself", spec(C), {})
    made["metadata"] |= {
        "annotations": annotated(c="runtime/default"),
        "labels": dict([LEFT_ALONE]),
    }
    return made


def _running() -> Manifest:
    """A Deployment with a ReplicaSet and a pod of its own, which fail as it does."""
    made = _object(WorkloadKind.DEPLOYMENT, "running", spec(C), {})
    made["spec"]["replicas"] = 1
    return made
