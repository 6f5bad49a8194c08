"""Flaws of CEL expressions: what is null, what autogen rewrites, and what errs at run time."""

import re
from collections.abc import Iterator

from policies.domain.lint.intent import requires_profile
from policies.domain.lint.policy import Expression, Family, Policy
from policies.domain.lint.reading import mapping, mappings, words
from policies.domain.lint.records import Lint, Severity, Spot
from policies.domain.lint.versions import Facts, known_before, maybe_before

_OLD_OBJECT_NULL = re.compile(r"\boldObject\s*[!=]=\s*null\b|\bnull\s*[!=]=\s*oldObject\b")
_NAMESPACE = re.compile(r"\b(?:object|oldObject)\.metadata\.namespace\b")
_NOT_REWRITTEN = re.compile(
    r"\b(?:object|oldObject)\s*(?:\.\?\s*spec\b|\[\s*\??['\"]spec['\"]\s*\])"
)
_OR_DEFAULT = re.compile(r"orValue\(\s*['\"](RuntimeDefault|runtime/default)['\"]\s*\)")
_ABSENT_PASSES = re.compile(r"!\s*has\([\w.]*(?:seccompProfile|appArmorProfile)\)\s*\|\|")
_OPTIONAL_SYNTAX = re.compile(r"\.\?|\[\?")
_OPTIONAL_FIELD = re.compile(
    r"\bobject\.spec\.(securityContext|initContainers|ephemeralContainers|os)\b"
)


def operations_missing(policy: Policy, _facts: Facts) -> Iterator[Spot]:
    """A CEL rule of a ClusterPolicy without operations in its match."""
    for rule in policy.rules:
        if rule.cel:
            for block in rule.matches:
                stated = words(block.resources.get("operations"))
                if not stated or "DELETE" in stated:
                    yield Spot((*block.steps, "operations") if stated else block.steps)


def delete_judged(policy: Policy, _facts: Facts) -> Iterator[Spot]:
    """A CEL policy that matches DELETE and looks at `object`."""
    if policy.family not in (Family.CEL, Family.NATIVE):
        return
    reads = any(re.search(r"\bobject\b", e.text) for e in policy.expressions)
    guarded = any("DELETE" in e.text for e in policy.expressions)
    rules = mappings(mapping(policy.spec.get("matchConstraints")).get("resourceRules"))
    for place, rule in rules:
        stated = words(rule.get("operations"))
        if reads and not guarded and ("DELETE" in stated or "*" in stated):
            yield Spot(("spec", "matchConstraints", "resourceRules", place, "operations"))


def old_object_null(policy: Policy, _facts: Facts) -> Iterator[Spot]:
    """`oldObject == null` inside Kyverno."""
    if policy.family is not Family.NATIVE:
        yield from _where(policy, _OLD_OBJECT_NULL)


def object_namespace(policy: Policy, facts: Facts) -> Iterator[Spot]:
    """`object.metadata.namespace` where autogen rewrites it."""
    if not policy.has_autogen:
        return
    if policy.family is Family.CEL and not maybe_before(facts.kyverno, (1, 19, 0)):
        return
    unsure = policy.family is Family.CEL and facts.kyverno is None
    for found in policy.expressions:
        in_webhook = policy.family is Family.RULES and found.part == "condition"
        if _NAMESPACE.search(found.text) and not in_webhook:
            yield Spot(found.steps, severity=Severity.WARNING if unsure else None)


def not_rewritten(policy: Policy, _facts: Facts) -> Iterator[Spot]:
    """`object.?spec` and `object["spec"]` under autogen."""
    if policy.has_autogen:
        yield from _where(policy, _NOT_REWRITTEN)


def or_value_default(policy: Policy, _facts: Facts) -> Iterator[Spot]:
    """An absent profile is taken for the good one."""
    yield from _where(policy, _OR_DEFAULT)
    if requires_profile(policy):
        yield from _where(policy, _ABSENT_PASSES)


def unguarded_field(policy: Policy, _facts: Facts) -> Iterator[Spot]:
    """An optional field is read, and nothing in the policy asks whether it is there."""
    everything = "\n".join(e.text for e in policy.expressions)
    for found in policy.expressions:
        for field in _OPTIONAL_FIELD.findall(found.text):
            guard = re.compile(
                rf"has\(\s*object\.spec\.{field}\b|['\"]{field}['\"]\s+in\s+object\.spec"
            )
            if not guard.search(everything):
                yield Spot(found.steps, f"Nothing asks has(object.spec.{field}).")
                break


def optional_syntax_too_new(policy: Policy, facts: Facts) -> Iterator[Spot]:
    """`.?` on a Kubernetes before 1.29."""
    if known_before(facts.kubernetes, (1, 29, 0)):
        yield from _where(policy, _OPTIONAL_SYNTAX)


def namespace_object_in_condition(policy: Policy, facts: Facts) -> Iterator[Spot]:
    """`namespaceObject` in matchConditions, which the API server evaluates itself."""
    if policy.family is Family.CEL and maybe_before(facts.kyverno, (1, 19, 0)):
        unsure = facts.kyverno is None
        for found in policy.expressions:
            if found.part == "condition" and "namespaceObject" in found.text:
                yield Spot(found.steps, severity=Severity.WARNING if unsure else None)


