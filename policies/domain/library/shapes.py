"""The shape of each Kyverno object that a variant compiles to; what it checks comes from the template.

Every field that the CRDs of all supported versions would fill in is written out, so that what is stored equals what
was sent. (`validate.cel.generate` is not: Kyverno 1.13 does not know it.)
"""

from policies.domain.controls import Mechanism
from policies.domain.library.apparmor import annotations_changed
from policies.domain.library.cel import listed, needed
from policies.domain.library.checks import Check, checks_of, variables_of
from policies.domain.library.labels import AUTOGEN_ANNOTATION, metadata_of
from policies.domain.library.records import Manifest, ObjectRole, VariantSpec
from policies.domain.library.scope import autogen_kinds

TIMEOUT_SECONDS = 3
"""How long a hung engine may hold up a request; Kyverno's own default is 10.

Of ValidatingPolicies only: for a ClusterPolicy Kyverno takes the longer of its own limit and the policy's.
"""

# Without a condition of its own a ClusterPolicy shares its webhook, and so the longest time limit, with others.
OWN_WEBHOOK = {"name": "own-webhook", "expression": "request.operation != 'CONNECT'"}


def changed(spec: VariantSpec, new: str = "object", old: str = "oldObject") -> str:
    """Say in CEL that an update changed what is judged; `new` and `old` lead to what holds a pod's spec."""
    text = f"{new}.spec != {old}.spec"
    if reads_annotations(spec):
        text += f" ||\n{annotations_changed(f'{new}.metadata', f'{old}.metadata')}"
    return text


def reads_annotations(spec: VariantSpec) -> bool:
    """Say whether AppArmor annotations decide anything for this variant."""
    return Mechanism.APPARMOR in spec.mechanisms and spec.parameters.apparmor_annotations


def enforced_namespaces(namespaces: tuple[str, ...]) -> dict[str, str]:
    """Write the condition that holds in these namespaces only; the API server itself evaluates it."""
    return {
        "name": "enforced-namespaces",
        "expression": f"request.namespace in {listed(namespaces)}",
    }


def cluster_policy(
    spec: VariantSpec, role: ObjectRole, name: str, namespaces: tuple[str, ...]
) -> Manifest:
    """Write an Audit policy or a twin as a ClusterPolicy."""
    audit = role is ObjectRole.AUDIT
    kinds = autogen_kinds(spec)
    more = {} if kinds is None else {AUTOGEN_ANNOTATION: ",".join(kinds) or "none"}
    return {
        "apiVersion": spec.api_version,
        "kind": str(spec.target),
        "metadata": metadata_of(spec, role, name, more),
        "spec": {
            "admission": True,
            "background": audit,
            "emitWarning": audit,
            "validationFailureAction": "Audit",
            "webhookConfiguration": {
                "failurePolicy": "Ignore" if audit else "Fail",
                "matchConditions": [OWN_WEBHOOK if audit else enforced_namespaces(namespaces)],
            },
            "rules": [_rule(spec, check, role, namespaces) for check in checks_of(spec)],
        },
    }


def _rule(
    spec: VariantSpec, check: Check, role: ObjectRole, namespaces: tuple[str, ...]
) -> Manifest:
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
                "variables": variables(spec, (check,)),
                "expressions": [validation(check)],
            },
        },
    }
    if audit and spec.parameters.excluded_namespaces:
        excluded = list(spec.parameters.excluded_namespaces)
        rule["exclude"] = {"any": [{"resources": {"namespaces": excluded}}]}
    if not audit:
        # In the Audit policy the condition would turn an edit's result into `skip` and hide the failure.
        rule["celPreconditions"] = [_changed(spec)]
    return rule


def validating_policy(
    spec: VariantSpec, role: ObjectRole, name: str, namespaces: tuple[str, ...]
) -> Manifest:
    """Write an Audit policy, a twin or a companion as a ValidatingPolicy."""
    audit = role is ObjectRole.AUDIT
    companion = role is ObjectRole.COMPANION
    checks = checks_of(spec)
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
        "variables": variables(spec, checks),
        "validations": [validation(check) for check in checks],
    }
    if conditions := _conditions(spec, role, namespaces):
        body["matchConditions"] = conditions
    kinds = autogen_kinds(spec)
    if kinds is not None and not companion:
        plurals = [f"{kind.lower()}s" for kind in kinds]
        body["autogen"] = {"podControllers": {"controllers": plurals}}
    return {
        "apiVersion": spec.api_version,
        "kind": str(spec.target),
        "metadata": metadata_of(spec, role, name),
        "spec": body,
    }


def _conditions(
    spec: VariantSpec, role: ObjectRole, namespaces: tuple[str, ...]
) -> list[dict[str, str]]:
    if role is ObjectRole.AUDIT:
        excluded = spec.parameters.excluded_namespaces
        expression = f"!(request.namespace in {listed(excluded)})"
        return [{"name": "excluded-namespaces", "expression": expression}] if excluded else []
    conditions = [enforced_namespaces(namespaces)]
    if role is ObjectRole.TWIN:
        conditions.append(_changed(spec))
    return conditions


def _changed(spec: VariantSpec) -> dict[str, str]:
    # Not `oldObject == null`: inside Kyverno `oldObject` is empty, not null, on CREATE.
    expression = f"request.operation == 'CREATE' || {changed(spec)}"
    return {"name": "changed-pod-spec", "expression": expression}


def variables(spec: VariantSpec, checks: tuple[Check, ...]) -> list[Manifest]:
    """Write the variables that these checks use."""
    used = needed((check.expression for check in checks), variables_of(spec))
    return [{"name": variable.name, "expression": variable.expression} for variable in used]


def validation(check: Check) -> Manifest:
    """Write one check."""
    return {
        "expression": check.expression,
        "message": check.message,
        "messageExpression": check.message_expression,
    }
