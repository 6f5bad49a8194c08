"""Kyverno's exceptions in the sandbox: whom each exempts from what, and whether the engine's flags let it count.

Conditions are not evaluated: each is compared with what secprof compiles. What else narrows an exception is read where
it is plain (namespaces, kinds, names); anything more makes it unknown, and the API server does not store it. The time
in `expiresAt` is passed over: Kyverno 1.19 looks at it only when something else happens (kyverno-facts 4.21).
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any

from policies.cluster.gateway import DEPLOYMENTS, EXCEPTION_KINDS
from policies.domain.engines import Component, ControllerSettings, read_settings
from policies.domain.exceptions import ExceptionKind, exception_support, identity_of
from policies.domain.identities import fits
from policies.domain.library import Target
from policies.domain.library.exempting import pattern_of_cel, pattern_of_jmespath
from sandbox.checks import NAMESPACE_IS, filled, only
from sandbox.known import UnknownPolicy
from sandbox.store import Manifest, Store

ENGINE_NAMESPACE = "kyverno"


@dataclass(frozen=True, slots=True)
class Filter:
    """What an exception is for; an empty list leaves that open."""

    kinds: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    namespaces: tuple[str, ...] = ()

    def fits(self, manifest: Manifest) -> bool:
        metadata = manifest["metadata"]
        return (
            _is_one_of(manifest["kind"], self.kinds)
            and _is_one_of(metadata.get("name", ""), self.names)
            and _is_one_of(metadata.get("namespace", ""), self.namespaces)
        )


def _is_one_of(value: str, patterns: tuple[str, ...]) -> bool:
    return not patterns or any(fnmatchcase(value, pattern) for pattern in patterns)


@dataclass(frozen=True, slots=True)
class PolicyException:
    """One exception, as it is stored."""

    kind: ExceptionKind
    namespace: str
    name: str
    version: str
    policies: Mapping[str, tuple[str, ...]]
    """Patterns of rules by name of a policy; those of policies that have no rules are empty."""
    filters: tuple[Filter, ...]
    """One of them has to fit; when there are none everything does."""
    patterns: tuple[str, ...]
    """All of them have to fit."""

    @property
    def key(self) -> str:
        return f"{self.namespace}/{self.name}"

    def exempts(self, policy: str, rule: str, manifest: Manifest) -> bool:
        if policy not in self.policies:
            return False
        rules = self.policies[policy]
        if self.kind is ExceptionKind.KYVERNO and not (rules and _is_one_of(rule, rules)):
            return False
        if self.filters and not any(each.fits(manifest) for each in self.filters):
            return False
        identity = identity_of(manifest)
        return all(fits(pattern, identity) for pattern in self.patterns)


def read(manifest: Manifest) -> PolicyException:
    """Read an exception. Raises UnknownPolicy."""
    kind = ExceptionKind(manifest["apiVersion"].partition("/")[0])
    spec, metadata = manifest["spec"], manifest["metadata"]
    reader = _rules if kind is ExceptionKind.KYVERNO else _policies
    policies, filters, patterns = reader(spec)
    return PolicyException(
        kind=kind,
        namespace=metadata.get("namespace", ""),
        name=metadata["name"],
        version=metadata.get("resourceVersion", ""),
        policies=policies,
        filters=filters,
        patterns=patterns,
    )


_Parts = tuple[dict[str, tuple[str, ...]], tuple[Filter, ...], tuple[str, ...]]


def _rules(spec: Manifest) -> _Parts:
    only(spec, "spec", "background match conditions exceptions")
    match = spec.get("match") or {}
    only(match, "match", "any")
    conditions = spec.get("conditions") or {}
    only(conditions, "conditions", "all")
    policies: dict[str, tuple[str, ...]] = {}
    for entry in filled(spec.get("exceptions"), "exceptions"):
        only(entry, "exceptions", "policyName ruleNames")
        name = entry["policyName"]
        policies[name] = (*policies.get(name, ()), *entry["ruleNames"])
    filters = tuple(_filter(each) for each in filled(match.get("any"), "match.any"))
    return policies, filters, tuple(map(_condition, conditions.get("all") or ()))


def _filter(block: Manifest) -> Filter:
    only(block, "match.any", "resources")
    resources = block["resources"]
    only(resources, "resources", "kinds names namespaces")
    kinds, names, namespaces = (
        tuple(resources.get(key) or ()) for key in ("kinds", "names", "namespaces")
    )
    return Filter(kinds, names, namespaces)


def _condition(condition: Manifest) -> str:
    pattern = pattern_of_jmespath(condition["key"])
    if pattern is None:
        raise UnknownPolicy(f"the condition {condition['key']}")
    if (condition["operator"], condition["value"]) != ("Equals", True):
        raise UnknownPolicy(f"a condition with {condition['operator']} {condition['value']}")
    return pattern


def _policies(spec: Manifest) -> _Parts:
    only(spec, "spec", "policyRefs matchConditions reportResult expiresAt properties")
    if spec.get("reportResult", "skip") != "skip":
        raise UnknownPolicy(f"reportResult {spec['reportResult']}")
    policies: dict[str, tuple[str, ...]] = {}
    for reference in filled(spec.get("policyRefs"), "policyRefs"):
        if reference["kind"] != Target.VALIDATING_POLICY:
            raise UnknownPolicy(f"policyRefs to a {reference['kind']}")
        policies[reference["name"]] = ()
    filters: list[Filter] = []
    patterns: list[str] = []
    for condition in spec.get("matchConditions") or ():
        text = condition["expression"]
        namespace, pattern = NAMESPACE_IS.fullmatch(text), pattern_of_cel(text)
        if namespace is None and pattern is None:
            raise UnknownPolicy(text)
        if namespace is not None:
            filters.append(Filter(namespaces=(namespace[1],)))
        if pattern is not None:
            patterns.append(pattern)
    if len(filters) > 1:
        raise UnknownPolicy("several conditions about namespaces")
    return policies, tuple(filters), tuple(patterns)


@lru_cache(maxsize=1024)
def _read(text: str) -> PolicyException:
    return read(json.loads(text))


# Whether it counts


def counting(store: Store, component: Component) -> tuple[PolicyException, ...]:
    """Give the exceptions that this controller heeds, by its flags."""
    settings = _settings(store)
    return tuple(found for found in stored(store) if _counts(found, settings, component))


def stored(store: Store) -> Iterator[PolicyException]:
    for resource in EXCEPTION_KINDS:
        yield from map(_read, store.texts(resource.group, resource.kind))


def _counts(
    found: PolicyException, settings: tuple[ControllerSettings, ...], component: Component
) -> bool:
    if not settings:
        return True  # a cluster without Deployments of Kyverno's is one of the tests'
    support = exception_support(settings, found.kind, found.namespace)
    return bool(support.in_reports if component is Component.REPORTS else support.honoured)


def _settings(store: Store) -> tuple[ControllerSettings, ...]:
    texts = store.texts(DEPLOYMENTS.group, DEPLOYMENTS.kind, namespace=ENGINE_NAMESPACE)
    return tuple(found for found in map(_read_settings, texts) if found)


@lru_cache(maxsize=64)
def _read_settings(text: str) -> ControllerSettings | None:
    return read_settings(json.loads(text))


def write_warnings(store: Store, kind: ExceptionKind, namespace: str) -> tuple[str, ...]:
    """Give what Kyverno's webhooks warn of when an exception is written; nothing keeps it from being stored."""
    settings = {each.component: each for each in _settings(store)}.get(Component.ADMISSION)
    if settings is None:
        return ()
    flags: Mapping[str, Any] = settings.flags or {}
    if flags.get("--enablePolicyException", "false").lower() not in ("true", "t", "1"):
        return ("PolicyException resources would not be processed until it is enabled.",)
    stated = flags.get("--exceptionNamespace", "")
    if kind is ExceptionKind.CEL or stated in ("*", namespace):
        return ()
    if not stated:
        return ("The exceptionNamespace flag is not set",)
    return ("PolicyException resource namespace must match the defined namespace.",)


def exempting(
    exceptions: tuple[PolicyException, ...], kind: str, policy: str, rule: str, manifest: Manifest
) -> tuple[PolicyException, ...]:
    """Give those that exempt an object from one rule, in the order in which Kyverno names them."""
    wanted = ExceptionKind.KYVERNO if kind == Target.CLUSTER_POLICY.value else ExceptionKind.CEL
    found = [e for e in exceptions if e.kind is wanted and e.exempts(policy, rule, manifest)]
    return tuple(sorted(found, key=lambda each: (each.namespace, each.name)))
