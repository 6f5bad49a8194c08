"""Custom seccomp and AppArmor profiles: what their texts mean, for whom, and in which form they reach a node."""

import hashlib
import re

from policies.domain.controls import Mechanism
from policies.domain.profiles.apparmor import ABSENT, ParserAnswer, ParserOutcome, check_apparmor
from policies.domain.profiles.findings import (
    Answer,
    Check,
    Effect,
    Finding,
    Question,
    Severity,
    Verdict,
)
from policies.domain.profiles.seccomp import check_seccomp

__all__ = [
    "ABSENT",
    "MAX_BYTES",
    "Answer",
    "Check",
    "Effect",
    "Finding",
    "InvalidProfile",
    "ParserAnswer",
    "ParserOutcome",
    "Question",
    "Severity",
    "Verdict",
    "check_profile",
    "refuse_name",
    "refuse_text",
    "sha256_of",
]

MAX_BYTES = 1024 * 1024
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


class InvalidProfile(ValueError):
    """This cannot be kept as a profile; the message says why."""


def check_profile(mechanism: Mechanism, text: str, parser: ParserAnswer = ABSENT) -> Check:
    """Check a text as what it is meant to be; `parser` is what `apparmor_parser` said, if it was asked."""
    if mechanism is Mechanism.SECCOMP:
        return check_seccomp(text)
    return check_apparmor(text, parser)


def refuse_name(name: str) -> None:
    """Raise InvalidProfile unless the name fits a file, an object of Kubernetes and an AppArmor profile."""
    if not _NAME.fullmatch(name):
        raise InvalidProfile(
            "A name has small letters, digits and hyphens, 63 at most, and starts and ends with a letter or digit."
        )


def refuse_text(text: str) -> None:
    """Raise InvalidProfile for what cannot be kept at all; a text with errors can."""
    if not text.strip():
        raise InvalidProfile("The text is empty.")
    if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise InvalidProfile("The text is larger than 1 MiB.")
    if "\0" in text or any("\ud800" <= sign <= "\udfff" for sign in text):
        raise InvalidProfile("The text holds bytes that are no characters.")


def sha256_of(text: str) -> str:
    """Give the digest of a text as a node's file would have it."""
    return hashlib.sha256(text.encode()).hexdigest()
