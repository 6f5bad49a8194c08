"""One policy as the lint looks at it: its family, its rules with what they match, and which kinds get judged."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any

from policies.domain.library.labels import MANAGED_BY_LABEL, MANAGER, VARIANT_LABEL
from policies.domain.lint.reading import (
    Steps,
    everything,
    items,
    mapping,
    mappings,
    texts,
    word,
    words,
)

CONTROLLERS = (
    "Deployment",
    "StatefulSet",
    "DaemonSet",
    "Job",
    "CronJob",
    "ReplicaSet",
    "ReplicationController",
)
AUTOGEN_ANNOTATION = "pod-policies.kyverno.io/autogen-controllers"


class Family(StrEnum):
    """How a kind of object says what it demands."""

    RULES = "rules"
    """kyverno.io ClusterPolicy and Policy."""
    CEL = "cel"
    """ValidatingPolicy and NamespacedValidatingPolicy."""
    NATIVE = "native"
    """Kubernetes' own ValidatingAdmissionPolicy."""
    EXCEPTION = "exception"
    FOREIGN = "foreign"
    """A Kyverno policy of a kind that the lint does not judge."""
    OTHER = "other"
    """No policy at all."""


_FAMILIES = {
    ("kyverno.io", "ClusterPolicy"): Family.RULES,
    ("kyverno.io", "Policy"): Family.RULES,
    ("policies.kyverno.io", "ValidatingPolicy"): Family.CEL,
    ("policies.kyverno.io", "NamespacedValidatingPolicy"): Family.CEL,
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy"): Family.NATIVE,
    ("kyverno.io", "PolicyException"): Family.EXCEPTION,
    ("policies.kyverno.io", "PolicyException"): Family.EXCEPTION,
}
_KYVERNO_GROUPS = ("kyverno.io", "policies.kyverno.io")
JUDGED_FAMILIES = (Family.RULES, Family.CEL, Family.NATIVE, Family.EXCEPTION)
CLUSTER_SCOPED = ("ClusterPolicy", "ValidatingPolicy", "ValidatingAdmissionPolicy")


@dataclass(frozen=True, slots=True)
class Block:
    """One resource filter of a match or an exclude."""

    steps: Steps
    resources: Mapping[str, Any]

    @property
    def kinds(self) -> tuple[str, ...]:
        return tuple(kind_of(text) for text in words(self.resources.get("kinds")))


@dataclass(frozen=True, slots=True)
class Expression:
    """One CEL expression and the part it plays: `condition`, `variable`, `validation`, `precondition`, `message`."""

    steps: Steps
    text: str
    part: str


@dataclass(frozen=True)
class Rule:
    """One rule of a ClusterPolicy or Policy."""

    place: int
    body: Mapping[str, Any]

    @property
    def steps(self) -> Steps:
        return ("spec", "rules", self.place)

    @property
    def name(self) -> str:
        return word(self.body.get("name"))

    @cached_property
    def validate(self) -> Mapping[str, Any]:
        return mapping(self.body.get("validate"))

    @cached_property
    def cel(self) -> Mapping[str, Any]:
        return mapping(self.validate.get("cel"))

    @cached_property
    def matches(self) -> tuple[Block, ...]:
        return tuple(_blocks(self.body.get("match"), (*self.steps, "match")))

    @cached_property
    def excludes(self) -> tuple[Block, ...]:
        return tuple(_blocks(self.body.get("exclude"), (*self.steps, "exclude")))

    @cached_property
    def kinds(self) -> tuple[str, ...]:
        """Kinds that it names itself, each once."""
        return tuple(dict.fromkeys(kind for block in self.matches for kind in block.kinds))

    @cached_property
    def patterns(self) -> tuple[tuple[Steps, Any], ...]:
        """The pattern, or the branches of anyPattern."""
        top = (*self.steps, "validate")
        if "pattern" in self.validate:
            return (((*top, "pattern"), self.validate["pattern"]),)
        branches = items(self.validate.get("anyPattern"))
        return tuple(((*top, "anyPattern", place), b) for place, b in enumerate(branches))

    @cached_property
    def mentions(self) -> str:
        return everything(self.body)

    @cached_property
    def texts(self) -> tuple[tuple[Steps, str], ...]:
        return tuple(texts(self.body, self.steps))


