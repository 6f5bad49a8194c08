"""A sample of `python -m tests.contract.agreement`: posture and the policies of each kind say the same."""

import random

import pytest

from policies.domain.library import Target
from tests.contract import planes
from tests.contract.agreement.comparison import Outcome, compare
from tests.contract.agreement.panel import Panel, namespaces_of
from tests.contract.agreement.subjects import generated, named
from tests.contract.planes import Plane

pytestmark = pytest.mark.controlplane
plane_new = planes.plane_new

SAMPLE = 60


@pytest.mark.parametrize("target", Target)
def test_posture_and_policies_agree_on_a_sample(plane_new: Plane, target: Target) -> None:
    cases = [case for case in named() if "-" not in case.id]
    subjects = [*random.Random(7).sample(cases, SAMPLE), *generated(SAMPLE, start=7)]
    panel = Panel.of(plane_new, target, namespaces_of(plane_new))
    outcome = Outcome()
    try:
        panel.set_up()
        compare(panel, subjects, outcome)
    finally:
        panel.take_down()

    assert outcome.disagreements == []
    assert outcome.judged[str(target)] > SAMPLE
    for result in ("fail", "pass"):
        assert any(verdict.endswith(result) for verdict in outcome.verdicts)
