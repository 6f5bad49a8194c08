"""The seccomp cases S01 to S35: what stands in the pod, and what controls C1 and C2 say about it.

The same cases are put to the Python rule here and to the CEL rule on a real API server.
"""

from dataclasses import dataclass, field
from typing import Any

from policies.domain.objects import WorkloadKind
from policies.domain.posture import Effective

RD = {"type": "RuntimeDefault"}
UN = {"type": "Unconfined"}
LH = {"type": "Localhost", "localhostProfile": "p.json"}
NOT_APPLICABLE = Effective.NOT_APPLICABLE


@dataclass(frozen=True)
class Case:
    """One pod, in one kind of workload, and the expected words."""

    id: str
    spec: dict[str, Any]
    c1: bool
    """True: require-seccomp passes."""
    c2: bool
    effective: dict[str, str] = field(default_factory=dict)
    kind: WorkloadKind = WorkloadKind.POD
    annotations: dict[str, str] = field(default_factory=dict)
    seccomp_default: bool = False
    unreadable: bool = False
    """The rule in Python refuses to judge it."""
    admissible: bool = True
    """False when the API server itself refuses to create such a pod."""

    def manifest(self, *, name: str = "case") -> dict[str, Any]:
        """Build the object that holds this pod."""
        return wrapped(self.kind, self.spec, name=name, annotations=self.annotations)


def container(name: str, profile: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """Build a container; `profile` is its seccomp profile, `more` what else its security context holds."""
    built = {"name": name, "image": "secprof.invalid/case:none"}
    restart = more.pop("restartPolicy", None)
    context = dict(more)
    if profile is not None:
        context["seccompProfile"] = profile
    if context:
        built["securityContext"] = context
    if restart:
        built["restartPolicy"] = restart
    return built


def pod(
    *containers: dict[str, Any],
    profile: dict[str, Any] | None = None,
    init: tuple[dict[str, Any], ...] = (),
    ephemeral: tuple[dict[str, Any], ...] = (),
    os: str = "",
    **context: Any,
) -> dict[str, Any]:
    """Build a pod spec; `profile` is the pod's seccomp profile, `context` what else its security context holds."""
    spec: dict[str, Any] = {"containers": list(containers)}
    if profile is not None:
        context["seccompProfile"] = profile
    if context:
        spec["securityContext"] = context
    if init:
        spec["initContainers"] = list(init)
    if ephemeral:
        spec["ephemeralContainers"] = list(ephemeral)
    if os:
        spec["os"] = {"name": os}
    return spec


def wrapped(
    kind: WorkloadKind,
    spec: dict[str, Any],
    *,
    name: str = "case",
    annotations: dict[str, str] | None = None,
) -> dict[str, Any]:
    """Put a pod spec where objects of this kind keep it."""
    inner = {"labels": {"app": name}, "annotations": annotations or {}}
    if kind is WorkloadKind.POD:
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, **inner},
            "spec": spec,
        }
    template = {"metadata": inner, "spec": spec}
    selector: Any = {"matchLabels": {"app": name}}
    core = {"apiVersion": "v1", "kind": str(kind), "metadata": {"name": name}}
    batch, apps = core | {"apiVersion": "batch/v1"}, core | {"apiVersion": "apps/v1"}
    restarted = {"metadata": inner, "spec": {"restartPolicy": "Never", **spec}}
    shapes: dict[WorkloadKind, dict[str, Any]] = {
        WorkloadKind.POD_TEMPLATE: core | {"template": template},
        WorkloadKind.REPLICATION_CONTROLLER: core
        | {"spec": {"replicas": 0, "selector": {"app": name}, "template": template}},
        WorkloadKind.JOB: batch | {"spec": {"suspend": True, "template": restarted}},
        WorkloadKind.CRON_JOB: batch
        | {"spec": {"schedule": "0 0 1 1 *", "jobTemplate": {"spec": {"template": restarted}}}},
        WorkloadKind.DAEMON_SET: apps | {"spec": {"selector": selector, "template": template}},
        WorkloadKind.STATEFUL_SET: apps
        | {
            "spec": {
                "replicas": 0,
                "serviceName": name,
                "selector": selector,
                "template": template,
            }
        },
    }
    controller = {"spec": {"replicas": 0, "selector": selector, "template": template}}
    return shapes.get(kind, apps | controller)


_UNSET = Effective.UNSET
_DEFAULT = Effective.RUNTIME_DEFAULT
_UNCONFINED = Effective.UNCONFINED
_PRIVILEGED = Effective.PRIVILEGED
_FILE = "Localhost:p.json"
_TRACE = {"type": "Localhost", "localhostProfile": "operator/log-enricher-trace.json"}
_ADMIN = {"drop": ["ALL"], "add": ["SYS_ADMIN"]}
_DEAD = {"seccomp.security.alpha.kubernetes.io/pod": "runtime/default"}

