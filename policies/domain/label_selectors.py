"""Label selectors as objects of the API hold them: `matchLabels` and `matchExpressions`."""

from collections.abc import Mapping
from typing import Any

from policies.domain.selectors import Operator, Requirement, Selector

_OPERATORS = {
    "In": Operator.IN,
    "NotIn": Operator.NOT_IN,
    "Exists": Operator.EXISTS,
    "DoesNotExist": Operator.ABSENT,
}
_SIGNS = {Operator.IN: "in", Operator.NOT_IN: "not in"}


def read_selector(stated: object) -> Selector | None:
    """Read a selector; absent or empty it lets everything through. None when it makes no sense."""
    if stated is None:
        return Selector(())
    if not isinstance(stated, Mapping):
        return None
    labels, expressions = stated.get("matchLabels"), stated.get("matchExpressions")
    if not isinstance(labels or {}, Mapping) or not isinstance(expressions or [], list):
        return None
    plain = [
        Requirement(str(key), Operator.IN, (str(value),)) for key, value in (labels or {}).items()
    ]
    read = [_requirement(each) for each in expressions or []]
    known = [each for each in read if each is not None]
    return Selector((*plain, *known)) if len(known) == len(read) else None


def _requirement(stated: object) -> Requirement | None:
    expression: Mapping[str, Any] = stated if isinstance(stated, Mapping) else {}
    operator = _OPERATORS.get(str(expression.get("operator")))
    values = expression.get("values") or []
    if operator is None or not expression.get("key") or not isinstance(values, list):
        return None
    if (operator in _SIGNS) is not bool(values):
        return None
    return Requirement(str(expression["key"]), operator, tuple(sorted(map(str, values))))


def selector_text(selector: Selector) -> str:
    """Write a selector for people: `team in (a, b), legacy is absent`; empty when it lets everything through."""
    return ", ".join(map(_text, selector.requirements))


def _text(requirement: Requirement) -> str:
    if requirement.operator in _SIGNS:
        values = ", ".join(requirement.values)
        return f"{requirement.key} {_SIGNS[requirement.operator]} ({values})"
    word = "is set" if requirement.operator is Operator.EXISTS else "is absent"
    return f"{requirement.key} {word}"
