"""The canonical form: fixed for good, the same for the same row, another for any other."""

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from policies.domain.trail import canonical, hash_of, plain, plain_text, sealed
from tests.unit.domain.trail.chains import row


def test_form_of_a_row_never_changes() -> None:
    written = canonical(row(7, message='Größe "1"\n', details={"b": [1, None, True], "a": {}}))

    assert written.decode() == (
        '{"actor":"operator","at":"2026-03-01T12:07:00.250000Z","cluster":"prod",'
        '"details":{"a":{},"b":[1,null,true]},"exception_id":"",'
        '"flip_id":"3f1c9a52-0000-4000-8000-000000000000","form":1,"message":"Größe \\"1\\"\\n",'
        '"namespaces":["shop"],"outcome":"ok","plan_digest":"' + "7f3a" * 16 + '",'
        '"previous_hash":"' + "0" * 64 + '","sequence":7,"variant":"require-seccomp",'
        '"verb":"flip.requested"}'
    )
    assert hash_of(row(7)) == "8fc74d279641f89c56d08382c7c1da8a74af1a82bafeac9e60e95619641d1db6"
    assert sealed(row(7)).hash == hashlib.sha256(canonical(row(7))).hexdigest()


def test_hash_is_over_everything_but_itself() -> None:
    assert hash_of(replace(row(1), hash="f" * 64)) == hash_of(row(1))


@pytest.mark.parametrize(
    "at",
    [
        datetime(2026, 3, 1, 12, 1, 0, 250_000, tzinfo=UTC),
        datetime(2026, 3, 1, 14, 1, 0, 250_000, tzinfo=timezone(timedelta(hours=2))),
    ],
)
def test_same_time_in_another_zone_is_the_same_row(at: datetime) -> None:
    assert hash_of(row(1, at=at)) == hash_of(row(1))


def test_time_without_zone_has_no_form() -> None:
    with pytest.raises(ValueError, match="zone"):
        hash_of(row(1, at=datetime(2026, 3, 1)))  # noqa: DTZ001


@pytest.mark.parametrize(
    "fields",
    [
        {"cluster": "prodrequire", "variant": "-seccomp"},
        {"namespaces": ("shop", "pay")},
        {"namespaces": ("shop,pay",)},
        {"namespaces": ()},
        {"details": {"asks": "enforce", "x": 1}},
        {"details": {"asks": ["enforce"]}},
        {"details": {"asks": True}},
        {"details": {"asks": 1}},
        {"details": {"asks": "1"}},
    ],
)
def test_rows_that_differ_have_other_hashes(fields: dict[str, Any]) -> None:
    others = [{}, {"details": {"asks": False}}, {"details": {"asks": 0}}]

    assert hash_of(row(1, **fields)) not in {hash_of(row(1, **other)) for other in others}


class Colour(StrEnum):
    RED = "red"


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (1.5, "1.5"),
        (1e300, "1e+300"),
        ((1, "a"), [1, "a"]),
        ({1: Colour.RED}, {"1": "red"}),
        ("a\0b\ud800", "a\ufffdb?"),
        ({"deep": [{"x": None}, True]}, {"deep": [{"x": None}, True]}),
    ],
)
def test_details_are_kept_as_every_database_gives_them_back(value: Any, kept: Any) -> None:
    assert plain(value) == kept
    assert json.loads(json.dumps(plain(value))) == plain(value)


def test_details_that_are_no_json_are_refused() -> None:
    with pytest.raises(TypeError, match="set cannot stand"):
        plain({"x": {1}})
    with pytest.raises(TypeError, match="bytes cannot stand"):
        plain(b"x")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(details=st.dictionaries(st.text(max_size=8), JSON, max_size=4))
def test_any_details_come_back_with_the_same_hash(details: dict[str, Any]) -> None:
    kept = plain(details)

    again = json.loads(json.dumps(kept))

    assert hash_of(row(1, details=again)) == hash_of(row(1, details=kept))


def test_text_that_every_database_takes_is_left_alone() -> None:
    assert plain_text("Größe 😀\n") == "Größe 😀\n"
