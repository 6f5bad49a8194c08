"""What all kinds of policies have in common: checks with their words, conditions, and where they hold.

Expressions are not evaluated as CEL. Each is compared with what the library compiles for the same parameters.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from policies.domain import library
from policies.domain.controls import Control
from sandbox.known import Known, UnknownPolicy, pairs
from sandbox.store import Manifest

NAMESPACE_LIST = re.compile(
    r"(?P<no>!\()?request\.namespace in \[(?P<names>\s*('[a-z0-9-]*'(\s*,\s*'[a-z0-9-]*')*)?\s*)\](?(no)\))"
)

NAMESPACE_IS = re.compile(r"request\.namespace == '([a-z0-9-]+)'")


@dataclass(frozen=True, slots=True)
class Check:
    """One control, with the words for those who fail it."""

    control: Control
    message: str
    """What is said where nobody is named."""
    names: library.Check | None
    """The library's own words, which name those at fault; None where the policy has none of them."""

    def said(self, names: Iterable[str]) -> str:
        return self.message if self.names is None else self.names.message_for(names)


@dataclass(frozen=True, slots=True)
class Scope:
    """Where something holds."""

    only: frozenset[str] | None = None
    """None for everywhere."""
    excluded: frozenset[str] = frozenset()

    def __contains__(self, namespace: object) -> bool:
        return (self.only is None or namespace in self.only) and namespace not in self.excluded

    def within(self, other: "Scope") -> "Scope":
        """Give where both hold."""
        lists = [each.only for each in (self, other) if each.only is not None]
        only = frozenset.intersection(*lists) if lists else None
        return Scope(only, self.excluded | other.excluded)


EVERYWHERE = Scope()


def conditions_of(conditions: list[Any], parts: Known) -> tuple[Scope, bool]:
    """Read match conditions: where they hold, and whether only changed pod specs count."""
    scope = EVERYWHERE
    changed_only = False
    for condition in conditions:
        text = condition["expression"]
        listed = NAMESPACE_LIST.fullmatch(text)
        if listed:
            names = frozenset(re.findall(r"'([^']*)'", listed["names"]))
            scope = scope.within(Scope(None, names) if listed["no"] else Scope(names))
        elif text in parts.changed:
            changed_only = True
        elif text not in parts.harmless:
            raise UnknownPolicy(text)
    return scope, changed_only


def checks_of(
    expressions: list[Any] | None, variables: list[Any] | None, parts: Known, default: str = ""
) -> tuple[Check, ...]:
    """Read the validations of a policy or rule. Raises UnknownPolicy."""
    checks = []
    for entry in filled(expressions, "validations"):
        only(entry, "validations", "expression message messageExpression")
        check = parts.checks.get(entry["expression"])
        if check is None:
            raise UnknownPolicy(entry["expression"])
        if (check.expression, pairs(variables)) not in parts.variables:
            raise UnknownPolicy("its variables")
        naming = entry.get("messageExpression")
        if naming not in (None, check.message_expression):
            raise UnknownPolicy(naming)
        message = entry.get("message") or default or _no_message(entry)
        checks.append(Check(check.control, message, None if naming is None else check))
    return tuple(checks)


def _no_message(entry: Manifest) -> str:
    return f"failed expression: {entry['expression']}"


def only(part: Manifest, path: str, known: str) -> None:
    for key in part:
        if key not in known.split():
            raise UnknownPolicy(f"{path}.{key}")


def filled(values: list[Any] | None, path: str) -> list[Any]:
    if not values:
        raise UnknownPolicy(f"no {path}")
    return values
