"""Ask a real API server about every case and many generated objects: `python -m tests.contract.agreement`."""

import argparse
import sys
import time

from policies.domain.library import Target
from tests.contract.agreement.comparison import Outcome, compare
from tests.contract.agreement.panel import Panel, namespaces_of
from tests.contract.agreement.subjects import generated, named
from tests.contract.planes import Plane, newest, oldest

PLANES = {"new": newest, "old": oldest}
SHOWN = 40


def main() -> int:
    """Print what was asked and every disagreement; 1 when there is one."""
    parser = argparse.ArgumentParser(prog="python -m tests.contract.agreement", description=__doc__)
    parser.add_argument("--generated", type=int, default=2000, help="how many objects to make up")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--plane", choices=PLANES, default="new")
    parser.add_argument(
        "--targets", nargs="+", type=Target, choices=list(Target), default=list(Target)
    )
    options = parser.parse_args()
    plane = Plane(PLANES[options.plane]().kubeconfig)
    cases = list(named())
    made_up = generated(options.generated, start=options.seed)
    print(f"{len(cases)} objects of the named cases, {len(made_up)} made up (seed {options.seed})")
    outcome = Outcome()
    for target in options.targets:
        panel = Panel.of(plane, target, namespaces_of(plane))
        began = time.monotonic()
        try:
            panel.set_up()
            compare(panel, [*cases, *made_up], outcome)
        finally:
            panel.take_down()
        seconds = time.monotonic() - began
        print(
            f"{target}: {outcome.judged[target]} judged,"
            f" {outcome.refused[target]} refused by the API itself, in {seconds:.0f} s",
            flush=True,
        )
    for verdict, count in sorted(outcome.verdicts.items()):
        print(f"  {verdict:40} {count}")
    for disagreement in outcome.disagreements[:SHOWN]:
        print(disagreement)
    print(
        f"{len(outcome.disagreements)} disagreements; {outcome.asked_again} answers asked for again"
    )
    return 1 if outcome.disagreements else 0


if __name__ == "__main__":
    sys.exit(main())
