"""The failure action namespace by namespace, as each of the two places in Kyverno reads it that decide about it.

One chooses which rules judge before the answer is sent (`judged`), the other whether a failure refuses (`refused`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from policies.domain.lint.effects import (
    ACTION,
    OVERRIDES,
    SPEC_ACTION,
    SPEC_OVERRIDES,
    cel_actions,
    overrides_of,
)
from policies.domain.lint.policy import Family, Policy, Rule
from policies.domain.lint.reading import mapping, mappings, word, words

ELSEWHERE = ""
_UNNAMED = "\0"
"""Stands for a namespace that no list names: only `*` matches it."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What happens in one namespace, or everywhere else, to something that fails."""

    namespaces: str
    """A name or wildcard as it is written; `ELSEWHERE` for all that none names."""
    judged: str
    refused: str
    """`Enforce` or `Audit` each."""

    @property
    def agree(self) -> bool:
        return self.judged == self.refused


def action_of(policy: Policy, *, names_namespaces: bool = True) -> str:
    """Say in a few words what happens to something that fails."""
    if policy.family is Family.CEL:
        return ", ".join(cel_actions(policy))
    if policy.family is Family.NATIVE:
        return "By its bindings"
    seen = readings(policy)
    if not seen:
        return ""
    elsewhere, *named = seen
    if not elsewhere.agree or not all(r.agree for r in named):
        return "Read in two ways"
    others = [r.namespaces for r in named if r.refused != elsewhere.refused]
    if not others:
        return elsewhere.refused
    other = "Audit" if elsewhere.refused == "Enforce" else "Enforce"
    where = _short(others) if names_namespaces else "some namespaces"
    return f"{elsewhere.refused}; {other} in {where}"


def readings(policy: Policy) -> tuple[Reading, ...]:
    """Read the actions of all rules together, the strictest counting: everywhere else first, then what is named."""
    if not policy.validating:
        return ()
    wanted = [ELSEWHERE, *sorted(set(_named(policy)))]
    return tuple(_reading(policy, namespace) for namespace in wanted)


def _reading(policy: Policy, namespace: str) -> Reading:
    asked = namespace.replace("*", _UNNAMED).replace("?", _UNNAMED) or _UNNAMED
    judged = [_judged(policy, rule, asked) for rule in policy.validating]
    refused = [_refused(policy, rule, asked) for rule in policy.validating]
    return Reading(namespace, _strictest(judged), _strictest(refused))


def _named(policy: Policy) -> Iterator[str]:
    for rule in policy.validating:
        for entry in overrides_of(policy, rule):
            yield from words(entry.get("namespaces"))


def _judged(policy: Policy, rule: Rule, namespace: str) -> str:
    """One list of overrides, never merged; names or selector, and an entry without either is for all."""
    for entry in overrides_of(policy, rule):
        names = words(entry.get("namespaces"))
        if _among(namespace, names) or (not names and not _selects(entry)):
            return word(entry.get("action"))
    return word(rule.validate.get(ACTION)) or word(policy.spec.get(SPEC_ACTION))


def _refused(policy: Policy, rule: Rule, namespace: str) -> str:
    """The rule's overrides, the rule's action, the policy's overrides, the policy's action; names and selector."""
    steps = (
        (rule.validate.get(OVERRIDES), rule.validate.get(ACTION)),
        (policy.spec.get(SPEC_OVERRIDES), policy.spec.get(SPEC_ACTION)),
    )
    for overrides, action in steps:
        for _place, entry in mappings(overrides):
            names = words(entry.get("namespaces"))
            is_global = "namespaces" not in entry and not _selects(entry)
            # Whether a selector matches is not known here: it is taken not to.
            if not _selects(entry) and (_among(namespace, names) or is_global):
                return word(entry.get("action"))
        if action:
            return word(action)
    return ""


def _strictest(actions: list[str]) -> str:
    return "Enforce" if any(action.lower() == "enforce" for action in actions) else "Audit"


def _among(namespace: str, names: tuple[str, ...]) -> bool:
    return any(fnmatchcase(namespace, name) for name in names)


def _selects(entry: Mapping[str, Any]) -> bool:
    return any(mapping(entry.get("namespaceSelector")).values())


def _short(names: list[str]) -> str:
    return ", ".join(names[:2]) + (f" and {len(names) - 2} more" if len(names) > 2 else "")
