"""Whether a rule of a ClusterPolicy matches anything in a namespace, by what it matches and excludes."""

from collections.abc import Iterator, Mapping
from typing import Any

from policies.domain.label_selectors import read_selector
from policies.domain.lint.policy import Rule, kind_of
from policies.domain.lint.reading import mapping, mappings, words
from policies.domain.overrides import Place
from policies.domain.wildcards import matches

_WHOLE = frozenset({"namespaces", "namespaceSelector", "kinds"})
"""What a filter may say that leaves out a namespace as a whole."""


def rule_reaches(rule: Rule, place: Place) -> bool | None:
    """Say whether a rule matches anything in a namespace; None when a selector makes no sense."""
    matched = _matches(mapping(rule.body.get("match")), place)
    if matched is False or _excludes(rule, place):
        return False
    return matched


def _matches(match: Mapping[str, Any], place: Place) -> bool | None:
    of_any = [_fits(block, place) for block in _filters(match, "any")]
    of_all = [_fits(block, place) for block in _filters(match, "all")]
    if "resources" in match:
        of_all.append(_fits(match, place))
    if of_any and not any(of_any):
        return None if None in of_any else False
    if not all(of_all):
        return False if False in of_all else None
    return True


def _filters(match: Mapping[str, Any], quantifier: str) -> Iterator[Mapping[str, Any]]:
    for _place, block in mappings(match.get(quantifier)):
        yield block


def _fits(block: Mapping[str, Any], place: Place) -> bool | None:
    """Say whether a filter lets a namespace through, whatever else it asks."""
    resources = mapping(block.get("resources"))
    names = words(resources.get("namespaces"))
    if names and not any(matches(pattern, place.name) for pattern in names):
        return False
    selector = read_selector(resources.get("namespaceSelector"))
    return None if selector is None else selector.matches(place.labels)


def _excludes(rule: Rule, place: Place) -> bool:
    """Say whether an exclude leaves the whole namespace out, for all kinds that the rule matches."""
    stated = mapping(rule.body.get("exclude"))
    blocks = [*_filters(stated, "any"), *([stated] if "resources" in stated else [])]
    if any(_is_whole(block, rule) and _fits(block, place) for block in blocks):
        return True
    of_all = list(_filters(stated, "all"))
    return bool(of_all) and all(_is_whole(b, rule) and _fits(b, place) for b in of_all)


def _is_whole(block: Mapping[str, Any], rule: Rule) -> bool:
    resources = mapping(block.get("resources"))
    if set(block) != {"resources"} or not set(resources) <= _WHOLE:
        return False
    if not (words(resources.get("namespaces")) or resources.get("namespaceSelector")):
        return False
    kinds = {kind_of(text) for text in words(resources.get("kinds"))}
    return not kinds or "*" in kinds or set(rule.kinds) <= kinds
