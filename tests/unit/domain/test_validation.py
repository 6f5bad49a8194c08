"""What each answer to a validation means: only our own word, as it should be here, is good."""

from itertools import product

import pytest

from policies.domain.answers import AnswerOutcome, PodAnswer
from policies.domain.failing import Failures
from policies.domain.readiness import GateOutcome
from policies.domain.validation import (
    Expected,
    meaning_of_bad_pod,
    meaning_of_failures,
    meaning_of_good_pod,
)

GOOD = {
    (Expected.REFUSED, AnswerOutcome.REFUSED),
    (Expected.WARNED, AnswerOutcome.WARNED),
    (Expected.LEFT_ALONE, AnswerOutcome.ADMITTED),
}
SILENT = {AnswerOutcome.REFUSED_BY_OTHER, AnswerOutcome.POLICY_ERROR, AnswerOutcome.ENGINE_DOWN}


@pytest.mark.parametrize(("expected", "outcome"), [*product(Expected, AnswerOutcome)])
def test_bad_pod_passes_only_by_what_is_expected_here(
    expected: Expected, outcome: AnswerOutcome
) -> None:
    found = meaning_of_bad_pod(PodAnswer(outcome), expected).outcome

    unknown = outcome in SILENT or expected is Expected.NOTHING
    assert (found is GateOutcome.UNKNOWN) is unknown
    assert (found is GateOutcome.PASS) is ((expected, outcome) in GOOD)


@pytest.mark.parametrize(("expected", "outcome"), [*product(Expected, AnswerOutcome)])
def test_good_pod_passes_only_without_our_word(expected: Expected, outcome: AnswerOutcome) -> None:
    found = meaning_of_good_pod(PodAnswer(outcome), expected).outcome

    unknown = outcome in SILENT or expected is Expected.NOTHING
    assert (found is GateOutcome.UNKNOWN) is unknown
    assert (found is GateOutcome.PASS) is (not unknown and outcome is AnswerOutcome.ADMITTED)


def test_failures_that_could_not_all_be_read_are_never_good() -> None:
    assert meaning_of_failures(Failures((), 3, ())).outcome is GateOutcome.PASS
    assert meaning_of_failures(Failures((), 3, ("Pod x",))).outcome is GateOutcome.UNKNOWN