CASES: tuple[Case, ...] = (
    Case("S01", pod(container("c")), False, True, {"c": _UNSET}),
    Case(
        "S02",
        pod(container("c")),
        False,
        True,
        {"c": Effective.KUBELET_DEFAULT},
        seccomp_default=True,
    ),
    Case("S03", pod(container("c"), profile=RD), True, True, {"c": _DEFAULT}),
    Case("S04", pod(container("c"), profile=LH), True, True, {"c": _FILE}),
    Case("S05", pod(container("c"), profile=UN), False, False, {"c": _UNCONFINED}),
    Case("S06", pod(container("c", RD)), True, True, {"c": _DEFAULT}),
    Case(
        "S07",
        pod(container("a", RD), container("b")),
        False,
        True,
        {"a": _DEFAULT, "b": _UNSET},
    ),
    Case(
        "S08",
        pod(container("a", RD), container("b", RD)),
        True,
        True,
        {"a": _DEFAULT, "b": _DEFAULT},
    ),
    Case("S09", pod(container("c", UN), profile=RD), False, False, {"c": _UNCONFINED}),
    Case("S10", pod(container("c", RD), profile=UN), False, False, {"c": _DEFAULT}),
    Case("S11", pod(container("c", LH), profile=RD), True, True, {"c": _FILE}),
    Case(
        "S12",
        pod(container("c", RD), init=(container("init"),)),
        False,
        True,
        {"c": _DEFAULT, "init": _UNSET},
    ),
    Case(
        "S13",
        pod(container("c"), init=(container("init", RD),)),
        False,
        True,
        {"c": _UNSET, "init": _DEFAULT},
    ),
    Case(
        "S14",
        pod(container("c", RD), init=(container("init", UN),)),
        False,
        False,
        {"c": _DEFAULT, "init": _UNCONFINED},
    ),
    Case(
        "S15",
        pod(container("c", RD), init=(container("init", LH),)),
        True,
        True,
        {"c": _DEFAULT, "init": _FILE},
    ),
    Case(
        "S16",
        pod(container("c"), profile=RD, init=(container("sidecar", restartPolicy="Always"),)),
        True,
        True,
        {"c": _DEFAULT, "sidecar": _DEFAULT},
    ),
    Case(
        "S17",
        pod(container("c", RD), init=(container("sidecar", UN, restartPolicy="Always"),)),
        False,
        False,
        {"c": _DEFAULT, "sidecar": _UNCONFINED},
    ),
    Case(
        "S18",
        pod(container("c"), profile=RD, ephemeral=(container("eph"),)),
        True,
        True,
        {"c": _DEFAULT, "eph": _DEFAULT},
        admissible=False,
    ),
    Case(
        "S19",
        pod(container("c", RD), ephemeral=(container("eph"),)),
        False,
        True,
        {"c": _DEFAULT, "eph": _UNSET},
        admissible=False,
    ),
    Case(
        "S20",
        pod(container("c"), profile=RD, ephemeral=(container("eph", UN),)),
        False,
        False,
        {"c": _DEFAULT, "eph": _UNCONFINED},
        admissible=False,
    ),
    Case("S21", pod(container("c", privileged=True), profile=RD), True, True, {"c": _PRIVILEGED}),
    Case("S22", pod(container("c", LH, privileged=True)), True, True, {"c": _PRIVILEGED}),
    Case(
        "S23",
        pod(container("c", privileged=True)),
        False,
        True,
        {"c": _PRIVILEGED},
        seccomp_default=True,
    ),
    Case("S24", pod(container("c"), os="windows"), True, True, {"c": NOT_APPLICABLE}),
    Case(
        "S25",
        pod(container("c"), profile={"type": "OCI"}),
        False,
        False,
        {"c": Effective.UNKNOWN},
        admissible=False,
    ),
    Case(
        "S26",
        pod(container("c"), profile=RD),
        True,
        True,
        {"c": _DEFAULT},
        kind=WorkloadKind.CRON_JOB,
    ),
    Case("S27", pod(container("c")), False, True, {"c": _UNSET}, kind=WorkloadKind.DEPLOYMENT),
    Case("S28", pod(container("c")), False, True, {"c": _UNSET}, annotations=_DEAD),
    Case(
        "S29",
        pod(container("c", {"type": "Localhost", "localhostProfile": ""})),
        True,
        True,
        {"c": Effective.DOES_NOT_START},
    ),
    Case(
        "S30",
        pod(container("c", {"type": "Localhost", "localhostProfile": "../x"})),
        True,
        True,
        unreadable=True,
        admissible=False,
    ),
    Case(
        "S31",
        pod(container("c", {})),
        False,
        False,
        {"c": Effective.UNKNOWN},
        admissible=False,
    ),
    Case(
        "S32",
        pod(container("c") | {"securityContext": None}, profile=RD),
        True,
        True,
        {"c": _DEFAULT},
    ),
    Case("S33", {"containers": []}, True, True, unreadable=True, admissible=False),
    Case(
        "S34",
        pod(container("c", capabilities=_ADMIN), profile=RD),
        True,
        True,
        {"c": Effective.WIDER_DEFAULT},
    ),
    Case("S35", pod(container("c", _TRACE)), True, True, {"c": Effective.AUDIT_ONLY}),
)
