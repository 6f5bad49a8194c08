"""Texts that are made to take long: each check ends soon, whatever it is given."""

import time
from collections.abc import Callable

import pytest

from policies.domain.profiles import Check
from policies.domain.profiles.apparmor import check_apparmor
from policies.domain.profiles.seccomp import check_seccomp
from tests.unit.domain.profiles.apparmor_texts import profile

SECONDS = 60
"""A busy machine's patience; what grows with the square of these texts takes minutes."""
HEAD = '{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": ['


def rules(unit: str) -> str:
    return HEAD + ",".join([unit] * 6000) + "]}"


@pytest.mark.parametrize(
    ("check", "text"),
    [
        (check_seccomp, rules('{"names": ["open", "openat"], "action": "SCMP_ACT_ALLOW"}')),
        (check_seccomp, HEAD + ",".join(f'{{"names": ["opne{n}"]}}' for n in range(6000)) + "]}"),
        (check_seccomp, f'{{"{"a" * 90000}": {{"{"b" * 90000}": [{"1," * 50000}1]}}}}'),
        (check_apparmor, profile(*["/x r"] * 20000)),
        (check_apparmor, profile("foo", *["deny"] * 40000)),
        (check_apparmor, "{ " * 50000),
        (check_apparmor, "".join(f"profile a{n} {{}}\n" for n in range(10000))),
        (
            check_apparmor,
            profile(
                *(f"/**a{n}**b*/{{x,y}}** rw," for n in range(2000)),
                *(f"deny /**b{n}*{{p,q}}*c** w," for n in range(2000)),
            ),
        ),
    ],
)
def test_hostile_text_is_checked_soon(check: Callable[[str], Check], text: str) -> None:
    before = time.monotonic()

    assert check(text).verdicts

    assert time.monotonic() - before < SECONDS


def test_comparison_that_is_given_up_is_told() -> None:
    text = profile(
        *(f"/a{n}/** rw," for n in range(400)), *(f"deny /*/b{n}/** w," for n in range(400))
    )

    (told,) = [f for f in check_apparmor(text).findings if f.id == "not-judged"]

    assert "there are too many" in told.what


def test_very_many_errors_end_the_reading() -> None:
    errors = [f for f in check_apparmor(profile(*["/x rz,"] * 5000)).findings if f.fix]

    assert len(errors) < 150
