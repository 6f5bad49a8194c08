"""Whether reports tell of what a policy finds in a namespace: the other half of what Kyverno does, beside admission.

Scans pass over the engine's resourceFilters (kyverno-facts 5.31), so that a namespace may be reported on where nothing is judged.
"""

from enum import StrEnum

from policies.domain.enforceability import lets_through
from policies.domain.engine_settings import Condition
from policies.domain.label_selectors import read_selector
from policies.domain.lint.policy import Family, Policy
from policies.domain.lint.reading import mapping, mappings, word
from policies.domain.matching import rule_reaches
from policies.domain.overrides import Place

NO_REPORTS_LABEL = "reports.kyverno.io/disabled"


class Reported(StrEnum):
    """What of a policy's findings reaches reports."""

    SCANS = "by scans"
    """What is there is judged again and again."""
    REQUESTS = "of requests only"
    """What was there before the policy is never reported."""
    NEVER = "never"
    UNKNOWN = "unknown"


def reported_in(policy: Policy, place: Place) -> Reported:
    """Say what reaches reports from one namespace, by the policy alone; the engine's flags may still keep it back."""
    if NO_REPORTS_LABEL in policy.labels:
        return Reported.NEVER
    matched = matches_in(policy, place)
    if matched is None:
        return Reported.UNKNOWN
    if not matched:
        return Reported.NEVER
    if _is_scanned(policy):
        return Reported.SCANS
    return Reported.NEVER if place.obstacle else Reported.REQUESTS


def matches_in(policy: Policy, place: Place) -> bool | None:
    """Say whether the policy matches anything in a namespace; None when that cannot be told."""
    if policy.family is not Family.CEL:
        reached = [rule_reaches(rule, place) for rule in policy.validating]
        return True if any(reached) else None if None in reached else False
    match = mapping(policy.spec.get("matchConstraints"))
    selector = read_selector(match.get("namespaceSelector"))
    if selector is None:
        return None
    answers = [lets_through(each, place.name) for each in conditions_of(policy)]
    return selector.matches(place.labels) and False not in answers


def conditions_of(policy: Policy) -> tuple[Condition, ...]:
    """Give the matchConditions of a ValidatingPolicy."""
    return tuple(
        Condition(word(each.get("name")), word(each.get("expression")))
        for _place, each in mappings(policy.spec.get("matchConditions"))
    )


def _is_scanned(policy: Policy) -> bool:
    if policy.family is Family.CEL:
        evaluation = mapping(policy.spec.get("evaluation"))
        return mapping(evaluation.get("background")).get("enabled") is not False
    return policy.spec.get("background") is not False
