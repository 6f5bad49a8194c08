"""Flaws of preconditions and deny rules: conditions that never or always hold, and operators that are going away."""

from collections.abc import Iterator, Mapping
from typing import Any

from policies.domain.lint.constants import (
    conditions_in,
    constant,
    expressions_in,
    has_quoted_wildcard,
    holds,
)
from policies.domain.lint.policy import Policy, Rule
from policies.domain.lint.reading import Steps, everything, mapping, walk, word, words
from policies.domain.lint.records import Lint, Severity, Spot
from policies.domain.lint.versions import Facts

_DEPRECATED = {
    "In": "AnyIn or AllIn",
    "NotIn": "AnyNotIn or AllNotIn",
}


def wildcard_jmespath_key(policy: Policy, _facts: Facts) -> Iterator[Spot]:
    """A quoted identifier with a wildcard inside `{{ }}`."""
    for rule in policy.rules:
        for at, text in rule.texts:
            if has_quoted_wildcard(text):
                yield Spot(at)


def deny_never_fires(policy: Policy, _facts: Facts) -> Iterator[Spot]:
    """The conditions of a deny rule hold for no object of any kind that it matches."""
    for rule, steps, conditions in _denials(policy):
        if rule.kinds and all(holds(conditions, kind) is False for kind in rule.kinds):
            yield Spot(steps)


def deny_blind_to_kinds(policy: Policy, _facts: Facts) -> Iterator[Spot]:
    """The conditions of a deny rule hold for no object of some of its kinds."""
    for rule, steps, conditions in _denials(policy):
        blind = [kind for kind in rule.kinds if holds(conditions, kind) is False]
        if blind and len(blind) < len(rule.kinds):
            yield Spot(steps, f"Never denied: {', '.join(blind)}.")


def deny_always_fires(policy: Policy, _facts: Facts) -> Iterator[Spot]:
    """The conditions of a deny rule hold for every object."""
    for rule, steps, conditions in _denials(policy):
        if rule.kinds and all(holds(conditions, kind) is True for kind in rule.kinds):
            yield Spot(steps)


def precondition_never_true(policy: Policy, _facts: Facts) -> Iterator[Spot]:
    """The preconditions of a rule hold for no object of any kind that it matches."""
    for rule in policy.rules:
        conditions = rule.body.get("preconditions")
        if rule.kinds and all(holds(conditions, kind) is False for kind in rule.kinds):
            yield Spot((*rule.steps, "preconditions"), _wildcard_note(conditions))


def _wildcard_note(conditions: object) -> str:
    """Say what the wildcard in a value is compared with, where the key never has anything else."""
    for _at, condition in conditions_in(conditions, ()):
        wild = [w for w in words(condition.get("value")) if "*" in w]
        key = constant(condition.get("key"), "Pod")
        if wild and key is not None:
            return f"The key is always '{key}', which `{wild[0]}` does not match."
    return ""


def deprecated_operator(policy: Policy, _facts: Facts) -> Iterator[Spot]:
    """In and NotIn."""
    for rule in policy.rules:
        for at, found in walk(rule.body, rule.steps):
            if at[-1] == "operator" and isinstance(found, str) and found in _DEPRECATED:
                yield Spot(at, f"Use {_DEPRECATED[found]} instead of {found}.")


def key_without_default(policy: Policy, _facts: Facts) -> Iterator[Spot]:
    """A condition asks for an annotation or label that may be missing, and gives no default."""
    for rule in policy.rules:
        for steps, holder in _holders(rule):
            for at, condition in conditions_in(holder, steps):
                if _lacks_default(condition):
                    yield Spot((*at, "key"))


def _lacks_default(condition: Mapping[str, Any]) -> bool:
    asked = " ".join(expressions_in(word(condition.get("key"))))
    optional = ".annotations." in asked or ".labels." in asked
    return optional and "||" not in asked and "(" not in asked


def localhost_contradiction(policy: Policy, _facts: Facts) -> Iterator[Spot]:
    """One rule allows Localhost profiles, another denies whatever is not the runtime's default."""
    allows = [rule for rule in policy.validating if _allows_localhost(rule)]
    for rule, steps, holder in _denials(policy):
        for at, condition in conditions_in(holder, steps):
            only = words(condition.get("value"))
            negated = word(condition.get("operator")) in ("NotEquals", "NotIn", "AnyNotIn")
            default = only and all(w in ("runtime/default", "RuntimeDefault") for w in only)
            if negated and default and any(other is not rule for other in allows):
                yield Spot(at)


def _allows_localhost(rule: Rule) -> bool:
    return any("localhost" in everything(pattern).lower() for _steps, pattern in rule.patterns)


def existence_not_checked(policy: Policy, _facts: Facts) -> Iterator[Spot]:
    """A rule says that a profile must be loaded, and asks nothing that could know."""
    for rule in policy.validating:
        said = f"{rule.name} {word(rule.validate.get('message'))}".lower()
        claims = "profile" in said and any(w in said for w in ("loaded", "exist", "installed"))
        asks = rule.body.get("context") or "globalContext" in rule.mentions
        if claims and not asks and not rule.cel:
            yield Spot((*rule.steps, "validate"))


