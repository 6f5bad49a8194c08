"""Patterns of Localhost profiles: anchored, and folders are borders."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.domain.patterns import LONGEST_VALUE, expression_of, matches, matches_any


@pytest.mark.parametrize(
    ("pattern", "value", "fits"),
    [
        ("operator/*.json", "operator/a.json", True),
        ("operator/*.json", "operator/.json", True),
        ("operator/*.json", "operator/ns/a.json", False),
        ("operator/**.json", "operator/ns/a.json", True),
        ("operator/*.json", "operator/axjson", False),
        ("operator/*.json", "operator/a.json.bak", False),
        ("operator/*.json", "xoperator/a.json", False),
        ("operator/*.json", "operator/a.json\n", False),
        ("k8s-*", "k8s-web\nk8s-other", True),
        ("k8s-*", "K8s-web", False),
        ("a+b", "a+b", True),
        ("a+b", "aab", False),
        ("**", "", True),
        ("**", "any/thing", True),
        ("**", "x" * (LONGEST_VALUE + 1), False),
        ("*log-enricher-trace*", "operator/log-enricher-trace.json", False),
        ("**log-enricher-trace*", "operator/log-enricher-trace.json", True),
        ("***", "a/b", True),
    ],
)
def test_matches_takes_the_whole_value(pattern: str, value: str, fits: bool) -> None:
    assert matches(pattern, value) is fits


def test_matches_any_without_patterns_is_false() -> None:
    assert not matches_any((), "a")
    assert expression_of(()) == ""


NAMES = st.text(alphabet="abAB._:@+/-", max_size=12)


@given(name=NAMES)
def test_matches_pattern_without_wildcards_is_equality(name: str) -> None:
    assert matches(name, name)
    assert not matches(name, name + "a")


@given(names=st.lists(NAMES, min_size=1, max_size=4), value=NAMES)
def test_matches_any_is_any_of_the_patterns(names: list[str], value: str) -> None:
    assert matches_any(names, value) is any(matches(name, value) for name in names)
