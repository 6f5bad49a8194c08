"""What the API server fills in by itself, before any webhook: pod specs, and the policies by their schemas."""

from collections.abc import Callable
from typing import Any

from sandbox.pods import containers, is_workload, pod_spec
from sandbox.store import Manifest

POD_SPEC_DEFAULTS: dict[str, Any] = {
    "dnsPolicy": "ClusterFirst",
    "restartPolicy": "Always",
    "schedulerName": "default-scheduler",
    "securityContext": {},
    "terminationGracePeriodSeconds": 30,
}
CONTAINER_DEFAULTS: dict[str, Any] = {
    "imagePullPolicy": "IfNotPresent",
    "resources": {},
    "terminationMessagePath": "/dev/termination-log",
    "terminationMessagePolicy": "File",
}
CLUSTER_POLICY_DEFAULTS: dict[str, Any] = {
    "admission": True,
    "background": True,
    "emitWarning": False,
    "validationFailureAction": "Audit",
}
MATCH_DEFAULTS: dict[str, Any] = {
    "matchPolicy": "Equivalent",
    "namespaceSelector": {},
    "objectSelector": {},
}


def fill_in(manifest: Manifest) -> None:
    """Set the fields that the server would set, in place."""
    kind = manifest["kind"]
    if kind in _POLICY_DEFAULTS:
        _POLICY_DEFAULTS[kind](manifest["spec"])
    spec = pod_spec(manifest) if is_workload(kind) else None
    if spec is not None:
        _default(spec, POD_SPEC_DEFAULTS)
        for _, container in containers(spec):
            _default(container, CONTAINER_DEFAULTS)


def _cluster_policy(spec: Manifest) -> None:
    _default(spec, CLUSTER_POLICY_DEFAULTS)
    for rule in spec.get("rules") or ():
        rule.setdefault("skipBackgroundRequests", True)
        validate = rule.get("validate")
        if validate is not None:
            validate.setdefault("allowExistingViolations", True)
            if "cel" in validate:
                validate["cel"].setdefault("generate", False)


def _validating_policy(spec: Manifest) -> None:
    for part in ("admission", "background"):
        if part in spec.get("evaluation", {}):
            spec["evaluation"][part].setdefault("enabled", True)


def _native_policy(spec: Manifest) -> None:
    spec.setdefault("failurePolicy", "Fail")
    constraints = spec.get("matchConstraints")
    if constraints is not None:
        _default(constraints, MATCH_DEFAULTS)
        for rule in constraints.get("resourceRules") or ():
            rule.setdefault("scope", "*")


def _native_binding(spec: Manifest) -> None:
    if spec.get("matchResources") is not None:
        _default(spec["matchResources"], MATCH_DEFAULTS)


_POLICY_DEFAULTS: dict[str, Callable[[Manifest], None]] = {
    "ClusterPolicy": _cluster_policy,
    "ValidatingPolicy": _validating_policy,
    "ValidatingAdmissionPolicy": _native_policy,
    "ValidatingAdmissionPolicyBinding": _native_binding,
}


def _default(target: Manifest, defaults: Manifest) -> None:
    for key, value in defaults.items():
        target.setdefault(key, dict(value) if isinstance(value, dict) else value)
