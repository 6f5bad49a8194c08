"""Flaws of per-namespace overrides: Kyverno reads them in two places, and the two do not agree on every shape."""

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from policies.domain.lint.effects import (
    ACTION,
    OVERRIDES,
    SPEC_OVERRIDES,
    base_action,
    overrides_of,
)
from policies.domain.lint.policy import Policy
from policies.domain.lint.reading import Steps, items, mapping, mappings, word, words
from policies.domain.lint.records import Lint, Severity, Spot
from policies.domain.lint.versions import Facts, known_before, known_from

_OPERATORS = {"In", "NotIn", "Exists", "DoesNotExist"}


def names_and_selector(policy: Policy, _facts: Facts) -> Iterator[Spot]:
    """2.17 i: an entry with names and a selector."""
    for steps, entry in _entries(policy):
        if items(entry.get("namespaces")) and _selects(entry):
            yield Spot(steps)


def spec_overrides_ignored(policy: Policy, _facts: Facts) -> Iterator[Spot]:
    """2.17 ii: overrides at the policy, an action at the rule."""
    if not items(policy.spec.get(SPEC_OVERRIDES)):
        return
    for rule in policy.validating:
        if ACTION in rule.validate and not items(rule.validate.get(OVERRIDES)):
            yield Spot((*rule.steps, "validate", ACTION))


def spec_override_selector(policy: Policy, _facts: Facts) -> Iterator[Spot]:
    """2.17 iii: a selector in an override at the policy."""
    for place, entry in mappings(policy.spec.get(SPEC_OVERRIDES)):
        if _selects(entry):
            yield Spot(("spec", SPEC_OVERRIDES, place, "namespaceSelector"))


def empty_override(policy: Policy, _facts: Facts) -> Iterator[Spot]:
    """2.17 iv: an empty list of names and no selector."""
    for steps, entry in _entries(policy):
        if entry.get("namespaces") == [] and not _selects(entry):
            yield Spot((*steps, "namespaces"))


def unreadable_selector(policy: Policy, _facts: Facts) -> Iterator[Spot]:
    """2.17 v: a selector that cannot be parsed."""
    for steps, entry in _entries(policy):
        at = (*steps, "namespaceSelector", "matchExpressions")
        for place, wanted in mappings(
            mapping(entry.get("namespaceSelector")).get("matchExpressions")
        ):
            operator = word(wanted.get("operator"))
            needs_values = operator in ("In", "NotIn") and not items(wanted.get("values"))
            if operator not in _OPERATORS or needs_values:
                yield Spot((*at, place))


def selector_ignored(policy: Policy, facts: Facts) -> Iterator[Spot]:
    """2.21: before 1.16.3 admission does not look at the selector."""
    if not known_before(facts.kyverno, (1, 16, 3)):
        return
    for steps, entry in _entries(policy):
        if _selects(entry):
            yield Spot((*steps, "namespaceSelector"))


def overrides_open_a_hole(policy: Policy, facts: Facts) -> Iterator[Spot]:
    """2.20: 1.13.0 to 1.13.2 drop the rule where no override matches."""
    affected = known_from(facts.kyverno, (1, 13, 0)) and known_before(facts.kyverno, (1, 13, 3))
    if affected:
        for steps in dict.fromkeys(steps[:-1] for steps, _entry in _entries(policy)):
            yield Spot(steps)


def overlapping_overrides(policy: Policy, _facts: Facts) -> Iterator[Spot]:
    """2.10: one namespace under both actions of one list."""
    lists: dict[Steps, dict[str, list[str]]] = {}
    for steps, entry in _entries(policy):
        names = lists.setdefault(steps[:-1], {}).setdefault(word(entry.get("action")).lower(), [])
        names += words(entry.get("namespaces"))
    for steps, by_action in lists.items():
        pairs = ((a, e) for a in by_action.get("audit", ()) for e in by_action.get("enforce", ()))
        if any(fnmatchcase(a, e) or fnmatchcase(e, a) for a, e in pairs):
            yield Spot(steps)


def spec_level_overrides(policy: Policy, _facts: Facts) -> Iterator[Spot]:
    """Overrides at the policy are deprecated, and refused in a namespaced one."""
    if items(policy.spec.get(SPEC_OVERRIDES)):
        refused = policy.kind == "Policy"
        yield Spot(
            ("spec", SPEC_OVERRIDES),
            "In a namespaced Policy they are refused." if refused else "",
            Severity.ERROR if refused else None,
        )


def override_freezes(policy: Policy, _facts: Facts) -> Iterator[Spot]:
    """2.28: base Audit with an Enforce override."""
    for rule in policy.validating:
        actions = [word(entry.get("action")).lower() for entry in overrides_of(policy, rule)]
        if base_action(policy, rule) == "audit" and "enforce" in actions:
            own = bool(items(rule.validate.get(OVERRIDES)))
            yield Spot((*rule.steps, "validate", OVERRIDES) if own else ("spec", SPEC_OVERRIDES))
            if not own:
                return


