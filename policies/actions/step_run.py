"""What the steps of one roll-out share: their rows' plan, the gateway, the claim; and how a step ends."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from time import monotonic
from typing import TypeVar

from policies.cluster.errors import EngineDown, ServerFailed, Throttled, TimedOut, Unreachable
from policies.cluster.gateway import Gateway
from policies.domain.library import VariantSpec
from policies.domain.plans import Plan, PlannedObject
from policies.models import Rollout, RolloutStep
from policies.queries.specs import spec_of_revision

T = TypeVar("T")

PASSING = (Unreachable, TimedOut, Throttled, ServerFailed, EngineDown)
"""What may be over in a moment."""
PATIENCE_SECONDS = 15.0
"""How long a step waits for such a thing to be over."""
PAUSE_SECONDS = 1.0


class StepFailed(Exception):
    """The step did not come out as it must."""

    def __init__(self, message: str, raw: str = "") -> None:
        super().__init__(message)
        self.raw = raw


class StaleGround(Exception):
    """What was approved is not what is there any more; nothing further was written."""

    def __init__(self, moved: tuple[str, ...]) -> None:
        super().__init__(" ".join(moved))
        self.moved = moved


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a step went: one sentence, and the server's raw words."""

    detail: str
    answer: str = ""
    skipped: bool = False


@dataclass(frozen=True, slots=True)
class StepRun:
    """What the steps of one rollout share."""

    rollout: Rollout
    plan: Plan
    gateway: Gateway
    clock: Callable[[], datetime]
    sleep: Callable[[float], None]
    renew: Callable[[], None]
    """Hold on to the claim; raises when it is lost."""

    @property
    def spec(self) -> VariantSpec:
        """What the revision was compiled from."""
        return spec_of_revision(self.rollout.variant, self.rollout.revision.compiled_from)

    def planned(self, step: RolloutStep) -> PlannedObject:
        """Find the object that a step is about."""
        asked = (step.object_kind, step.object_name)
        return next(o for o in self.plan.objects if (o.kind, o.place) == asked)

    def patiently(self, ask: Callable[[], T]) -> T:
        """Ask again while the cluster fails in a way that may be over in a moment."""
        deadline = monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return ask()
            except PASSING:
                if monotonic() > deadline:
                    raise
            self.sleep(PAUSE_SECONDS)
            self.renew()
