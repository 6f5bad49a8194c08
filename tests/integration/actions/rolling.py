"""How tests of roll-outs make time pass, step in at a step, and kill a worker."""

from collections.abc import Callable
from datetime import timedelta

from policies.actions import flips, rollouts
from policies.domain.lifecycle import FlipVerb, RolloutStatus, StepKind
from policies.models import Flip, Variant
from tests.integration.actions.conftest import SandboxWorld
from tests.integration.actions.watched import Hand

TWINS = {
    "ClusterPolicy": ["require-seccomp-enforce"],
    "ValidatingPolicy": ["require-seccomp-enforce", "require-seccomp-enforce-debug"],
    "ValidatingAdmissionPolicy": ["require-seccomp-enforce"],
}
"""What the first flip writes, by target."""


class Killed(BaseException):
    """The worker is gone, as after kill -9: nothing of its own runs after this."""


class Countdown:
    """Kills at the call of its own after this many that went well."""

    def __init__(self, calls: int) -> None:
        self.left = calls

    def __call__(self, *_: object) -> None:
        if self.left == 0:
            self.left = -1
            raise Killed
        self.left -= 1


def run(
    world: SandboxWorld,
    flip: Flip,
    *,
    worker: str = "worker",
    sleep: Callable[[float], None] | None = None,
) -> RolloutStatus:
    def pass_time(seconds: float) -> None:
        world.late += timedelta(seconds=seconds)

    return rollouts.run(
        rollout_id=flip.rollout.pk, worker=worker, clock=world.now, sleep=sleep or pass_time
    )


def ready_to_enforce(world: SandboxWorld, variant: Variant, hand: Hand) -> Flip:
    world.collect()
    flip = world.approve(world.request(variant, FlipVerb.ENFORCE, "team-a"))
    hand.writes.clear()
    return flip


def at_step(flip: Flip, kind: StepKind, act: Callable[[], object]) -> Callable[[str, str], None]:
    """Do something once, at the first call of this step."""
    done: list[bool] = []

    def before(_call: str, _what: str) -> None:
        running = flip.rollout.steps.filter(kind=kind.value, status="running")
        if not done and running.exists():
            done.append(True)
            act()

    return before


def roll_back(world: SandboxWorld, variant: Variant) -> Flip:
    return flips.roll_back(
        variant_id=variant.pk,
        namespaces=["team-a"],
        reason="a customer waits",
        by=world.people.operator,
        now=world.now(),
    )
