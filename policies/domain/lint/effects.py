"""What a policy does when something fails: its action before any override, and whether only some namespaces feel it."""

from collections.abc import Mapping
from typing import Any

from policies.domain.lint.policy import Family, Policy, Rule
from policies.domain.lint.reading import everything, items, mapping, mappings, word, words

SPEC_ACTION = "validationFailureAction"
SPEC_OVERRIDES = "validationFailureActionOverrides"
ACTION = "failureAction"
OVERRIDES = "failureActionOverrides"


def base_action(policy: Policy, rule: Rule) -> str:
    """Give `enforce` or `audit`: the rule's own word, else the policy's, else Kyverno's default."""
    stated = word(rule.validate.get(ACTION)) or word(policy.spec.get(SPEC_ACTION))
    return stated.lower() or "audit"


def overrides_of(policy: Policy, rule: Rule) -> list[Mapping[str, Any]]:
    """Give the overrides that count for a rule: its own list, or the policy's; the two are never merged."""
    own = [entry for _place, entry in mappings(rule.validate.get(OVERRIDES))]
    return own or [entry for _place, entry in mappings(policy.spec.get(SPEC_OVERRIDES))]


def cel_actions(policy: Policy) -> tuple[str, ...]:
    """Give the validation actions of a CEL policy; none stated means Deny."""
    return words(policy.spec.get("validationActions")) or ("Deny",)


def rule_denies(policy: Policy, rule: Rule) -> bool:
    """Say whether a failing rule can refuse a request anywhere."""
    actions = [word(entry.get("action")).lower() for entry in overrides_of(policy, rule)]
    return base_action(policy, rule) == "enforce" or "enforce" in actions


def denies(policy: Policy) -> bool:
    """Say whether the policy can refuse a request anywhere. A native policy's binding decides, so it cannot."""
    if policy.family is Family.CEL:
        return "Deny" in cel_actions(policy)
    return any(rule_denies(policy, rule) for rule in policy.validating)


def denies_everywhere(policy: Policy) -> bool:
    """Say whether it refuses requests in every namespace that nobody named."""
    if policy.kind in ("Policy", "NamespacedValidatingPolicy"):
        return False
    if policy.family is Family.CEL:
        return denies(policy) and not is_cel_limited(policy)
    return any(
        base_action(policy, rule) == "enforce" and not is_rule_limited(policy, rule)
        for rule in policy.validating
    )


def is_rule_limited(policy: Policy, rule: Rule) -> bool:
    """Say whether a rule is for some namespaces only."""
    webhook = mapping(policy.spec.get("webhookConfiguration"))
    conditions = [webhook.get("matchConditions"), rule.body.get("celPreconditions")]
    if any("request.namespace" in everything(c) for c in conditions):
        return True
    blocks = rule.matches
    return bool(blocks) and all(
        b.resources.get("namespaces") or b.resources.get("namespaceSelector") for b in blocks
    )


def is_cel_limited(policy: Policy) -> bool:
    """Say whether a CEL policy is for some namespaces only."""
    match = mapping(policy.spec.get("matchConstraints"))
    conditions = everything(policy.spec.get("matchConditions"))
    by_condition = "request.namespace" in conditions or "namespaceObject" in conditions
    return by_condition or any(mapping(match.get("namespaceSelector")).values())


def has_exemptions(policy: Policy) -> bool:
    """Say whether it leaves anything out by itself."""
    rules = policy.validating
    excluded = bool(rules) and all(r.excludes or r.body.get("preconditions") for r in rules)
    match = mapping(policy.spec.get("matchConstraints"))
    conditions = items(policy.spec.get("matchConditions"))
    return bool(excluded or match.get("excludeResourceRules") or conditions)
