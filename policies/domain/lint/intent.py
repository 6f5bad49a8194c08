"""Which of our controls a policy means, and how sure that is: read from what it asks for and from its words, not from what it does."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from policies.domain.controls import Control, Mechanism
from policies.domain.lint.policy import Family, Policy, Rule
from policies.domain.lint.reading import anchor_of, bare, everything, mapping, mappings, walk, word


class Sureness(IntEnum):
    """How sure it is that a control is meant."""

    POSSIBLE = 1
    LIKELY = 2
    CERTAIN = 3


@dataclass(frozen=True, slots=True)
class Intent:
    """One control that a policy means."""

    control: Control
    sureness: Sureness
    because: str
    note: str = ""
    """What the control means for pods that some would not expect."""


_REQUIRES = {
    Mechanism.SECCOMP: Control.REQUIRE_SECCOMP,
    Mechanism.APPARMOR: Control.REQUIRE_APPARMOR,
}
_DENIES = {
    Mechanism.SECCOMP: Control.DENY_UNCONFINED_SECCOMP,
    Mechanism.APPARMOR: Control.DENY_UNCONFINED_APPARMOR,
}
_NOTES = {
    Control.REQUIRE_SECCOMP: "Also refuses pods that are safe only by the node's seccompDefault.",
    Control.REQUIRE_APPARMOR: "Also refuses pods that AppArmor confines by default, and pods on"
    " nodes without AppArmor cannot meet it.",
}
_FIELDS = {
    Mechanism.SECCOMP: ("seccompProfile", "seccomp.security.alpha.kubernetes.io"),
    Mechanism.APPARMOR: ("appArmorProfile", "container.apparmor.security.beta.kubernetes.io"),
}
_NAMES = {Mechanism.SECCOMP: r"seccomp", Mechanism.APPARMOR: r"app[ -]?armor"}
_REQUIRING = re.compile(
    r"\brequire[sd]?\b|\bmust (be|have|set|specify)\b|\bmissing\b|\bmandatory\b|\bstrict\b"
)
_DENYING = re.compile(
    r"\bunconfined\b|\bnot (be )?allowed\b|\bdeny\b|\bdisallow|\bforbid|\bmust not\b"
)
_UNSET = re.compile(r"\bunset or\b|\bif (set|defined)\b")
_STRICT = re.compile(r"\bstrict\b|\brequire[sd]?\b")
_LOADED = re.compile(r"\bloaded\b|\binstalled\b|\bexists?\b")


@dataclass(frozen=True, slots=True)
class _Claim:
    """One part of a policy: what it says, and what it asks for."""

    said: str
    body: Any
    deny_conditions: bool = False
    pattern: Any = None


def recognise(policy: Policy) -> tuple[Intent, ...]:
    """Name the controls that a policy means, in the order of the enumeration, each with its best evidence."""
    best: dict[Control, Intent] = {}
    for found in _evidence(policy):
        known = best.get(found.control)
        if known is None or found.sureness > known.sureness:
            best[found.control] = found
    return tuple(best[control] for control in Control if control in best)


def requires_profile(policy: Policy) -> bool:
    """Say whether the policy means to require a profile, and not only to deny a bad one."""
    wanted = set(_REQUIRES.values())
    return any(i.control in wanted and i.sureness > Sureness.POSSIBLE for i in recognise(policy))


def _evidence(policy: Policy) -> Iterator[Intent]:
    for rule in policy.validating:
        if "podSecurity" in rule.validate:
            yield from _pod_security(mapping(rule.validate["podSecurity"]))
        else:
            yield from _read(_claim(policy, rule))
    if policy.family in (Family.CEL, Family.NATIVE):
        variables = everything(policy.spec.get("variables"))
        for _place, validation in mappings(policy.spec.get("validations")):
            said = f"{_titles(policy)} {word(validation.get('message'))}"
            expression = word(validation.get("expression"))
            uses = variables if "variables." in expression else ""
            yield from _read(_Claim(said, f"{expression}\n{uses}"))


def _claim(policy: Policy, rule: Rule) -> _Claim:
    said = f"{rule.name} {word(rule.validate.get('message'))}"
    if not any(re.search(name, _plain(said)) for name in _NAMES.values()):
        said = f"{_titles(policy)} {said}"
    return _Claim(
        said,
        rule.body,
        deny_conditions="deny" in rule.validate,
        pattern=[pattern for _steps, pattern in rule.patterns] or None,
    )


def _titles(policy: Policy) -> str:
    return f"{policy.name} {word(policy.annotations.get('policies.kyverno.io/title'))}"


def _plain(text: str) -> str:
    return text.replace("-", " ").replace("_", " ").lower()


def _read(claim: _Claim) -> Iterator[Intent]:
    mentioned = claim.body if isinstance(claim.body, str) else everything(claim.body)
    said = _plain(claim.said)
    for mechanism in Mechanism:
        asks = any(field in mentioned for field in _FIELDS[mechanism])
        names = re.search(_NAMES[mechanism], said) is not None
        if asks or (names and not _asks_other(mentioned, mechanism)):
            yield from _judge(claim, mechanism, said, mentioned, asks=asks)


def _asks_other(mentioned: str, mechanism: Mechanism) -> bool:
    others = (fields for m, fields in _FIELDS.items() if m is not mechanism)
    return any(field in mentioned for fields in others for field in fields)


def _judge(
    claim: _Claim, mechanism: Mechanism, said: str, mentioned: str, *, asks: bool
) -> Iterator[Intent]:
    if _LOADED.search(said) and "profile" in said:
        if asks:
            because = "It says that a profile must be there."
            yield Intent(Control.PROFILE_INSTALLED, Sureness.LIKELY, because)
        return
    by_words = _by_words(said)
    by_shape = _by_shape(claim, mechanism, mentioned) if asks else None
    if by_words is None and by_shape is None:
        if asks:
            weaker = "It asks for the profile; whether it means to require one cannot be read."
            yield Intent(_DENIES[mechanism], Sureness.POSSIBLE, weaker)
        return
    requires = by_shape if by_shape is not None else by_words
    control = (_REQUIRES if requires else _DENIES)[mechanism]
    if by_shape is None or by_words is None:
        source = "what it asks for" if by_words is None else "its words"
        sureness = Sureness.LIKELY if asks else Sureness.POSSIBLE
        yield Intent(control, sureness, f"Read from {source}.", _NOTES.get(control, ""))
    elif by_shape is by_words:
        because = "Its words and what it asks for agree."
        yield Intent(control, Sureness.CERTAIN, because, _NOTES.get(control, ""))
    else:
        because = "What it asks for; its words say otherwise."
        yield Intent(control, Sureness.LIKELY, because, _NOTES.get(control, ""))


def _by_words(said: str) -> bool | None:
    """True: it means to require. False: it means to deny. None: its words do not say."""
    if _UNSET.search(said):
        return False
    denies, requires = _DENYING.search(said), _REQUIRING.search(said)
    if denies and requires:
        return True if _STRICT.search(said) else None
    return bool(requires) if denies or requires else None


def _by_shape(claim: _Claim, mechanism: Mechanism, mentioned: str) -> bool | None:
    if claim.pattern is not None:
        return any(_demands(pattern, mechanism) for pattern in claim.pattern)
    if claim.deny_conditions and re.search(r"\bunconfined\b", mentioned, re.IGNORECASE):
        return False
    if isinstance(claim.body, str) or "cel" in mapping(mapping(claim.body).get("validate")):
        if re.search(r"!=\s*['\"]unconfined['\"]", mentioned, re.IGNORECASE):
            return False
        if "orValue('')" in mentioned.replace('"', "'"):
            return True
    return None


def _demands(pattern: object, mechanism: Mechanism) -> bool:
    """Say whether a pattern fails where no profile is set: no step down to the profile is optional."""
    for at, _value in walk(pattern):
        inner = [step for step in at if isinstance(step, str)]
        is_profile = inner and any(field in bare(inner[-1]) for field in _FIELDS[mechanism])
        if is_profile and all(anchor_of(step)[0] in (None, "^") for step in inner):
            return True
    return False


def _pod_security(demanded: Any) -> Iterator[Intent]:
    excluded = {
        word(entry.get("controlName"))
        for _place, entry in mappings(mapping(demanded).get("exclude"))
        if not entry.get("images")
    }
    level = word(mapping(demanded).get("level"))
    because = f"The level {level} of the Pod Security Standards says so."
    if level in ("baseline", "restricted"):
        if "AppArmor" not in excluded:
            yield Intent(Control.DENY_UNCONFINED_APPARMOR, Sureness.CERTAIN, because)
        if "Seccomp" not in excluded:
            yield Intent(Control.DENY_UNCONFINED_SECCOMP, Sureness.CERTAIN, because)
    if level == "restricted" and "Seccomp" not in excluded:
        control = Control.REQUIRE_SECCOMP
        yield Intent(control, Sureness.CERTAIN, because, _NOTES[control])
