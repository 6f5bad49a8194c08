"""The two places in Kyverno that read the failure action of a rule, each as each version does it (kyverno-facts 2.13 to 2.25)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from policies.domain.engines import Version
from policies.domain.label_selectors import read_selector
from policies.domain.lint.effects import ACTION, OVERRIDES, SPEC_ACTION, SPEC_OVERRIDES
from policies.domain.lint.policy import Policy, Rule
from policies.domain.lint.reading import mappings, word, words
from policies.domain.wildcards import matches

NEITHER = "Neither"
Action = Literal["Enforce", "Audit", "Neither"]

OF_RULES: Version = (1, 13, 0)
"""Rules have actions of their own. Until `MENDED` a rule whose overrides name others is not judged at all (T3)."""
MENDED: Version = (1, 13, 3)
SELECTING: Version = (1, 16, 3)
"""The first resolver heeds namespaceSelector."""
GLOBAL: Version = (1, 18, 0)
"""The first resolver heeds an override that is for all namespaces."""
BY_RULE: Version = (1, 19, 0)
"""The second resolver answers for each rule; before, once for the whole policy."""
BANDS: tuple[Version, ...] = ((1, 12, 0), OF_RULES, MENDED, SELECTING, GLOBAL, BY_RULE)
"""A version for each behaviour there is, for when the real one is not known."""


class Unsettled(ValueError):
    """What happens depends on something that nobody can read; the message says on what."""


@dataclass(frozen=True, slots=True)
class Place:
    """One namespace."""

    name: str
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)
    obstacle: str = ""
    """Why Kyverno judges nothing here; empty where it does."""


def two_readings(
    policy: Policy,
    rules: Iterable[Rule],
    rule: Rule,
    place: Place,
    version: Version,
    *,
    is_own: bool,
) -> tuple[Action, Action]:
    """Give when a rule judges in a namespace, and whether it refuses.

    `rules` are those of the policy that match there. A policy with a webhook of its own (`is_own`) passes the first
    resolver by: then the first answer is what the rule says itself. Raises Unsettled.
    """
    if is_own:
        alone = _refused(policy, (rule,), place, BY_RULE if version >= OF_RULES else version)
        return alone, _refused(policy, _in_order(rules, rule, version), place, version)
    judged = _judged(policy, rule, place, version)
    alike = tuple(r for r in rules if _judged(policy, r, place, version) == judged)
    return judged, _refused(policy, _in_order(alike, rule, version), place, version)


def _in_order(rules: Iterable[Rule], rule: Rule, version: Version) -> tuple[Rule, ...]:
    """Give the rules whose first word counts: this one alone, or before 1.19 all that are judged together."""
    return (rule,) if version >= BY_RULE else tuple(rules)


def stated_action(policy: Policy, rule: Rule) -> Action:
    """Give the action of a rule before any override."""
    return _action(rule.validate.get(ACTION) or policy.spec.get(SPEC_ACTION))


def _action(stated: object) -> Action:
    return "Enforce" if word(stated).lower() == "enforce" else "Audit"


def _judged(policy: Policy, rule: Rule, place: Place, version: Version) -> Action:
    """One list of overrides, never merged; names or selector."""
    own = _entries(rule.validate.get(OVERRIDES)) if version >= OF_RULES else []
    entries = own or _entries(policy.spec.get(SPEC_OVERRIDES))
    for entry in entries:
        names, selector = words(entry.get("namespaces")), entry.get("namespaceSelector")
        if not names and selector is None:
            if version >= GLOBAL:
                return _action(entry.get("action"))
        elif _among(place.name, names) or (
            selector is not None and version >= SELECTING and _selects(selector, place.labels)
        ):
            return _action(entry.get("action"))
    if entries and OF_RULES <= version < MENDED:
        return "Neither"
    base = rule.validate.get(ACTION) if version >= OF_RULES else None
    return _action(base or policy.spec.get(SPEC_ACTION))


def _refused(policy: Policy, rules: tuple[Rule, ...], place: Place, version: Version) -> Action:
    """The overrides of the first rule that says anything, its action, the policy's overrides, the policy's action."""
    if version >= OF_RULES:
        for rule in rules:
            found = _override(_entries(rule.validate.get(OVERRIDES)), place.name, place.labels)
            found = found or word(rule.validate.get(ACTION))
            if found:
                return _action(found)
    entries = _entries(policy.spec.get(SPEC_OVERRIDES))
    found = _override(entries, place.name, place.labels)
    if not _sees_labels(policy) and found != _override(entries, place.name, {}):
        # Kyverno looks the labels up only if some policy about the same request asks for them elsewhere.
        raise Unsettled(
            "Its override by namespaceSelector counts only while other policies select by labels too."
        )
    return _action(found or policy.spec.get(SPEC_ACTION))


def _override(entries: list[Mapping[str, Any]], namespace: str, labels: Mapping[str, str]) -> str:
    """Give the action of the first override whose names and selector both fit; empty when none does."""
    for entry in entries:
        selector = entry.get("namespaceSelector")
        if selector is not None and not _selects(selector, labels):
            continue
        if entry.get("namespaces") is None or _among(namespace, words(entry["namespaces"])):
            return word(entry.get("action"))
    return ""


def _sees_labels(policy: Policy) -> bool:
    """Say whether this policy itself makes Kyverno look up the labels of the namespace."""
    rules = policy.rules
    if any(b.resources.get("namespaceSelector") for r in rules for b in (*r.matches, *r.excludes)):
        return True
    own = (entry for r in rules for entry in _entries(r.validate.get(OVERRIDES)))
    return any(entry.get("namespaceSelector") is not None for entry in own)


def _entries(listed: object) -> list[Mapping[str, Any]]:
    return [entry for _place, entry in mappings(listed)]


def _among(namespace: str, patterns: Iterable[str]) -> bool:
    return any(matches(pattern, namespace) for pattern in patterns)


def _selects(stated: object, labels: Mapping[str, str]) -> bool:
    """Say whether a selector takes a namespace; one that makes no sense takes none, as in Kyverno."""
    selector = read_selector(stated)
    return selector is not None and selector.matches(labels)
