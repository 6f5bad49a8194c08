"""The seccomp template: controls C1 and C2 as CEL over a pod, in words that every engine understands.

Kyverno's autogen rewrites text, so `object.spec` stands here literally. Optional syntax (`.?`) is left out:
engines before Kubernetes 1.29 do not know it. The same rule in Python stands in `policies.domain.posture`.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from policies.domain.controls import Control
from policies.domain.library.records import Manifest, ProbePods

PROBE_IMAGE = "secprof.invalid/probe:never-pulled"
"""`.invalid` can never be resolved: a probe that was stored by mistake would still not run."""


@dataclass(frozen=True, slots=True)
class Check:
    """One control as CEL: true means that the pod meets it."""

    control: Control
    expression: str
    message: str


# Several lines each, so that people who approve them can read them.
_POD_TYPE = """\
!has(object.spec.securityContext) || !has(object.spec.securityContext.seccompProfile) ? ''
: has(object.spec.securityContext.seccompProfile.type) ? object.spec.securityContext.seccompProfile.type
: '(no type)'"""
_CONTAINERS = """\
object.spec.containers
+ (has(object.spec.initContainers) ? object.spec.initContainers : [])
+ (has(object.spec.ephemeralContainers) ? object.spec.ephemeralContainers : [])"""
_CONTAINER_TYPES = """\
variables.containers.map(c,
  !has(c.securityContext) || !has(c.securityContext.seccompProfile) ? ''
  : has(c.securityContext.seccompProfile.type) ? c.securityContext.seccompProfile.type
  : '(no type)')"""
_DENY_UNCONFINED = """\
variables.windows ||
(variables.podType in ['', 'RuntimeDefault', 'Localhost'] &&
 variables.containerTypes.all(t, t in ['', 'RuntimeDefault', 'Localhost']))"""
_REQUIRE = """\
variables.windows ||
(variables.podType in ['', 'RuntimeDefault', 'Localhost'] &&
 variables.containerTypes.all(t,
   t in ['RuntimeDefault', 'Localhost'] || (t == '' && variables.podType != '')))"""

VARIABLES: tuple[tuple[str, str], ...] = (
    ("windows", "has(object.spec.os) && object.spec.os.name == 'windows'"),
    ("podType", _POD_TYPE),
    ("containers", _CONTAINERS),
    ("containerTypes", _CONTAINER_TYPES),
)
"""Name and expression; a later one may use an earlier one."""

CHECKS: tuple[Check, ...] = (
    # The narrower check first: a ValidatingPolicy stops at the first that fails and says only that.
    Check(
        control=Control.DENY_UNCONFINED_SECCOMP,
        expression=_DENY_UNCONFINED,
        message=(
            "Unconfined seccomp is not allowed: set seccompProfile.type to RuntimeDefault or Localhost"
            " in the securityContext of the pod or container that sets another value."
        ),
    ),
    Check(
        control=Control.REQUIRE_SECCOMP,
        expression=_REQUIRE,
        message=(
            "A seccomp profile is required: set spec.securityContext.seccompProfile.type to"
            " RuntimeDefault or Localhost, or set it on every container."
        ),
    ),
)


def probe_pods(controls: Collection[Control]) -> ProbePods:
    """Build the two probes; apart from seccomp both meet the restricted Pod Security Standard.

    Where the variant requires a profile the bad pod sets none: only that rule refuses it, so that a namespace's Pod
    Security level `baseline`, or a variant that merely denies Unconfined, does not answer in its place.
    """
    requires = Control.REQUIRE_SECCOMP in controls
    return ProbePods(
        bad=_probe("secprof-probe-bad", {} if requires else _profile("Unconfined")),
        good=_probe("secprof-probe-good", _profile("RuntimeDefault")),
    )


def _profile(kind: str) -> Manifest:
    return {"seccompProfile": {"type": kind}}


def _probe(name: str, seccomp: Manifest) -> Manifest:
    container: dict[str, Any] = {
        "name": "probe",
        "image": PROBE_IMAGE,
        "resources": {
            "requests": {"cpu": "1m", "memory": "1Mi"},
            "limits": {"cpu": "1m", "memory": "1Mi"},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app.kubernetes.io/managed-by": "secprof"}},
        "spec": {
            "automountServiceAccountToken": False,
            "containers": [container],
            "restartPolicy": "Never",
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 65534,
                **seccomp,
            },
        },
    }
