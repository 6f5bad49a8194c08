"""The two pods that prove a variant: a bad one that it refuses, and a good one that it admits.

Both meet the restricted Pod Security Standard as far as the variant lets them, and every other variant: what answers
must be the variant that is asked about.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import msgspec

from policies.domain.controls import Control, Mechanism, in_order
from policies.domain.library.records import InvalidVariant, Manifest, ProbePods, VariantSpec
from policies.domain.objects import Pod, WorkloadKind
from policies.domain.parameters import (
    LOCALHOST,
    RUNTIME_DEFAULT,
    ProfileParameters,
    reference_of,
)
from policies.domain.posture import assess

PROBE_IMAGE = "secprof.invalid/probe:never-pulled"
"""`.invalid` can never be resolved: a probe that was stored by mistake would still not run."""

_FIELDS = {Mechanism.SECCOMP: "seccompProfile", Mechanism.APPARMOR: "appArmorProfile"}
_REQUIRES = {
    Mechanism.SECCOMP: Control.REQUIRE_SECCOMP,
    Mechanism.APPARMOR: Control.REQUIRE_APPARMOR,
}
_LABELS = {"app.kubernetes.io/managed-by": "secprof"}
_DEFAULT: Manifest = {"type": RUNTIME_DEFAULT}
_UNCONFINED: Manifest = {"type": "Unconfined"}
_UNKNOWN = {Mechanism.SECCOMP: "secprof/probe.json", Mechanism.APPARMOR: "secprof-probe"}

Profiles = Mapping[Mechanism, Manifest | None]


def probe_pods(spec: VariantSpec) -> ProbePods:
    """Choose the two probes by what posture says of them under this variant's parameters.

    Raises:
        InvalidVariant: these parameters admit no pod, or refuse none.
    """
    good = next((p for p in _good_profiles(spec) if _passes(spec, p)), None)
    if good is None:
        raise InvalidVariant(
            "These parameters admit no pod: allow the default profile, or list it as installed."
        )
    bad = next((p for p in _bad_profiles(spec, good) if not _passes(spec, p)), None)
    if bad is None:
        raise InvalidVariant(
            "These parameters refuse no pod: list the profiles that are installed, or choose another control."
        )
    return ProbePods(
        bad=_pod(spec, "secprof-probe-bad", bad), good=_pod(spec, "secprof-probe-good", good)
    )


def failing_pod(spec: VariantSpec, controls: Collection[Control], name: str) -> Manifest:
    """Give a pod that fails some of these controls and no other one of the variant's.

    Raises:
        InvalidVariant: whatever fails these controls fails another one, too.
    """
    for good in _good_profiles(spec):
        for bad in _bad_profiles(spec, good):
            failed = _failed(spec, bad)
            if failed and failed <= set(controls):
                return _pod(spec, name, bad)
    named = ", ".join(in_order(controls)) or "no control"
    raise InvalidVariant(
        f"No pod fails {named} and nothing else of {spec.name}: add the controls that it fails besides."
    )


def _passes(spec: VariantSpec, profiles: Profiles) -> bool:
    return not _failed(spec, profiles)


def _failed(spec: VariantSpec, profiles: Profiles) -> frozenset[Control]:
    pod = msgspec.convert(_pod(spec, "probe", profiles), type=Pod)
    posture = assess(WorkloadKind.POD, pod, parameters=spec.parameters, mechanisms=spec.mechanisms)
    return frozenset(finding.control for finding in posture.findings)


def _good_profiles(spec: VariantSpec) -> Iterator[Profiles]:
    for seccomp in _good(spec, Mechanism.SECCOMP):
        for apparmor in _good(spec, Mechanism.APPARMOR):
            yield {Mechanism.SECCOMP: seccomp, Mechanism.APPARMOR: apparmor}


def _good(spec: VariantSpec, mechanism: Mechanism) -> Iterator[Manifest]:
    """Give what may be good, the most usual first; RuntimeDefault is for the mechanism that the variant is not about."""
    part = spec.parameters.of(mechanism)
    if mechanism not in spec.mechanisms or RUNTIME_DEFAULT in part.types:
        yield _DEFAULT
        return
    for reference in _references(part):
        yield _localhost(reference)


def _references(part: ProfileParameters) -> Iterator[str]:
    if reference := reference_of(part.default):
        yield reference
    yield from part.installed or ()
    yield from (pattern.replace("*", "") for pattern in part.allowed)
    yield from (pattern.replace("**", "*").replace("*", "probe") for pattern in part.allowed)


def _bad_profiles(spec: VariantSpec, good: Profiles) -> Iterator[Profiles]:
    """Change the good pod in one way each, the least remarkable first.

    A namespace's Pod Security level, or a variant that merely denies Unconfined, must not answer in its place.
    """
    order = [m for m in (Mechanism.APPARMOR, Mechanism.SECCOMP) if m in spec.mechanisms]
    for mechanism in order:
        if _REQUIRES[mechanism] in spec.controls:
            yield {**good, mechanism: None}
    for profile in (LOCALHOST, RUNTIME_DEFAULT):
        for mechanism in order:
            named = _localhost(_UNKNOWN[mechanism])
            yield {**good, mechanism: named if profile == LOCALHOST else _DEFAULT}
    for mechanism in order:
        yield {**good, mechanism: _UNCONFINED}


def _localhost(reference: str) -> Manifest:
    return {"type": LOCALHOST, "localhostProfile": reference}


def _pod(spec: VariantSpec, name: str, profiles: Profiles) -> Manifest:
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
    declared = {_FIELDS[m]: dict(profile) for m, profile in profiles.items() if profile}
    labels = {} if spec.parameters.excludes(_LABELS) else dict(_LABELS)
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "automountServiceAccountToken": False,
            "containers": [container],
            "restartPolicy": "Never",
            "securityContext": {"runAsNonRoot": True, "runAsUser": 65534, **declared},
        },
    }
