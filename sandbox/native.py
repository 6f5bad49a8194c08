"""The API server's own policies: how it reads them and what it says by them, whether or not the engine runs."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from policies.cluster.gateway import NATIVE_BINDINGS, NATIVE_POLICIES
from policies.domain.identities import fits, identity_of
from policies.domain.library import VariantSpec, judged_by
from policies.domain.library.exempting import exempted_by
from policies.domain.objects import WorkloadKind
from sandbox import kinds
from sandbox.checks import EVERYWHERE, Check, Scope, checks_of, conditions_of, filled, only
from sandbox.judging import failed, posture_of
from sandbox.known import UnknownPolicy, known
from sandbox.refused import refused
from sandbox.requests import Request
from sandbox.store import Manifest, Store

NAMESPACE_LABEL = "kubernetes.io/metadata.name"
ACTIONS = frozenset({"Deny", "Warn", "Audit"})


@dataclass(frozen=True, slots=True)
class NativePolicy:
    """What judges, and nothing more: where it matters is up to bindings."""

    name: str
    spec: VariantSpec
    checks: tuple[Check, ...]
    kinds: frozenset[WorkloadKind]
    changed_only: bool
    """Judges an update only when it changes what is judged."""
    exempted: tuple[tuple[str, str], ...]
    """Namespaces, each with a pattern of who is left alone there."""

    def exempts(self, request: Request) -> bool:
        identity = identity_of(request.manifest)
        return any(
            request.namespace == namespace and fits(pattern, identity)
            for namespace, pattern in self.exempted
        )


@dataclass(frozen=True, slots=True)
class Binding:
    name: str
    policy: str
    """It need not exist."""
    actions: frozenset[str]
    scope: Scope


def read_policy(manifest: Manifest) -> NativePolicy:
    """Read a policy. Raises UnknownPolicy."""
    spec = manifest["spec"]
    only(spec, "spec", "failurePolicy matchConstraints matchConditions variables validations")
    parts = known(manifest)
    exempted: tuple[tuple[str, str], ...] = ()
    others = []
    for condition in spec.get("matchConditions") or ():
        found = exempted_by(condition["expression"])
        if found is None:
            others.append(condition)
        exempted += found or ()
    scope, changed_only = conditions_of(others, parts)
    constraints = spec.get("matchConstraints") or {}
    expected = {"matchPolicy": "Equivalent", "namespaceSelector": {}, "objectSelector": {}}
    if scope != EVERYWHERE or constraints != {**expected, "resourceRules": [*parts.resource_rules]}:
        raise UnknownPolicy("other matchConstraints or namespaces")
    return NativePolicy(
        name=manifest["metadata"]["name"],
        spec=parts.spec,
        checks=checks_of(spec.get("validations"), spec.get("variables"), parts),
        kinds=frozenset(judged_by(parts.spec)),
        changed_only=changed_only,
        exempted=exempted,
    )


def read_binding(manifest: Manifest) -> Binding:
    """Read a binding. Raises UnknownPolicy."""
    spec = manifest["spec"]
    only(spec, "spec", "policyName validationActions matchResources")
    actions = frozenset(filled(spec.get("validationActions"), "validationActions"))
    if actions - ACTIONS or {"Deny", "Warn"} <= actions:
        raise UnknownPolicy(f"validationActions {sorted(actions)}")
    return Binding(
        name=manifest["metadata"]["name"],
        policy=spec["policyName"],
        actions=actions,
        scope=_scope(spec.get("matchResources") or {}),
    )


def _scope(resources: Manifest) -> Scope:
    only(resources, "matchResources", "matchPolicy namespaceSelector objectSelector")
    selector = resources.get("namespaceSelector") or {}
    only(selector, "namespaceSelector", "matchExpressions")
    if resources.get("objectSelector"):
        raise UnknownPolicy("matchResources.objectSelector")
    scope = EVERYWHERE
    for term in selector.get("matchExpressions") or ():
        names = frozenset(term.get("values") or ())
        if term["key"] != NAMESPACE_LABEL or term["operator"] not in ("In", "NotIn"):
            raise UnknownPolicy(f"the selector {term}")
        scope = scope.within(Scope(names) if term["operator"] == "In" else Scope(None, names))
    return scope


def review(store: Store, request: Request) -> tuple[str, ...]:
    """Ask every policy and binding that this request concerns; return their warnings.

    Raises:
        RejectedByAdmission
    """
    if not request.namespace:
        return ()
    bindings = _bindings(store, request.namespace)
    warnings: list[str] = []
    for policy in map(_policy, store.texts(NATIVE_POLICIES.group, NATIVE_POLICIES.kind)):
        bound = [binding for binding in bindings if binding.policy == policy.name]
        said = tuple(_said(policy, request)) if bound else ()
        if said:
            _deny(policy, bound, said[0], request)
            warnings += _warnings(policy, bound, said)
    return tuple(warnings)


def _bindings(store: Store, namespace: str) -> list[Binding]:
    stored = map(_binding, store.texts(NATIVE_BINDINGS.group, NATIVE_BINDINGS.kind))
    return [binding for binding in stored if namespace in binding.scope]


@lru_cache(maxsize=1024)
def _policy(text: str) -> NativePolicy:
    return read_policy(json.loads(text))


@lru_cache(maxsize=1024)
def _binding(text: str) -> Binding:
    return read_binding(json.loads(text))


def _said(policy: NativePolicy, request: Request) -> Iterator[str]:
    if request.kind not in policy.kinds:
        return
    if policy.changed_only and not request.changes(policy.spec):
        return
    if policy.exempts(request):
        return
    for _, message in failed(policy.checks, posture_of(policy.spec, request.manifest)):
        yield message


def _deny(policy: NativePolicy, bound: list[Binding], message: str, request: Request) -> None:
    for binding in bound:
        if "Deny" in binding.actions:
            resource = kinds.resource_of(request.manifest).full_name
            said = f"'{policy.name}' with binding '{binding.name}' denied request: {message}"
            raise refused(
                422, f'{resource} "{request.name}" is forbidden: ValidatingAdmissionPolicy {said}'
            )


def _warnings(
    policy: NativePolicy, bound: list[Binding], messages: tuple[str, ...]
) -> Iterator[str]:
    for binding in bound:
        if "Warn" in binding.actions:
            lead = f"Validation failed for ValidatingAdmissionPolicy '{policy.name}' with binding '{binding.name}'"
            yield from (f"{lead}: {message}" for message in messages)
