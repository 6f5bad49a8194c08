"""The shape of each object that a variant compiles to, per kind of policy; what it checks comes from the template.

Every field that the CRDs of all supported versions would fill in is written out, so that what is stored equals what
was sent. (`validate.cel.generate` is not: Kyverno 1.13 does not know it.)
"""

from policies.domain.library.records import Manifest, ObjectRole, VariantSpec
from policies.domain.library.seccomp import CHECKS, VARIABLES, Check

MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"
VARIANT_LABEL = "secprof.io/variant"
ROLE_LABEL = "secprof.io/role"
MANAGER = "secprof"

TIMEOUT_SECONDS = 3
"""How long a hung engine may hold up a request; Kyverno's own default is 10.

Of ValidatingPolicies only: for a ClusterPolicy Kyverno takes the longer of its own limit and the policy's.
"""

CHANGED_POD_SPEC = {
    "name": "changed-pod-spec",
    # Not `oldObject == null`: inside Kyverno `oldObject` is empty, not null, on CREATE.
    "expression": "request.operation == 'CREATE' || object.spec != oldObject.spec",
}
# Without a condition of its own a ClusterPolicy shares its webhook, and so the longest time limit, with others.
OWN_WEBHOOK = {"name": "own-webhook", "expression": "request.operation != 'CONNECT'"}


def enforced_namespaces(namespaces: tuple[str, ...]) -> dict[str, str]:
    """Write the condition that holds in these namespaces only; the API server itself evaluates it."""
    # One a line, so that a diff shows the namespace that came or went.
    listed = ",\n".join(f"  '{namespace}'" for namespace in namespaces)
    return {"name": "enforced-namespaces", "expression": f"request.namespace in [\n{listed}\n]"}


def cluster_policy(
    spec: VariantSpec, role: ObjectRole, name: str, namespaces: tuple[str, ...]
) -> Manifest:
    """Write an Audit policy or a twin as a ClusterPolicy."""
    audit = role is ObjectRole.AUDIT
    return {
        "apiVersion": spec.api_version,
        "kind": str(spec.target),
        "metadata": _metadata(spec, role, name),
        "spec": {
            "admission": True,
            "background": audit,
            "emitWarning": audit,
            "validationFailureAction": "Audit",
            "webhookConfiguration": {
                "failurePolicy": "Ignore" if audit else "Fail",
                "matchConditions": [OWN_WEBHOOK if audit else enforced_namespaces(namespaces)],
            },
            "rules": [_rule(check, role, namespaces) for check in _checks(spec)],
        },
    }


def _rule(check: Check, role: ObjectRole, namespaces: tuple[str, ...]) -> Manifest:
    audit = role is ObjectRole.AUDIT
    # Without operations the conditions would run on DELETE, err, and pods could not be deleted.
    resources: Manifest = {"kinds": ["Pod"], "operations": ["CREATE", "UPDATE"]}
    if not audit:
        resources["namespaces"] = list(namespaces)
    rule: Manifest = {
        "name": str(check.control),
        "match": {"any": [{"resources": resources}]},
        "skipBackgroundRequests": True,
        "validate": {
            "allowExistingViolations": True,
            "failureAction": "Audit" if audit else "Enforce",
            "message": check.message,
            "cel": {
                "variables": _variables(),
                "expressions": [_validation(check)],
            },
        },
    }
    if not audit:
        # In the Audit policy the condition would turn an edit's result into `skip` and hide the failure.
        rule["celPreconditions"] = [dict(CHANGED_POD_SPEC)]
    return rule


def validating_policy(
    spec: VariantSpec, role: ObjectRole, name: str, namespaces: tuple[str, ...]
) -> Manifest:
    """Write an Audit policy, a twin or a companion as a ValidatingPolicy."""
    audit = role is ObjectRole.AUDIT
    companion = role is ObjectRole.COMPANION
    conditions = [] if audit else [enforced_namespaces(namespaces)]
    if role is ObjectRole.TWIN:
        conditions.append(dict(CHANGED_POD_SPEC))
    body: Manifest = {
        "validationActions": ["Audit", "Warn"] if audit else ["Deny"],
        "failurePolicy": "Ignore" if audit else "Fail",
        "webhookConfiguration": {"timeoutSeconds": TIMEOUT_SECONDS},
        "evaluation": {
            "mode": "Kubernetes",
            "admission": {"enabled": True},
            "background": {"enabled": audit},
        },
        "matchConstraints": {
            "matchPolicy": "Equivalent",
            "resourceRules": [
                {
                    "apiGroups": [""],
                    "apiVersions": ["v1"],
                    "operations": ["UPDATE"] if companion else ["CREATE", "UPDATE"],
                    "resources": ["pods/ephemeralcontainers" if companion else "pods"],
                }
            ],
        },
        "variables": _variables(),
        "validations": [_validation(check) for check in _checks(spec)],
    }
    if conditions:
        body["matchConditions"] = conditions
    return {
        "apiVersion": spec.api_version,
        "kind": str(spec.target),
        "metadata": _metadata(spec, role, name),
        "spec": body,
    }


def _checks(spec: VariantSpec) -> tuple[Check, ...]:
    return tuple(check for check in CHECKS if check.control in spec.controls)


def _variables() -> list[Manifest]:
    return [{"name": name, "expression": expression} for name, expression in VARIABLES]


def _validation(check: Check) -> Manifest:
    return {"expression": check.expression, "message": check.message}


def _metadata(spec: VariantSpec, role: ObjectRole, name: str) -> Manifest:
    return {
        "name": name,
        "labels": {
            MANAGED_BY_LABEL: MANAGER,
            VARIANT_LABEL: spec.name,
            ROLE_LABEL: str(role),
        },
    }
