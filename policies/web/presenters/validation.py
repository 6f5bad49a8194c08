"""A validation in words: what each check asks, what came of it, and the commands that ask the same."""

from dataclasses import dataclass

from policies.actions.validation import Check, Validation
from policies.domain.commands import Command, commands, patch_command
from policies.domain.failing import Failing
from policies.domain.library import InvalidVariant, VariantSpec
from policies.domain.posture import Finding, patch_for
from policies.domain.validation import CheckId, Expected
from policies.web.presenters.reviews import UNPATCHABLE

SHOWN_FAILING = 100

_TITLES = {
    CheckId.WHO_FAILS: ("Who fails today", "Every workload of the namespace, read and judged now."),
    CheckId.BAD_POD: (
        "A bad pod is stopped",
        "A pod that does not meet this variant, sent as a dry-run.",
    ),
    CheckId.GOOD_POD: ("A good pod is admitted", "A pod that meets it, sent as a dry-run."),
}
_EXPECTATIONS = {
    Expected.REFUSED: "Enforced here: a bad pod has to be refused.",
    Expected.WARNED: "In Audit here: a bad pod is admitted with a warning.",
    Expected.LEFT_ALONE: "Left alone here: a bad pod is admitted without a word.",
    Expected.NOTHING: "Not installed: who fails can be read, and nothing can answer.",
}


@dataclass(frozen=True, slots=True)
class ShownFailing:
    """One failing object with its faults and its fix."""

    key: str
    kind: str
    name: str
    faults: tuple[tuple[str, str, str], ...]
    """Container, control, what is declared."""
    command: str
    """Empty when it cannot be changed in place."""


@dataclass(frozen=True, slots=True)
class ShownCheck:
    """One check."""

    id: str
    title: str
    about: str
    outcome: str
    sentence: str
    milliseconds: str
    raw: str
    failing: tuple[ShownFailing, ...]
    more_count: int


_BAD_POD_TITLES = {
    Expected.REFUSED: "A bad pod is refused",
    Expected.WARNED: "A bad pod is warned about",
    Expected.LEFT_ALONE: "A bad pod is left alone",
    Expected.NOTHING: "A bad pod",
}


def expectation(expected: Expected) -> str:
    """Say what should become of a bad pod here."""
    return _EXPECTATIONS[expected]


def unrun_checks(expected: Expected) -> tuple[ShownCheck, ...]:
    """Show the checks before anybody ran them."""
    return tuple(_shown(check, expected, "not-run", "") for check in CheckId)


def shown_checks(found: Validation, spec: VariantSpec, namespace: str) -> tuple[ShownCheck, ...]:
    """Word what came of each check."""
    return tuple(_check(check, found, spec, namespace) for check in found.checks)


def _check(check: Check, found: Validation, spec: VariantSpec, namespace: str) -> ShownCheck:
    lists = check.id is CheckId.WHO_FAILS and found.failures is not None
    failing = found.failures.failing if lists and found.failures else ()
    return _shown(
        check.id,
        found.expected,
        check.meaning.outcome.value,
        check.meaning.sentence,
        milliseconds=f"{check.seconds * 1000:.0f} ms" if check.seconds else "",
        raw=check.raw,
        failing=tuple(_failing(one, spec, namespace) for one in failing[:SHOWN_FAILING]),
        more_count=max(0, len(failing) - SHOWN_FAILING),
    )


def _shown(
    check: CheckId,
    expected: Expected,
    outcome: str,
    sentence: str,
    *,
    milliseconds: str = "",
    raw: str = "",
    failing: tuple[ShownFailing, ...] = (),
    more_count: int = 0,
) -> ShownCheck:
    title, about = _TITLES[check]
    if check is CheckId.BAD_POD:
        title = _BAD_POD_TITLES[expected]
    return ShownCheck(
        check.value, title, about, outcome, sentence, milliseconds, raw, failing, more_count
    )


def _failing(one: Failing, spec: VariantSpec, namespace: str) -> ShownFailing:
    kind = one.kind.value
    patch = patch_for(
        one.kind, namespace, one.name, one.workload, one.findings, parameters=spec.parameters
    )
    can_patch = bool(patch) and kind not in UNPATCHABLE
    return ShownFailing(
        key=f"{kind.lower()}-{one.name}",
        kind=kind,
        name=one.name,
        faults=tuple(dict.fromkeys(map(_fault, one.findings))),
        command=patch_command(kind, one.name, namespace, patch) if can_patch else "",
    )


def _fault(finding: Finding) -> tuple[str, str, str]:
    return (finding.container or "the pod", str(finding.control), finding.declared or "not set")


def shown_commands(
    spec: VariantSpec, namespace: str, enforced: tuple[str, ...]
) -> tuple[Command, ...]:
    """Write the commands; none for parameters that make no probe pods."""
    try:
        return commands(spec, namespace, enforced=enforced)
    except InvalidVariant:
        return ()