def _entries(policy: Policy) -> Iterator[tuple[Steps, Mapping[str, Any]]]:
    if not policy.rules:
        return
    for place, entry in mappings(policy.spec.get(SPEC_OVERRIDES)):
        yield ("spec", SPEC_OVERRIDES, place), entry
    for rule in policy.validating:
        for place, entry in mappings(rule.validate.get(OVERRIDES)):
            yield (*rule.steps, "validate", OVERRIDES, place), entry


def _selects(entry: Mapping[str, Any]) -> bool:
    return any(mapping(entry.get("namespaceSelector")).values())


_SAFE = (
    "Write overrides on the rule, one entry, literal names and no selector; or leave this policy in"
    " Audit and put a second one beside it that denies in the named namespaces."
)

LINTS = (
    Lint(
        id="override-names-and-selector",
        severity=Severity.ERROR,
        title="An override with names and a selector is read in two ways",
        what_happens="One part of Kyverno takes the entry when either matches, the other only when"
        " both do. A namespace that matches one side is neither audited at admission nor denied.",
        since="Kyverno 1.13 to 1.19.",
        fix=_SAFE,
        references=("T4", "2.17 i"),
        find=names_and_selector,
    ),
    Lint(
        id="override-ignored-by-rule-action",
        severity=Severity.ERROR,
        title="The rule's own action hides the policy's overrides",
        what_happens="One part of Kyverno applies the overrides, the one that decides about"
        " refusing stops at the rule's action: an override to Enforce never denies.",
        since="Kyverno 1.13 to 1.19.",
        fix=_SAFE,
        references=("T4", "2.17 ii"),
        find=spec_overrides_ignored,
    ),
    Lint(
        id="override-selector-at-policy",
        severity=Severity.ERROR,
        title="A selector in an override at the policy works by chance",
        what_happens="The labels of the namespace are looked up only when some policy of the same"
        " request has a selector elsewhere. Otherwise the override does not count.",
        since="Kyverno 1.10 to 1.19.",
        fix=_SAFE,
        references=("T4", "2.17 iii"),
        find=spec_override_selector,
    ),
    Lint(
        id="override-empty-names",
        severity=Severity.ERROR,
        title="An override with an empty list of namespaces is read in two ways",
        what_happens="One part of Kyverno takes it for all namespaces, the other for none.",
        since="Kyverno 1.18 and 1.19; before, it counted for none.",
        fix=_SAFE,
        references=("T4", "2.17 iv", "2.22"),
        find=empty_override,
    ),
    Lint(
        id="override-selector-unreadable",
        severity=Severity.ERROR,
        title="The selector of an override cannot be read",
        what_happens="Both parts of Kyverno skip the entry without a word: the base action counts.",
        since="Kyverno 1.10 to 1.19.",
        fix="Use In or NotIn with values, Exists or DoesNotExist.",
        references=("2.17 v",),
        find=unreadable_selector,
    ),
    Lint(
        id="override-selector-ignored",
        severity=Severity.ERROR,
        title="This Kyverno does not look at selectors of overrides at admission",
        what_happens="The entry counts by its names only; one with a selector alone never counts.",
        since="Up to Kyverno 1.16.2; looked at from 1.16.3 and 1.17.0 on.",
        fix=_SAFE,
        references=("2.21",),
        find=selector_ignored,
    ),
    Lint(
        id="override-opens-hole",
        severity=Severity.ERROR,
        title="On this Kyverno overrides switch the rule off everywhere else",
        what_happens="In a namespace that no override matches, the rule is neither enforced nor"
        " audited at admission.",
        since="Kyverno 1.13.0 to 1.13.2; mended in 1.13.3.",
        fix="Upgrade Kyverno before using overrides, or use a second policy instead.",
        references=("T3", "2.20"),
        find=overrides_open_a_hole,
    ),
    Lint(
        id="override-overlap",
        severity=Severity.ERROR,
        title="A namespace stands under both actions",
        what_happens="The policy is refused when it is written; wildcards count in both"
        " directions, so an exception from a wildcard cannot be said this way.",
        since="All versions with overrides.",
        fix="List the namespaces by name, each once.",
        references=("2.10", "2.11", "T28"),
        find=overlapping_overrides,
    ),
    Lint(
        id="override-at-policy",
        severity=Severity.WARNING,
        title="Overrides stand at the policy, where they are deprecated",
        what_happens="They work until they are removed, and only as long as no rule states an"
        " action of its own.",
        since="Deprecated since Kyverno 1.13.",
        fix="Write validate.failureActionOverrides on each rule.",
        references=("2.2",),
        find=spec_level_overrides,
    ),
    Lint(
        id="override-freezes-objects",
        severity=Severity.WARNING,
        title="Under an override to Enforce what already fails can no longer be edited",
        what_happens="The allowance for existing failures looks at the base action only, which is"
        " Audit here. In the overridden namespaces every update of a failing object is refused:"
        " labels, replicas, finalizers.",
        since="Kyverno 1.13 to 1.19.",
        fix="Put a second policy with base Enforce beside it for these namespaces.",
        references=("T5", "2.28"),
        find=override_freezes,
    ),
)
