"""Signing in, as far as it can be judged without a browser: what happened, which groups a provider's claims give,
whether a second factor was given, and for what it is demanded. Knows neither sessions nor passwords.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from policies.domain.authority import Act

NAME_LIMIT = 150
"""As long as a user's name may be; what was typed in its place is cut."""


class SignInEvent(StrEnum):
    """What the trail says about signing in; the value is its verb."""

    SIGNED_IN = "sign_in.done"
    FAILED = "sign_in.failed"
    SIGNED_OUT = "sign_in.out"
    FACTOR_ADDED = "sign_in.factor_added"
    FACTOR_REMOVED = "sign_in.factor_removed"
    FACTOR_FAILED = "sign_in.factor_failed"
    CODES_MADE = "sign_in.codes_made"
    CODE_USED = "sign_in.code_used"
    CONFIRMED = "sign_in.confirmed"
    NOT_CONFIRMED = "sign_in.not_confirmed"
    PASSWORD_CHANGED = "sign_in.password_changed"
    SESSION_ENDED = "sign_in.session_ended"
    GROUPS_CHANGED = "sign_in.groups_changed"


DEMANDS: Mapping[str, frozenset[Act]] = {
    "approve": frozenset({Act.DECIDE_FLIP, Act.DECIDE_EXCEPTION}),
    "override": frozenset({Act.OVERRIDE_GATES}),
    "weaken": frozenset({Act.ROLL_BACK, Act.END_EXCEPTION}),
}
"""What each word of SECPROF_SECOND_FACTOR_FOR stands for."""


def unproven_acts(
    demanded: Iterable[str], *, proven_at: datetime | None, now: datetime, valid_seconds: int
) -> frozenset[Act]:
    """Name the acts that a second factor is demanded for and was not given for, or too long ago."""
    if proven_at is not None and proven_at <= now < proven_at + timedelta(seconds=valid_seconds):
        return frozenset()
    return frozenset[Act]().union(*(DEMANDS[word] for word in demanded))


def groups_named(claims: Mapping[str, Any], claim: str) -> tuple[str, ...]:
    """Read the provider's groups from a claim, a dotted path into nested claims; anything but text is passed over."""
    found: Any = claims.get(claim)
    if found is None:
        found = claims
        for part in claim.split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
    if isinstance(found, str):
        found = [found]
    if not isinstance(found, list | tuple):
        return ()
    return tuple(dict.fromkeys(name for name in found if isinstance(name, str) and name))


def our_groups(
    named: Iterable[str], mapping: Iterable[tuple[str, str]], *, longest: int = NAME_LIMIT
) -> tuple[str, ...]:
    """Turn the provider's groups into ours; those that no entry names give nothing."""
    given = tuple(named)
    ours: set[str] = set()
    for theirs, name in mapping:
        if theirs.endswith("*"):
            ours.update(each for each in given if each.startswith(theirs[:-1]))
        elif theirs in given:
            ours.add(name)
    return tuple(sorted(name for name in ours if len(name) <= longest))


def factor_given_at(
    claims: Mapping[str, Any], *, amr: Iterable[str], acr: Iterable[str], now: datetime
) -> datetime | None:
    """Say when the provider asked for a second factor, or None when its token does not say that it did.

    Without a time of its own in the token the factor counts as given now; one in the future does not count as later.
    """
    methods = claims.get("amr")
    given = {methods} if isinstance(methods, str) else set(_texts(methods))
    if not given & set(amr) and claims.get("acr") not in set(acr):
        return None
    at = claims.get("auth_time")
    if isinstance(at, bool) or not isinstance(at, int | float) or at <= 0:
        return now
    return min(now, datetime.fromtimestamp(min(at, now.timestamp()), UTC))


def _texts(values: Any) -> Iterable[str]:
    return (value for value in values if isinstance(value, str)) if isinstance(values, list) else ()


_BROWSERS = (
    ("Edge", r"Edg(?:e|A|iOS)?/"),
    ("Opera", r"OPR/"),
    ("Firefox", r"(?:Firefox|FxiOS)/"),
    ("Chromium", r"(?:Headless)?Chrom(?:e|ium)/|CriOS/"),
    ("Safari", r"Safari/"),
    ("curl", r"^curl/"),
)
_SYSTEMS = (
    ("iPhone or iPad", r"iPhone|iPad"),
    ("Android", r"Android"),
    ("Windows", r"Windows"),
    ("macOS", r"Macintosh|Mac OS X"),
    ("Linux", r"Linux|X11"),
)


def device(user_agent: str) -> str:
    """Say what a browser calls itself: `Firefox on Linux`."""
    browser = _first(_BROWSERS, user_agent)
    system = _first(_SYSTEMS, user_agent)
    if browser and system:
        return f"{browser} on {system}"
    return browser or system or "unknown device"


def _first(names: Iterable[tuple[str, str]], text: str) -> str:
    return next((name for name, pattern in names if re.search(pattern, text)), "")
