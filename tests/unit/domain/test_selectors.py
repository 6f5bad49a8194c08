"""Label selectors: what is read, what is refused, and which labels match."""

import pytest

from policies.domain.selectors import LONGEST, InvalidSelector, parse_selector

LABELS = {"team": "web", "env": "prod", "kubernetes.io/metadata.name": "shop"}


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("team=web", True),
        ("team==web", True),
        ("team = web , env=prod", True),
        ("team=web,env=dev", False),
        ("team!=data", True),
        ("team!=web", False),
        ("absent!=x", True),
        ("env in (prod,staging)", True),
        ("env in ( staging )", False),
        ("env notin (dev),team", True),
        ("absent notin (x)", True),
        ("absent in (x)", False),
        ("team", True),
        ("!team", False),
        ("! absent", True),
        ("kubernetes.io/metadata.name in (shop)", True),
        ("team=", False),
    ],
)
def test_selector_matches_as_in_kubernetes(text: str, matches: bool) -> None:
    assert parse_selector(text).matches(LABELS) is matches


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "at least one condition"),
        ("  ", "at least one condition"),
        ("team=web,", "no condition"),
        ("team=a b", "no condition"),
        ("env in prod", "no condition"),
        ("env in (prod", "no condition"),
        ("-x=1", "no name of a label"),
        ("a/b/c=1", "no name of a label"),
        ("team=-x", "no value of a label"),
        ("team in (a,$)", "no value of a label"),
        ("x" * (LONGEST + 1), "at most"),
    ],
)
def test_selector_that_is_none_is_refused_with_its_part(text: str, said: str) -> None:
    with pytest.raises(InvalidSelector, match=said):
        parse_selector(text)
