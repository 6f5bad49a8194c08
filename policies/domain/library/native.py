"""The shape of the API server's own policies: one policy that judges, and bindings that say where it warns and denies.

There is no autogen, so each kind is spelled out. The policy's failurePolicy can be Fail, since an error only refuses
where a binding says Deny. Defaults of the API are written out, so that what is stored equals what was sent.
"""

from policies.domain.library.cel import needed
from policies.domain.library.checks import checks_of, variables_of
from policies.domain.library.exempting import native_conditions
from policies.domain.library.labels import metadata_of
from policies.domain.library.records import (
    BINDING_KIND,
    Manifest,
    ObjectRole,
    VariantSpec,
)
from policies.domain.library.scope import judged_by
from policies.domain.library.shapes import changed, validation
from policies.domain.objects import WorkloadKind

NAMESPACE_LABEL = "kubernetes.io/metadata.name"
"""The API server keeps it on every namespace, and nobody can change it."""

_GROUPS: tuple[tuple[str, tuple[WorkloadKind, ...]], ...] = (
    (
        "",
        (
            WorkloadKind.POD,
            WorkloadKind.POD_TEMPLATE,
            WorkloadKind.REPLICATION_CONTROLLER,
        ),
    ),
    (
        "apps",
        (
            WorkloadKind.REPLICA_SET,
            WorkloadKind.DEPLOYMENT,
            WorkloadKind.STATEFUL_SET,
            WorkloadKind.DAEMON_SET,
        ),
    ),
    ("batch", (WorkloadKind.JOB, WorkloadKind.CRON_JOB)),
)
# `dyn` keeps the API server from checking each expression against the types of all nine kinds.
_PATHS = (
    ("Pod", ""),
    ("PodTemplate", ".template"),
    ("CronJob", ".spec.jobTemplate.spec.template"),
)
_USUAL_PATH = ".spec.template"


def policy(spec: VariantSpec, name: str) -> Manifest:
    """Write the policy itself, which refuses nothing without a binding."""
    checks = checks_of(spec)
    used = needed((check.expression for check in checks), variables_of(spec))
    judged = [
        {"name": v.name, "expression": v.expression.replace("object.", "variables.pod.")}
        for v in used
    ]
    return {
        "apiVersion": spec.api_version,
        "kind": str(spec.target),
        "metadata": metadata_of(spec, ObjectRole.AUDIT, name),
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {
                "matchPolicy": "Equivalent",
                "namespaceSelector": {},
                "objectSelector": {},
                "resourceRules": _resource_rules(spec),
            },
            "matchConditions": [
                {"name": "changed-pod-spec", "expression": _changed(spec)},
                *native_conditions(spec.exemptions),
            ],
            "variables": [{"name": "pod", "expression": _by_kind("dyn(object)")}, *judged],
            "validations": [validation(check) for check in checks],
        },
    }


def audit_binding(spec: VariantSpec, name: str) -> Manifest:
    """Write the binding that warns and audits everywhere but in the excluded namespaces."""
    excluded = list(spec.parameters.excluded_namespaces)
    selected = {"operator": "NotIn", "values": excluded} if excluded else None
    return _binding(spec, ObjectRole.BINDING, name, ["Warn", "Audit"], selected)


def deny_binding(spec: VariantSpec, name: str, namespaces: tuple[str, ...]) -> Manifest:
    """Write the binding that denies in these namespaces."""
    selected = {"operator": "In", "values": list(namespaces)}
    return _binding(spec, ObjectRole.TWIN, name, ["Deny"], selected)


def _binding(
    spec: VariantSpec,
    role: ObjectRole,
    name: str,
    actions: list[str],
    selected: Manifest | None,
) -> Manifest:
    body: Manifest = {"policyName": spec.name, "validationActions": actions}
    if selected:
        body["matchResources"] = {
            "matchPolicy": "Equivalent",
            "namespaceSelector": {"matchExpressions": [{"key": NAMESPACE_LABEL, **selected}]},
            "objectSelector": {},
        }
    return {
        "apiVersion": spec.api_version,
        "kind": BINDING_KIND,
        "metadata": metadata_of(spec, role, name),
        "spec": body,
    }


def _resource_rules(spec: VariantSpec) -> list[Manifest]:
    kinds = judged_by(spec)
    rules = []
    for group, members in _GROUPS:
        plurals = [f"{kind.lower()}s" for kind in members if kind in kinds]
        if "pods" in plurals:
            plurals.insert(1, "pods/ephemeralcontainers")
        if plurals:
            rules.append(
                {
                    "apiGroups": [group],
                    "apiVersions": ["v1"],
                    "operations": ["CREATE", "UPDATE"],
                    "resources": plurals,
                    "scope": "*",
                }
            )
    return rules


def _changed(spec: VariantSpec) -> str:
    pods = f"[dyn(object), dyn(oldObject)].map(o,\n{_by_kind('o')})"
    return f"request.operation == 'CREATE' ||\n[{pods}].exists(pods,\n{changed(spec, 'pods[0]', 'pods[1]')})"


def _by_kind(root: str) -> str:
    cases = [f"object.kind == '{kind}' ? {root}{path} :" for kind, path in _PATHS]
    return "\n".join((*cases, f"{root}{_USUAL_PATH}"))
