"""JSON with places: lines of values, errors with line and column, and what is refused for its size."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.domain.profiles.json_text import MAX_BYTES, MAX_DEPTH, MalformedJson, read_json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(VALUES)
def test_reading_what_json_wrote_gives_it_back(value: object) -> None:
    assert read_json(json.dumps(value, indent=1)).value == value


@given(st.text(alphabet='{}[]",:0123456789eE.-+ntruefalsx\\ \n', max_size=40))
def test_reading_agrees_with_json_on_what_is_malformed(text: str) -> None:
    try:
        wanted = json.loads(text, parse_constant=lambda _: 1 / 0)
    except (ValueError, ZeroDivisionError):
        with pytest.raises(MalformedJson):
            read_json(text)
    else:
        if repr(wanted) == repr(json.loads(json.dumps(wanted))) and len(text) < 40:
            assert read_json(text).value == wanted


@pytest.mark.parametrize(
    ("text", "line", "column", "what"),
    [
        ("", 1, 1, "ends too early"),
        ('{\n  "a": 1,\n}', 2, 9, "comma after the last"),
        ("{\n  'a': 1}", 2, 3, "double quotes"),
        ('{"a" 1}', 1, 6, "colon"),
        ("[1 2]", 1, 4, "comma or ]"),
        ("[1] []", 1, 5, "after the end"),
        ('["a\n"]', 1, 2, "no end"),
        ('["\\ud800"]', 1, 2, "no character"),
        ('["\\x"]', 1, 2, "no character"),
        ("[NaN]", 1, 2, "value was expected"),
        ("[-]", 1, 2, "value was expected"),
        (f"[{'1' * 41}]", 1, 2, "too long"),
    ],
)
def test_malformed_text_is_told_with_its_place(
    text: str, line: int, column: int, what: str
) -> None:
    with pytest.raises(MalformedJson, match=what) as trouble:
        read_json(text)

    assert (trouble.value.line, trouble.value.column) == (line, column)


def test_depth_and_size_are_capped() -> None:
    assert read_json("[" * MAX_DEPTH + "]" * MAX_DEPTH)
    with pytest.raises(MalformedJson, match="levels"):
        read_json("[" * 100_000)
    with pytest.raises(MalformedJson, match="1 MiB"):
        read_json(f'"{"é" * (MAX_BYTES // 2)}"')


def test_lines_are_those_of_keys_and_items() -> None:
    document = read_json('{\n"a": [\n1,\n{"b":\n2}]}')

    assert document.line("$.a") == 2
    assert document.line("$.a[0]") == 3
    assert document.line("$.a[1].b") == 4
    assert document.line("$.a[1].missing[3]") == 4


def test_key_that_stands_twice_is_told() -> None:
    document = read_json('{"a": {"b": 1, "b": 2}}')

    assert document.twice == ("$.a.b",)
    assert document.value == {"a": {"b": 2}}
