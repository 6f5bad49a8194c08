"""From an exemption to the PolicyException that a cluster must hold, byte for byte the same each time.

It names the Audit policy, so that reports say `skip`, and every twin that there is or may come to be. The namespace that
an exception lies in limits nothing: both kinds name the exempted namespace themselves, and tell workloads from their
neighbours as `policies.domain.identities` says, which also says what cannot be told.
"""

from collections.abc import Iterator
from datetime import UTC

from policies.domain.exceptions.records import (
    EXCEPTION_KIND,
    EXCEPTION_VERSIONS,
    CompiledException,
    ExceptionKind,
    Manifest,
    exception_kind,
    exception_name,
)
from policies.domain.exemptions import Exemption, WorkloadName
from policies.domain.identities import InvalidExemption, generated_stem, pattern_of
from policies.domain.library import ObjectRole, VariantSpec, object_name
from policies.domain.library.cel import EXPRESSION_LIMIT, quoted
from policies.domain.library.exempting import cel_condition, jmespath_key
from policies.domain.library.labels import MANAGED_BY_LABEL, MANAGER, VARIANT_LABEL
from policies.domain.names import is_dns_label
from policies.domain.objects import WorkloadKind

TWINS = 10
"""As many as 10,000 namespaces need, for which Kubernetes is built."""
EXCEPTION_LABEL = "secprof.io/exception"
ENDS_ANNOTATION = "secprof.io/ends-at"
TEXT_LIMIT = 1000
"""Characters of a reason that an object carries; the whole stays with us."""
EXPIRY_SINCE = (1, 19)
_RULE_NAME_LIMIT = 63
_AUTOGEN = ("", "autogen-", "autogen-cronjob-")


def compile_exception(
    spec: VariantSpec,
    exemption: Exemption,
    *,
    api_version: str,
    namespace: str,
    kyverno: tuple[int, ...] | None = None,
) -> CompiledException:
    """Write the PolicyException of an exemption, to lie in this namespace.

    `kyverno` is the version that runs, None when unknown: 1.19 and later are told the end and where it comes from. That
    is for people who read the object; nothing relies on it.

    Raises:
        InvalidExemption: these policies have no such exception, or nothing can name these workloads exactly.
    """
    group = exception_kind(spec)
    if group is None:
        raise InvalidExemption("A native policy has no exceptions; its own conditions exempt.")
    if api_version not in EXCEPTION_VERSIONS[group]:
        raise InvalidExemption(f"{group} has no exceptions in {api_version!r}.")
    for name in (namespace, exemption.namespace):
        if not is_dns_label(name):
            raise InvalidExemption(f"{name!r} is not the name of a namespace.")
    pattern = pattern_of(exemption.workloads)
    if len(pattern) >= EXPRESSION_LIMIT // 2:
        raise InvalidExemption("An exception names more workloads than one object holds.")
    if group is ExceptionKind.KYVERNO:
        body = _kyverno(spec, exemption, pattern)
    else:
        body = _cel(spec, exemption, pattern)
        if kyverno is not None and kyverno[:2] >= EXPIRY_SINCE:
            body |= {"expiresAt": _ends(exemption), "properties": _properties(exemption)}
    name = exception_name(exemption.key)
    manifest = {
        "apiVersion": api_version,
        "kind": EXCEPTION_KIND,
        "metadata": _metadata(spec, exemption, name, namespace),
        "spec": body,
    }
    return CompiledException(group, api_version, namespace, name, manifest)


def _metadata(spec: VariantSpec, exemption: Exemption, name: str, namespace: str) -> Manifest:
    about = {f"secprof.io/{key}": text for key, text in _properties(exemption).items()}
    return {
        "name": name,
        "namespace": namespace,
        "labels": {
            MANAGED_BY_LABEL: MANAGER,
            VARIANT_LABEL: spec.name,
            EXCEPTION_LABEL: exemption.key,
        },
        "annotations": {**about, ENDS_ANNOTATION: _ends(exemption)},
    }


def _properties(exemption: Exemption) -> dict[str, str]:
    texts = {
        "approved-by": exemption.approved_by,
        "exception": exemption.key,
        "reason": exemption.reason[:TEXT_LIMIT],
        "ticket": exemption.ticket,
    }
    return {key: text for key, text in texts.items() if text}


def _ends(exemption: Exemption) -> str:
    return exemption.ends_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


# kyverno.io


def _kyverno(spec: VariantSpec, exemption: Exemption, pattern: str) -> Manifest:
    controls = [control for control in spec.controls if control in exemption.controls]
    if not controls:
        raise InvalidExemption("None of these controls is one of the variant's.")
    rules = [f"{prefix}{control}"[:_RULE_NAME_LIMIT] for control in controls for prefix in _AUTOGEN]
    return {
        "background": True,
        "match": {"any": list(_filters(exemption))},
        "conditions": {
            "all": [{"key": jmespath_key(pattern), "operator": "Equals", "value": True}]
        },
        "exceptions": [
            {"policyName": name, "ruleNames": list(rules)}
            for name in _policies(spec, (ObjectRole.AUDIT, ObjectRole.TWIN))
        ],
    }


def _filters(exemption: Exemption) -> Iterator[Manifest]:
    """Write one filter a kind. It knows only wildcards; who of these is meant the condition says."""
    names: dict[WorkloadKind, set[str]] = {}
    for workload in exemption.workloads:
        for kind, name in _names(workload):
            names.setdefault(kind, set()).add(name)
    for kind in WorkloadKind:
        if kind in names:
            yield {
                "resources": {
                    "kinds": [str(kind)],
                    "names": sorted(names[kind]),
                    "namespaces": [exemption.namespace],
                }
            }


def _names(workload: WorkloadName) -> Iterator[tuple[WorkloadKind, str]]:
    yield workload.kind, workload.name
    if workload.kind in (WorkloadKind.POD, WorkloadKind.POD_TEMPLATE):
        return
    yield WorkloadKind.POD, f"{generated_stem(workload.name)}*"
    if workload.kind is WorkloadKind.DEPLOYMENT:
        yield WorkloadKind.REPLICA_SET, f"{workload.name}-*"
    if workload.kind is WorkloadKind.CRON_JOB:
        yield WorkloadKind.JOB, f"{workload.name}-*"


# policies.kyverno.io


def _cel(spec: VariantSpec, exemption: Exemption, pattern: str) -> Manifest:
    roles = (ObjectRole.AUDIT, ObjectRole.TWIN, ObjectRole.COMPANION)
    return {
        "policyRefs": [{"kind": str(spec.target), "name": name} for name in _policies(spec, roles)],
        "matchConditions": [
            {
                "name": "namespace",
                "expression": f"request.namespace == {quoted(exemption.namespace)}",
            },
            {"name": "workloads", "expression": cel_condition(pattern)},
        ],
        "reportResult": "skip",
    }


def _policies(spec: VariantSpec, roles: tuple[ObjectRole, ...]) -> Iterator[str]:
    for role in roles:
        for number in range(1, 2 if role is ObjectRole.AUDIT else TWINS + 1):
            yield object_name(spec, role, number)