def _denials(policy: Policy) -> Iterator[tuple[Rule, Steps, object]]:
    for rule in policy.validating:
        deny = mapping(rule.validate.get("deny"))
        if "conditions" in deny:
            yield rule, (*rule.steps, "validate", "deny", "conditions"), deny["conditions"]


def _holders(rule: Rule) -> Iterator[tuple[Steps, object]]:
    yield (*rule.steps, "preconditions"), rule.body.get("preconditions")
    deny = mapping(rule.validate.get("deny"))
    yield (*rule.steps, "validate", "deny", "conditions"), deny.get("conditions")


LINTS = (
    Lint(
        id="wildcard-jmespath-key",
        severity=Severity.ERROR,
        title="A wildcard inside a quoted JMESPath key never matches",
        what_happens="JMESPath takes a key in double quotes literally, asterisk included. No"
        " annotation is named like that, so the expression is always empty, or its default.",
        since="All versions of Kyverno.",
        fix="Go through the containers with foreach and build each key from the container's name;"
        " or use CEL over all annotations with the prefix.",
        references=("E36",),
        find=wildcard_jmespath_key,
    ),
    Lint(
        id="deny-never-fires",
        severity=Severity.ERROR,
        title="This deny rule can never fire",
        what_happens="Its conditions compare a constant, because what they ask for is never"
        " there. The rule passes whatever the object says, also what it is meant to refuse; in"
        " reports that looks like success.",
        since="All versions of Kyverno.",
        fix="Ask for a path that the object has; try the rule on an object that must fail.",
        references=("E36", "E7"),
        find=deny_never_fires,
    ),
    Lint(
        id="deny-blind-to-kinds",
        severity=Severity.ERROR,
        title="This deny rule is blind to some of the kinds that it matches",
        what_happens="The path exists on some of the matched kinds only. For the others the"
        " condition compares a constant, and they pass whatever they say.",
        since="All versions of Kyverno.",
        fix="Match Pod alone with the path of a pod; autogen writes the paths of the controllers.",
        references=("E18",),
        find=deny_blind_to_kinds,
    ),
    Lint(
        id="deny-always-fires",
        severity=Severity.ERROR,
        title="This deny rule fires for every object",
        what_happens="Its conditions compare a constant, and always hold: under Enforce nothing"
        " of these kinds is admitted any more.",
        since="All versions of Kyverno.",
        fix="Ask for a path that the object has; try the rule on an object that must pass.",
        references=("E38",),
        find=deny_always_fires,
    ),
    Lint(
        id="precondition-never-true",
        severity=Severity.ERROR,
        title="The precondition is never true, so the rule is always skipped",
        what_happens="The key is constant and not among the values. The rule is skipped for every"
        " object, and a skip is no failure anywhere.",
        since="All versions of Kyverno.",
        fix="Ask for a path that the object has, and use AnyIn.",
        references=("E37",),
        find=precondition_never_true,
    ),
    Lint(
        id="deprecated-operator",
        severity=Severity.WARNING,
        title="A deprecated operator",
        what_happens="It still works, and each write of the policy draws a warning. With a list"
        " as its key, In demands all of it and NotIn none: the new names say which is meant.",
        since="Warned about by Kyverno 1.10 to 1.19.",
        fix="Use the operator whose name says Any or All.",
        references=("E37",),
        find=deprecated_operator,
    ),
    Lint(
        id="key-without-default",
        severity=Severity.WARNING,
        title="A condition asks for something that may be missing, without a default",
        what_happens="Where it is missing the rule ends in an error, which is neither pass nor"
        " fail. In an enforced policy with failurePolicy Fail an error refuses the request.",
        since="All versions of Kyverno.",
        fix="Give a default with `|| ''`, or ask for a key that is always there.",
        references=("2.16", "E38"),
        find=key_without_default,
    ),
    Lint(
        id="localhost-contradiction",
        severity=Severity.ERROR,
        title="Two rules contradict each other about Localhost profiles",
        what_happens="One rule allows them, this one denies whatever is not the runtime's default."
        " As soon as its conditions work, every Localhost profile is refused.",
        since="All versions.",
        fix="Allow Localhost by a list of profiles in one place, and deny nothing else for it.",
        references=("E38",),
        find=localhost_contradiction,
    ),
    Lint(
        id="existence-not-checked",
        severity=Severity.WARNING,
        title="The rule claims to check that a profile is loaded, and cannot",
        what_happens="Nothing in it asks what is loaded on nodes: a pod with a profile that no"
        " node has passes, is scheduled, and never starts.",
        since="All versions.",
        fix="Compare with a list of installed profiles (a ConfigMap, or a global context over the"
        " operator that installs them), and let an absent list warn instead of deny.",
        references=("E38", "T33"),
        find=existence_not_checked,
    ),
)
