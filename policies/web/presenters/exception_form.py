"""The form of an exception in words: the namespace's workloads as a checklist, and what the ticked ones come to."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.forms import Form

from policies.domain.exemptions import WorkloadName
from policies.queries.exception_pages import Askable
from policies.queries.exceptions import ExceptionRow
from policies.queries.reviews import ReviewedWorkload
from policies.web.presenters.readiness import workload_meta
from policies.web.words import day

OPTIONS_SHOWN = 40
"""Of the workloads that fail, and of those that do not; what is ticked is always shown."""


@dataclass(frozen=True, slots=True)
class WorkloadOption:
    """One workload that can be ticked."""

    key: str
    typed: str
    kind: str
    name: str
    why: str
    meta: str
    exempt: str
    """Until when it is exempt already; empty when it is not."""
    is_ticked: bool


@dataclass(frozen=True, slots=True)
class Checklist:
    """The workloads of a namespace, the failing ones apart."""

    failing: tuple[WorkloadOption, ...]
    passing: tuple[WorkloadOption, ...]
    absent: tuple[WorkloadOption, ...]
    """Ticked, and not there now."""
    failing_count: int
    """Of all of them: not every one is an option of a long list."""
    passing_count: int

    @property
    def opens_passing(self) -> bool:
        """Whether those that pass are shown at once: one of them is ticked, or there are no others."""
        return not self.failing or any(option.is_ticked for option in self.passing)


def checklist(found: Askable, ticked: Collection[WorkloadName]) -> Checklist:
    """Word the workloads of a namespace: the first of each kind, and every one that is ticked."""
    failing = [pair for pair in found.workloads if pair[1].would_fail]
    passing = [pair for pair in found.workloads if not pair[1].would_fail]
    here = {name for name, _ in found.workloads}
    return Checklist(
        _options(failing, found, ticked),
        _options(passing, found, ticked),
        tuple(_option(name, None, found, ticked) for name in sorted(set(ticked) - here)),
        len(failing),
        len(passing),
    )


def _options(
    workloads: Sequence[tuple[WorkloadName, ReviewedWorkload]],
    found: Askable,
    ticked: Collection[WorkloadName],
) -> tuple[WorkloadOption, ...]:
    return tuple(
        _option(name, workload, found, ticked)
        for place, (name, workload) in enumerate(workloads)
        if place < OPTIONS_SHOWN or name in ticked
    )


def ends_help(usual: timedelta, most: timedelta, last: str) -> str:
    """Say how long an exception may last."""
    return f"Through that day, UTC. Usually {usual.days} days; at most {most.days}, until {last}."


def form_errors(form: Form) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Pair every field that can be wrong with what is wrong with it, for slots that are refreshed as one types."""
    names = (
        "workloads",
        "more_kind",
        "more_name",
        "controls",
        "reason",
        "compensating_control",
        "ticket",
    )
    slots = [(name, form[name].errors) for name in (*names, "ends_at")]
    return tuple(
        (name, tuple(map(str, errors)))
        for name, errors in (*slots, ("form", form.non_field_errors()))
    )


def _option(
    name: WorkloadName,
    found: ReviewedWorkload | None,
    space: Askable,
    ticked: Collection[WorkloadName],
) -> WorkloadOption:
    return WorkloadOption(
        key=f"{name.kind.lower()}-{name.name}",
        typed=f"{name.kind}/{name.name}",
        kind=name.kind.value,
        name=name.name,
        why=_why(found) if found else "not there when the cluster was read last",
        meta=workload_meta(found) if found else "",
        exempt=_until(space.exempt.get(name)),
        is_ticked=name in ticked,
    )


def _until(row: ExceptionRow | None) -> str:
    return f"until {day(row.ends_at)}" if row and row.ends_at else ""


def _why(found: ReviewedWorkload) -> str:
    if found.faults:
        controls = dict.fromkeys(fault.control for fault in found.faults)
        return f"fails {', '.join(controls)}"
    if found.rehearsal.outcome == "refused":
        return "the engine would refuse it"
    if found.would_fail:
        return "reports fail it"
    return "nothing to exempt: it does not fail"
