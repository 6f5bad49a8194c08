"""What somebody wants exempted: checked as far as the wish alone can tell. Rows and clusters are not asked here."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from policies.domain.exemptions import WorkloadName
from policies.domain.library import Target
from policies.domain.names import is_dns_subdomain
from policies.domain.objects import WorkloadKind

MOST_WORKLOADS = 50
"""Each of them is proven by dry-runs, several in a row."""
TEXT_LIMIT = 4000
TICKET_LIMIT = 200
LEAST_LEFT = timedelta(minutes=5)
"""An end nearer than this would come before the exception is proven."""


@dataclass(frozen=True, slots=True)
class ExceptionWish:
    """Which workloads of one namespace shall be exempt from which controls of a variant, why, and until when."""

    variant_id: int
    namespace: str
    workloads: tuple[WorkloadName, ...] = ()
    controls: tuple[str, ...] = ()
    """Ids; none stands for all of the variant's."""
    reason: str = ""
    compensating_control: str = ""
    ticket: str = ""
    ends_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the variant and the settings allow."""

    target: Target
    controls: tuple[str, ...]
    """Ids of all controls of the variant, in order."""
    longest: timedelta


def flaws_of(wish: ExceptionWish, bounds: Bounds, *, now: datetime) -> tuple[str, ...]:
    """Say everything that keeps a wish from being asked for, a sentence each, in the order of the form."""
    return (
        *_workload_flaws(wish.workloads),
        *_control_flaws(wish.controls, bounds),
        *_text_flaws(wish),
        *end_flaws(wish.ends_at, bounds.longest, now=now),
    )


def _workload_flaws(workloads: Sequence[WorkloadName]) -> list[str]:
    if not workloads:
        return ["Choose at least one workload."]
    if len(workloads) > MOST_WORKLOADS:
        return [
            f"An exception covers at most {MOST_WORKLOADS} workloads; this names {len(workloads)}."
        ]
    flaws = []
    if len(set(workloads)) < len(workloads):
        flaws.append("A workload is named twice.")
    for workload in workloads:
        if not is_dns_subdomain(workload.name):
            flaws.append(f"{workload.name!r} is not the exact name of a {workload.kind}.")
        if workload.kind is WorkloadKind.POD_TEMPLATE:
            flaws.append(f"{workload} makes no pods by itself: exempt what is made from it.")
    return flaws


def _control_flaws(controls: Sequence[str], bounds: Bounds) -> list[str]:
    foreign = [control for control in controls if control not in bounds.controls]
    if foreign:
        return [f"The policy does not ask for {', '.join(foreign)}."]
    is_part = bool(controls) and set(controls) != set(bounds.controls)
    if is_part and bounds.target is not Target.CLUSTER_POLICY:
        return [f"A {bounds.target} can only be left out as a whole: choose all of its controls."]
    return []


def _text_flaws(wish: ExceptionWish) -> list[str]:
    flaws = []
    if not wish.reason.strip():
        flaws.append("Say why: the person who decides will read it.")
    if max(len(wish.reason), len(wish.compensating_control)) > TEXT_LIMIT:
        flaws.append(f"Reason and compensating control have at most {TEXT_LIMIT} characters each.")
    if len(wish.ticket) > TICKET_LIMIT:
        flaws.append(f"A ticket has at most {TICKET_LIMIT} characters.")
    return flaws


def end_flaws(ends_at: datetime | None, longest: timedelta, *, now: datetime) -> list[str]:
    """Say what is wrong with an end."""
    if ends_at is None:
        return ["Every exception has an end: choose a date."]
    if ends_at < now + LEAST_LEFT:
        return ["The end must lie in the future."]
    if ends_at > now + longest:
        return [f"An exception lasts {longest.days} days at most: choose an earlier end."]
    return []
