"""Whether a wish for an exception may be asked for: exact, bounded, and with a reason. Not who may ask."""

from collections.abc import Collection
from datetime import datetime, timedelta

from policies.domain.exemptions import ExceptionWish, WorkloadName
from policies.domain.identities import NAME
from policies.domain.library import Target
from policies.domain.names import is_dns_label
from policies.domain.objects import WorkloadKind

WORKLOADS_LIMIT = 50
"""More than anybody has looked at one by one."""
TEXT_LIMIT = 2000
TICKET_LIMIT = 200
SINGLE_CONTROLS = frozenset({Target.CLUSTER_POLICY})
"""Kinds of policies that can be exempted from one rule and not from the others."""


def problems_of(
    wish: ExceptionWish,
    *,
    target: Target,
    controls: Collection[str],
    now: datetime,
    most: timedelta,
) -> tuple[str, ...]:
    """Say everything that keeps this from being asked for, in sentences that tell what to do.

    `controls` are those of the variant; `most` is how long anybody may be exempted.
    """
    return (
        *workload_problems(wish.workloads),
        *_control_problems(wish.controls, target, controls),
        *_text_problems(wish),
        *end_problems(wish.ends_at, now=now, most=most),
    )


def draft_problems(wish: ExceptionWish) -> tuple[str, ...]:
    """Say what keeps this from being kept even as a draft."""
    if not is_dns_label(wish.namespace):
        return ("Choose a namespace.",)
    return _text_lengths(wish)


def workload_problems(workloads: tuple[WorkloadName, ...]) -> tuple[str, ...]:
    """Say what is wrong with a choice of workloads."""
    if not workloads:
        return ("Choose at least one workload.",)
    found = []
    if len(workloads) > WORKLOADS_LIMIT:
        found.append(f"Choose at most {WORKLOADS_LIMIT} workloads: each of them is looked at.")
    twice = sorted({str(each) for each in workloads if workloads.count(each) > 1})
    if twice:
        found.append(f"{', '.join(twice)}: named twice.")
    for workload in sorted(set(workloads)):
        if len(workload.name) > 253 or not NAME.fullmatch(workload.name):
            found.append(
                f"{workload.name!r} is no exact name: signs that stand for others would exempt what nobody looked at."
            )
        elif workload.kind is WorkloadKind.POD_TEMPLATE:
            found.append(f"{workload} makes no pods by itself, so nothing could be proven for it.")
    return tuple(found)


def _control_problems(
    chosen: tuple[str, ...], target: Target, controls: Collection[str]
) -> tuple[str, ...]:
    foreign = sorted(set(chosen) - set(controls))
    if foreign:
        return (f"The policy has no control {', '.join(foreign)}.",)
    if not chosen:
        return ("Choose at least one control.",)
    if target not in SINGLE_CONTROLS and set(chosen) != set(controls):
        return (f"A {target} cannot be exempted from single controls: choose all of them.",)
    return ()


def _text_problems(wish: ExceptionWish) -> tuple[str, ...]:
    if not wish.reason.strip():
        return ("Say why: whoever decides will read it.", *_text_lengths(wish))
    return _text_lengths(wish)


def _text_lengths(wish: ExceptionWish) -> tuple[str, ...]:
    texts = (
        ("reason", wish.reason, TEXT_LIMIT),
        ("compensating control", wish.compensating_control, TEXT_LIMIT),
        ("ticket", wish.ticket, TICKET_LIMIT),
    )
    return tuple(
        f"The {name} is too long: at most {limit} characters."
        for name, text, limit in texts
        if len(text) > limit
    )


def end_problems(ends_at: datetime | None, *, now: datetime, most: timedelta) -> tuple[str, ...]:
    """Say what is wrong with an end."""
    if ends_at is None:
        return ("Give an end: no exception lasts for ever.",)
    if ends_at <= now:
        return ("The end has to lie in the future.",)
    if ends_at > now + most:
        return (f"The end is too far away: at most {most.days} days from now.",)
    return ()
