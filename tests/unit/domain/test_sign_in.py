"""Groups from claims, factors from claims, what is unproven, and what a browser calls itself."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from policies.domain.authority import Act
from policies.domain.sign_in import (
    DEMANDS,
    device,
    factor_given_at,
    groups_named,
    our_groups,
    unproven_acts,
)
from secprof_site.sign_in import DEMANDS as WORDS

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("claims", "claim", "expected"),
    [
        ({"groups": ["a", "b", "a"]}, "groups", ("a", "b")),
        ({"groups": "a"}, "groups", ("a",)),
        ({"groups": ["a", 7, None, "", {"b": 1}]}, "groups", ("a",)),
        ({"realm": {"roles": ["a"]}}, "realm.roles", ("a",)),
        ({"https://x.example/groups": ["a"]}, "https://x.example/groups", ("a",)),
        ({"realm": "text"}, "realm.roles", ()),
        ({"groups": 7}, "groups", ()),
        ({}, "groups", ()),
    ],
)
def test_groups_named_reads_what_is_text(
    claims: dict[str, Any], claim: str, expected: tuple[str, ...]
) -> None:
    assert groups_named(claims, claim) == expected


@pytest.mark.parametrize(
    ("named", "mapping", "expected"),
    [
        (("sec", "other"), (("sec", "approvers"),), ("approvers",)),
        (("sec",), (("sec", "a"), ("sec", "b")), ("a", "b")),
        (
            ("secprof-x", "secprof-y", "z"),
            (("secprof-*", "secprof-*"),),
            ("secprof-x", "secprof-y"),
        ),
        (("admin",), (), ()),
        (("secprof-" + "x" * 150,), (("secprof-*", "secprof-*"),), ()),
    ],
)
def test_our_groups_gives_only_what_is_mapped(
    named: tuple[str, ...], mapping: tuple[tuple[str, str], ...], expected: tuple[str, ...]
) -> None:
    assert our_groups(named, mapping) == expected


def given(claims: dict[str, Any]) -> datetime | None:
    return factor_given_at(claims, amr=("mfa",), acr=("gold",), now=NOW)


@pytest.mark.parametrize(
    "claims",
    [{}, {"amr": ["pwd"]}, {"amr": 7}, {"amr": [["mfa"]]}, {"acr": "bronze"}, {"acr": None}],
)
def test_factor_given_at_without_its_claim_is_none(claims: dict[str, Any]) -> None:
    assert given(claims) is None


@pytest.mark.parametrize("claims", [{"amr": ["pwd", "mfa"]}, {"amr": "mfa"}, {"acr": "gold"}])
def test_factor_given_at_with_its_claim_is_now(claims: dict[str, Any]) -> None:
    assert given(claims) == NOW


@pytest.mark.parametrize(
    ("auth_time", "expected"),
    [
        ((NOW - timedelta(hours=1)).timestamp(), NOW - timedelta(hours=1)),
        ((NOW + timedelta(days=900)).timestamp(), NOW),
        (10**40, NOW),
        (-5, NOW),
        ("soon", NOW),
        (True, NOW),
    ],
)
def test_factor_given_at_takes_the_providers_time_but_none_to_come(
    auth_time: object, expected: datetime
) -> None:
    assert given({"amr": ["mfa"], "auth_time": auth_time}) == expected


@pytest.mark.parametrize(
    ("age_seconds", "proven"), [(0, True), (899, True), (900, False), (-1, False), (None, False)]
)
def test_unproven_acts_end_with_the_proof(age_seconds: int | None, proven: bool) -> None:
    at = None if age_seconds is None else NOW - timedelta(seconds=age_seconds)

    found = unproven_acts(("approve", "weaken"), proven_at=at, now=NOW, valid_seconds=900)

    demanded = {Act.DECIDE_FLIP, Act.DECIDE_EXCEPTION, Act.ROLL_BACK, Act.END_EXCEPTION}
    assert found == (frozenset() if proven else demanded)


def test_unproven_acts_nothing_demanded_is_nothing() -> None:
    assert unproven_acts((), proven_at=None, now=NOW, valid_seconds=900) == frozenset()


def test_every_word_of_the_setting_stands_for_acts() -> None:
    assert set(WORDS) == set(DEMANDS)


@pytest.mark.parametrize(
    ("user_agent", "expected"),
    [
        (
            "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
            "Firefox on Linux",
        ),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko)"
            " Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0",
            "Edge on Windows",
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15"
            " (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1",
            "Safari on iPhone or iPad",
        ),
        ("curl/8.1", "curl"),
        ("Linux", "Linux"),
        ("", "unknown device"),
    ],
)
def test_device_says_what_a_browser_calls_itself(user_agent: str, expected: str) -> None:
    assert device(user_agent) == expected
