"""Label selectors as Kubernetes writes them: parsed, and put to the labels of one object."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from policies.domain.names import is_label_key, is_label_value

_PARTS = re.compile(r",(?![^(]*\))")
_SET = re.compile(r"(?P<key>\S+)\s+(?P<word>in|notin)\s*\((?P<values>[^()]*)\)")
_EQUAL = re.compile(r"(?P<key>[^\s=!]+)\s*(?P<sign>==|=|!=)\s*(?P<value>\S*)")
_EXISTS = re.compile(r"(?P<negated>!?)\s*(?P<key>[^\s=!()]+)")
LONGEST = 500
"""Characters of a selector."""


class InvalidSelector(ValueError):
    """This is no label selector; the message says which part is not."""


class Operator(StrEnum):
    IN = "in"
    NOT_IN = "notin"
    EXISTS = "exists"
    ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class Requirement:
    """One condition on one label."""

    key: str
    operator: Operator
    values: tuple[str, ...] = ()
    """Sorted; empty for `exists` and `absent`."""

    def holds(self, labels: Mapping[str, str]) -> bool:
        """Say whether these labels meet it; an absent label meets `notin`, as in Kubernetes."""
        if self.operator is Operator.IN:
            return labels.get(self.key) in self.values
        if self.operator is Operator.NOT_IN:
            return labels.get(self.key) not in self.values
        return (self.key in labels) is (self.operator is Operator.EXISTS)


@dataclass(frozen=True, slots=True)
class Selector:
    """Conditions that must all hold."""

    requirements: tuple[Requirement, ...]

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Say whether all conditions hold for these labels."""
        return all(requirement.holds(labels) for requirement in self.requirements)


def parse_selector(text: str) -> Selector:
    """Read `team=web,env in (prod,staging),!legacy`.

    Raises InvalidSelector, for an empty text too: it would match everything, and nobody may mean that by leaving a
    field empty.
    """
    if len(text) > LONGEST:
        raise InvalidSelector(f"A label selector has at most {LONGEST} characters.")
    parts = [part.strip() for part in _PARTS.split(text)]
    if parts == [""]:
        raise InvalidSelector("A label selector needs at least one condition, such as team=web.")
    return Selector(tuple(_requirement(part) for part in parts))


def _requirement(part: str) -> Requirement:
    if found := _SET.fullmatch(part):
        values = tuple(sorted({value.strip() for value in found["values"].split(",")}))
        return _checked(part, Requirement(found["key"], Operator(found["word"]), values))
    if found := _EQUAL.fullmatch(part):
        operator = Operator.NOT_IN if found["sign"] == "!=" else Operator.IN
        return _checked(part, Requirement(found["key"], operator, (found["value"],)))
    if found := _EXISTS.fullmatch(part):
        operator = Operator.ABSENT if found["negated"] else Operator.EXISTS
        return _checked(part, Requirement(found["key"], operator))
    raise InvalidSelector(f"“{part}” is no condition on a label. Write team=web or env in (a,b).")


def _checked(part: str, requirement: Requirement) -> Requirement:
    if not is_label_key(requirement.key):
        raise InvalidSelector(f"“{requirement.key}” in “{part}” is no name of a label.")
    for value in requirement.values:
        if value and not is_label_value(value):
            raise InvalidSelector(f"“{value}” in “{part}” is no value of a label.")
    return requirement