def user_in_validation(policy: Policy, _facts: Facts) -> Iterator[Spot]:
    """`request.userInfo` decides in a validation."""
    for found in policy.expressions:
        if found.part in ("validation", "variable") and "request.userInfo" in found.text:
            yield Spot(found.steps)


def _where(policy: Policy, pattern: re.Pattern[str]) -> Iterator[Spot]:
    for found in policy.expressions:
        if _applies(found, pattern):
            yield Spot(found.steps)


def _applies(found: Expression, pattern: re.Pattern[str]) -> bool:
    return pattern.search(found.text) is not None


LINTS = (
    Lint(
        id="cel-operations-missing",
        severity=Severity.ERROR,
        title="A CEL rule also runs on DELETE, and errs there",
        what_happens="Without operations in the match the rule is called for deletions too. There"
        " is no object then, the expression ends in an error, and under Enforce the deletion is"
        " refused: pods can no longer be deleted.",
        since="Kyverno 1.11 to 1.19, seen on 1.19.1.",
        fix="Write operations: [CREATE, UPDATE] in each block of the match.",
        references=("V6", "7.3"),
        find=operations_missing,
    ),
    Lint(
        id="delete-judged",
        severity=Severity.ERROR,
        title="Deletions are judged by an object that is not there",
        what_happens="On DELETE `object` is null. The expressions err, and a denying policy"
        " refuses the deletion.",
        since="All versions.",
        fix="Write operations: [CREATE, UPDATE].",
        references=("V6", "7.3"),
        find=delete_judged,
    ),
    Lint(
        id="old-object-null",
        severity=Severity.ERROR,
        title="`oldObject` is not null inside Kyverno",
        what_happens="On CREATE it is empty instead. The comparison never holds, what follows"
        " reads fields of nothing, and a denying policy refuses good objects too.",
        since="Seen on Kyverno 1.13.4, 1.18.2 and 1.19.1.",
        fix="Ask `request.operation == 'CREATE'`.",
        references=("V5",),
        find=old_object_null,
    ),
    Lint(
        id="object-namespace-rewritten",
        severity=Severity.ERROR,
        title="Autogen rewrites `object.metadata.namespace`",
        what_happens="In the generated rules it becomes the namespace of the pod template, which"
        " has none. The expression errs for every Deployment, and errors deny.",
        since="ClusterPolicy: all versions. ValidatingPolicy: up to Kyverno 1.18.",
        fix="Ask `request.namespace`.",
        references=("T15", "2.43", "3.23"),
        find=object_namespace,
    ),
    Lint(
        id="spelling-not-rewritten",
        severity=Severity.ERROR,
        title="Autogen does not rewrite this spelling",
        what_happens="Autogen replaces the text `object.spec`. Any other way to write it stays as"
        " it is, so that for a Deployment the rule looks at the Deployment's own spec and finds no"
        " containers there.",
        since="All versions with autogen.",
        fix="Write `object.spec.` literally, and guard what may be missing with has().",
        references=("T15", "3.23", "7.5"),
        find=not_rewritten,
    ),
    Lint(
        id="absent-counts-as-good",
        severity=Severity.ERROR,
        title="An absent profile is taken for a good one",
        what_happens="A rule that is meant to require a profile requires nothing: where none is"
        " set, the expression holds. The public samples restrict-seccomp-strict do this, both for"
        " CEL in a ClusterPolicy and for ValidatingPolicy.",
        since="All versions.",
        fix="Let what is absent fail: orValue(''), or has(…) && instead of !has(…) ||.",
        references=("T31", "8.8"),
        find=or_value_default,
    ),
    Lint(
        id="unguarded-field",
        severity=Severity.ERROR,
        title="A field that may be missing is read without a question",
        what_happens="Where it is missing the expression ends in an error, at run time and not"
        " when the policy is written. A ValidatingPolicy that denies refuses the object then,"
        " whatever its failurePolicy says.",
        since="All versions.",
        fix="Ask has(…) first, level by level.",
        references=("7.8", "3.9"),
        find=unguarded_field,
    ),
    Lint(
        id="optional-syntax-too-new",
        severity=Severity.ERROR,
        title="This Kubernetes does not know the optional syntax",
        what_happens="`.?` and `[?]` do not compile; the policy, or its webhook, is refused.",
        since="Known from Kubernetes 1.29 on.",
        fix="Use has().",
        references=("7.5",),
        find=optional_syntax_too_new,
    ),
    Lint(
        id="namespace-object-in-condition",
        severity=Severity.ERROR,
        title="`namespaceObject` is empty in a match condition",
        what_happens="The condition is copied to the webhook, where the API server evaluates it"
        " without the namespace. It errs: with failurePolicy Fail every request is refused, with"
        " Ignore nothing is judged.",
        since="Up to Kyverno 1.18; mended in 1.19.0.",
        fix="Ask `request.namespace`, or use namespaceObject in a validation.",
        references=("T15", "3.35"),
        find=namespace_object_in_condition,
    ),
    Lint(
        id="user-in-validation",
        severity=Severity.INFO,
        title="The user decides in a validation",
        what_happens="In background scans there is no user, so reports say something else than"
        " admission does.",
        since="All versions.",
        fix="Leave users out by a match condition or an exclude.",
        references=("7.5",),
        find=user_in_validation,
    ),
)
