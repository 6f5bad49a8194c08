"""What a condition is worth before any request came, and where that is not certain."""

from typing import Any

import pytest

from policies.domain.lint.constants import holds

QUOTED = 'request.object.metadata.annotations."x/*"'
ABSENT = f"{{{{ {QUOTED} || '' }}}}"
OPEN = "{{ request.operation }}"
TEMPLATE = "{{ request.object.spec.template.a || '' }}"


def one(key: Any, operator: str, value: Any) -> dict[str, Any]:
    return {"key": key, "operator": operator, "value": value}


TRUE, FALSE = one("a", "Equals", "a"), one("a", "Equals", "b")
UNSURE = one(OPEN, "Equals", "a")


@pytest.mark.parametrize(
    ("conditions", "kind", "verdict"),
    [
        ([TRUE, TRUE], "Pod", True),
        ([TRUE, FALSE], "Pod", False),
        ([TRUE, UNSURE], "Pod", None),
        ({"any": [FALSE, TRUE]}, "Pod", True),
        ({"any": [FALSE, UNSURE]}, "Pod", None),
        ({"any": [FALSE]}, "Pod", False),
        ({"any": [TRUE], "all": [FALSE]}, "Pod", False),
        ({"any": [TRUE], "all": [TRUE]}, "Pod", True),
        ({}, "Pod", None),
        (None, "Pod", None),
        ([], "Pod", None),
        ([one(ABSENT, "Equals", "")], "Pod", True),
        ([one(ABSENT, "In", ["a/*", ""])], "Pod", True),
        ([one(ABSENT, "NotIn", ["a"])], "Pod", True),
        ([one(ABSENT, "AnyNotIn", [""])], "Pod", False),
        ([one(ABSENT, "LessThan", "1")], "Pod", None),
        ([one(ABSENT, "Equals", 1)], "Pod", None),
        ([one(ABSENT, "Equals", "{{ x }}")], "Pod", None),
        ([one(1, "Equals", "1")], "Pod", None),
        ([one(TEMPLATE, "Equals", "x")], "Pod", False),
        ([one(TEMPLATE, "Equals", "x")], "Deployment", None),
        ([one(TEMPLATE, "Equals", "x")], "Rollout", None),
        ([one("{{ request.object.spec.containers[0].a || '' }}", "Equals", "x")], "Job", False),
        ([one("{{ request.object.spec.template.a || b || '' }}", "Equals", "x")], "Pod", None),
        ([one("{{ length(request.object.spec.template) || '' }}", "Equals", "x")], "Pod", None),
        ([one(f"{{{{ {QUOTED} || x || '' }}}}", "Equals", "x")], "Pod", None),
        ([one("{{ request.namespace || '' }}", "Equals", "x")], "Pod", None),
        ([one("a {{ x || '' }}", "Equals", "x")], "Pod", None),
    ],
)
def test_holds_conditions_are_certain_or_open(
    conditions: Any, kind: str, verdict: bool | None
) -> None:
    assert holds(conditions, kind) is verdict
