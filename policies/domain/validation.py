"""What the answers to a validation mean: who fails today, is a bad pod stopped, is a good one left alone.

A refusal by somebody else, an error, and an engine that is silent prove nothing: unknown.
"""

from dataclasses import dataclass
from enum import StrEnum

from policies.domain.answers import AnswerOutcome, PodAnswer
from policies.domain.failing import Failures
from policies.domain.readiness import GateOutcome


class Expected(StrEnum):
    """What becomes of a bad pod here, as far as secprof knows."""

    REFUSED = "refused"
    WARNED = "warned"
    LEFT_ALONE = "left alone"
    """The variant excludes this namespace, or the engine does not judge it."""
    NOTHING = "nothing"
    """The variant is not installed."""


class CheckId(StrEnum):
    WHO_FAILS = "who-fails"
    BAD_POD = "bad-pod"
    GOOD_POD = "good-pod"


@dataclass(frozen=True, slots=True)
class Meaning:
    """One check's outcome, and what it means in a sentence."""

    outcome: GateOutcome
    sentence: str


PASS, FAIL, UNKNOWN = GateOutcome.PASS, GateOutcome.FAIL, GateOutcome.UNKNOWN

_BAD: dict[tuple[Expected, AnswerOutcome], Meaning] = {
    (Expected.REFUSED, AnswerOutcome.REFUSED): Meaning(PASS, "Refused by this variant."),
    (Expected.REFUSED, AnswerOutcome.WARNED): Meaning(
        FAIL, "Only warned about: it is not enforced here, though it should be."
    ),
    (Expected.REFUSED, AnswerOutcome.ADMITTED): Meaning(
        FAIL, "Admitted without a word, though this variant is enforced here."
    ),
    (Expected.WARNED, AnswerOutcome.WARNED): Meaning(
        PASS, "Admitted with this variant's warning, as Audit does."
    ),
    (Expected.WARNED, AnswerOutcome.REFUSED): Meaning(
        FAIL, "Refused, though this variant is in Audit here."
    ),
    (Expected.WARNED, AnswerOutcome.ADMITTED): Meaning(
        FAIL, "Admitted without a warning: nothing judges pods here."
    ),
    (Expected.LEFT_ALONE, AnswerOutcome.ADMITTED): Meaning(
        PASS, "Admitted: this namespace is left alone."
    ),
    (Expected.LEFT_ALONE, AnswerOutcome.WARNED): Meaning(
        FAIL, "Warned about, though this namespace should be left alone."
    ),
    (Expected.LEFT_ALONE, AnswerOutcome.REFUSED): Meaning(
        FAIL, "Refused, though this namespace should be left alone."
    ),
}
_GOOD = {
    AnswerOutcome.ADMITTED: Meaning(PASS, "Admitted without a word from this variant."),
    AnswerOutcome.WARNED: Meaning(FAIL, "This variant warns about a pod that meets it."),
    AnswerOutcome.REFUSED: Meaning(FAIL, "This variant refuses a pod that meets it."),
}
_UNDECIDED = {
    AnswerOutcome.REFUSED_BY_OTHER: "Something else refused it, so this variant had no say.",
    AnswerOutcome.POLICY_ERROR: "This variant could not judge the pod, which proves nothing.",
    AnswerOutcome.ENGINE_DOWN: "Engine down: nothing judged the pod.",
}
_NOT_INSTALLED = "The variant is not installed, so nothing of it can answer."


def meaning_of_bad_pod(answer: PodAnswer, expected: Expected) -> Meaning:
    """Say what the answer about the bad pod means."""
    if expected is Expected.NOTHING:
        return Meaning(UNKNOWN, _NOT_INSTALLED)
    return _BAD.get((expected, answer.outcome)) or _undecided(answer)


def meaning_of_good_pod(answer: PodAnswer, expected: Expected) -> Meaning:
    """Say what the answer about the good pod means."""
    if expected is Expected.NOTHING:
        return Meaning(UNKNOWN, _NOT_INSTALLED)
    return _GOOD.get(answer.outcome) or _undecided(answer)


def _undecided(answer: PodAnswer) -> Meaning:
    return Meaning(UNKNOWN, _UNDECIDED[answer.outcome])


NOBODY_IS_JUDGED = Meaning(PASS, "This namespace is left alone: nobody is judged here.")


def meaning_of_failures(found: Failures) -> Meaning:
    """Say what the list of who fails means; an object that cannot be read keeps it from being good."""
    number = len(found.failing)
    if number:
        rest = f"; {len(found.unreadable)} could not be read" if found.unreadable else ""
        objects = "1 object fails" if number == 1 else f"{number} objects fail"
        return Meaning(FAIL, f"{objects}, of {found.workload_count} workloads{rest}.")
    if found.unreadable:
        return Meaning(UNKNOWN, f"Could not be read: {', '.join(found.unreadable[:5])}.")
    return Meaning(PASS, f"None of {found.workload_count} workloads fails.")