@dataclass(frozen=True)
class Policy:
    """One object, read as a policy."""

    manifest: Mapping[str, Any]

    @cached_property
    def kind(self) -> str:
        return word(self.manifest.get("kind"))

    @cached_property
    def group(self) -> str:
        group, slash, _version = word(self.manifest.get("apiVersion")).partition("/")
        return group if slash else ""

    @cached_property
    def version(self) -> str:
        return word(self.manifest.get("apiVersion")).rpartition("/")[2]

    @cached_property
    def family(self) -> Family:
        found = _FAMILIES.get((self.group, self.kind))
        if found is not None:
            return found
        return Family.FOREIGN if self.group in _KYVERNO_GROUPS else Family.OTHER

    @cached_property
    def metadata(self) -> Mapping[str, Any]:
        return mapping(self.manifest.get("metadata"))

    @cached_property
    def labels(self) -> Mapping[str, Any]:
        return mapping(self.metadata.get("labels"))

    @cached_property
    def annotations(self) -> Mapping[str, Any]:
        return mapping(self.metadata.get("annotations"))

    @property
    def name(self) -> str:
        return word(self.metadata.get("name"))

    @property
    def is_ours(self) -> bool:
        """secprof wrote it: its kind and version were chosen for its cluster, and its twin stands beside it."""
        return self.labels.get(MANAGED_BY_LABEL) == MANAGER and VARIANT_LABEL in self.labels

    @property
    def is_stored(self) -> bool:
        """It was read from a cluster: the API's defaults are filled in."""
        return bool(self.metadata.get("uid") or self.metadata.get("resourceVersion"))

    @cached_property
    def spec(self) -> Mapping[str, Any]:
        return mapping(self.manifest.get("spec"))

    @cached_property
    def rules(self) -> tuple[Rule, ...]:
        if self.family is not Family.RULES:
            return ()
        return tuple(Rule(place, body) for place, body in mappings(self.spec.get("rules")))

    @cached_property
    def validating(self) -> tuple[Rule, ...]:
        return tuple(rule for rule in self.rules if rule.validate)

    @cached_property
    def mentions(self) -> str:
        """All keys and texts of the spec, to search in."""
        return everything(self.spec)

    @cached_property
    def texts(self) -> tuple[tuple[Steps, str], ...]:
        """All texts of the spec with their places."""
        return tuple(texts(self.spec, ("spec",)))

    @cached_property
    def autogen_stopper(self) -> Steps | None:
        """Where the match of a rule keeps Kyverno from generating rules for controllers, if anywhere."""
        for rule in self.rules:
            for block in (*rule.matches, *rule.excludes):
                for field in ("name", "names", "selector", "annotations"):
                    if block.resources.get(field):
                        return (*block.steps, field)
                if "Pod" in block.kinds and len(block.kinds) > 1:
                    return (*block.steps, "kinds")
        return None

    @cached_property
    def has_autogen(self) -> bool:
        """Kyverno generates rules, or variants, for the controllers of pods."""
        if self.family is Family.RULES:
            asked = self.annotations.get(AUTOGEN_ANNOTATION)
            return self.autogen_stopper is None and asked != "none"
        return self.family is Family.CEL and self._has_cel_autogen

    @property
    def _has_cel_autogen(self) -> bool:
        match = mapping(self.spec.get("matchConstraints"))
        rules = [rule for _place, rule in mappings(match.get("resourceRules"))]
        controllers = mapping(mapping(self.spec.get("autogen")).get("podControllers"))
        if len(rules) != 1 or controllers.get("controllers") == []:
            return False
        rule = rules[0]
        alone = rule.get("apiGroups") == [""] and rule.get("apiVersions") == ["v1"]
        pods = rule.get("resources") == ["pods"] and not rule.get("resourceNames")
        selects = mapping(match.get("objectSelector"))
        narrowed = bool(match.get("excludeResourceRules") or any(selects.values()))
        return alone and pods and not narrowed

    @cached_property
    def resources(self) -> tuple[str, ...]:
        """Resources that a CEL policy matches, such as `pods` or `pods/ephemeralcontainers`."""
        match = mapping(self.spec.get("matchConstraints"))
        return tuple(
            resource
            for _place, rule in mappings(match.get("resourceRules"))
            for resource in words(rule.get("resources"))
        )

    @cached_property
    def expressions(self) -> tuple[Expression, ...]:
        """All CEL expressions of the policy, in the order of its text."""
        if self.family is Family.RULES:
            return tuple(_rule_expressions(self))
        if self.family in (Family.CEL, Family.NATIVE):
            return tuple(_spec_expressions(self.spec, ("spec",)))
        return ()

    def rule_at(self, steps: Steps) -> str:
        """Give the name of the rule in which a place lies."""
        if len(steps) < 3 or steps[:2] != ("spec", "rules"):
            return ""
        return next((rule.name for rule in self.rules if rule.place == steps[2]), "")


_KIND = re.compile(r"(?:^|/)(\*|[A-Z][A-Za-z0-9]*)(?=$|/)")


def kind_of(text: str) -> str:
    """Take the kind out of `Pod`, `v1/Pod`, `apps/v1/Deployment` or `Pod/status`."""
    found = _KIND.search(text)
    return found.group(1) if found else text


def _blocks(holder: object, steps: Steps) -> Iterator[Block]:
    held = mapping(holder)
    if "resources" in held:
        yield Block((*steps, "resources"), mapping(held["resources"]))
    for quantifier in ("any", "all"):
        for place, entry in mappings(held.get(quantifier)):
            at = (*steps, quantifier, place, "resources")
            yield Block(at, mapping(entry.get("resources")))


_PARTS = {
    "matchConditions": "condition",
    "variables": "variable",
    "validations": "validation",
    "auditAnnotations": "message",
}


def _spec_expressions(spec: Mapping[str, Any], steps: Steps) -> Iterator[Expression]:
    for field, part in _PARTS.items():
        for place, entry in mappings(spec.get(field)):
            yield from _entry_expressions(entry, (*steps, field, place), part)


def _rule_expressions(policy: Policy) -> Iterator[Expression]:
    webhook = mapping(policy.spec.get("webhookConfiguration"))
    yield from _spec_expressions(
        {"matchConditions": webhook.get("matchConditions")}, ("spec", "webhookConfiguration")
    )
    for rule in policy.rules:
        for place, entry in mappings(rule.body.get("celPreconditions")):
            at = (*rule.steps, "celPreconditions", place)
            yield from _entry_expressions(entry, at, "precondition")
        top = (*rule.steps, "validate", "cel")
        known = {"variables": rule.cel.get("variables"), "validations": rule.cel.get("expressions")}
        for found in _spec_expressions(known, top):
            renamed = tuple(
                "expressions" if step == "validations" else step for step in found.steps
            )
            yield Expression(renamed, found.text, found.part)


def _entry_expressions(entry: Mapping[str, Any], steps: Steps, part: str) -> Iterator[Expression]:
    for field in ("expression", "messageExpression", "valueExpression"):
        for at, text in texts(entry.get(field), (*steps, field)):
            yield Expression(at, text, part if field == "expression" else "message")
