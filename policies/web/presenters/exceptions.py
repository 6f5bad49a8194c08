"""Exceptions in words: their titles, what to do next about each, and the parts of the board."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from policies.domain.exemptions import WorkloadName
from policies.domain.lifecycle import ExceptionStatus
from policies.queries.exceptions import ENDS_SOON, ExceptionRow, Show
from policies.web.words import day, listed

NAMED_IN_TITLE = 2


@dataclass(frozen=True, slots=True)
class Tab:
    """One part of the board."""

    show: Show
    title: str
    count: int
    is_current: bool


@dataclass(frozen=True, slots=True)
class ShownException:
    """One exception of a list."""

    id: UUID
    title: str
    subject: str
    """The workloads and where they are."""
    variant: str
    cluster: str
    mark: str
    note: str
    ends_at: datetime | None
    ends_word: str
    requested_by: str
    requested_at: datetime
    changed_at: datetime
    message: str
    action: str
    """What to do next about it; empty when nothing is to be done."""
    anchor: str
    """Where on its page that is done."""


TITLES = {
    Show.ASKED: "Asked",
    Show.UNDER_WAY: "Being carried out",
    Show.IN_FORCE: "In force",
    Show.ENDING: "Ending within 14 days",
    Show.ENDED: "Ended",
    Show.DRAFTS: "Your drafts",
    Show.UNNEEDED: "Not needed for 30 days",
    Show.HONOURED: "Ended, still honoured",
    Show.WIDE: "Covers more than asked",
    Show.FOREIGN: "Not made by secprof",
}
FLAWS = frozenset({Show.UNNEEDED, Show.HONOURED, Show.WIDE, Show.FOREIGN})
EMPTY = {
    Show.ASKED: ("Nothing waits for a decision", ""),
    Show.UNDER_WAY: ("Nothing is being carried out", ""),
    Show.IN_FORCE: ("Nothing is exempt", "No exception of secprof's is in force."),
    Show.ENDING: ("Nothing ends soon", "No exception ends within the next 14 days."),
    Show.ENDED: ("Nothing has ended yet", ""),
    Show.DRAFTS: ("You have no drafts", "A draft is yours alone until you request it."),
    Show.UNNEEDED: (
        "Everything in force is needed",
        "No exception has gone without a workload that needs it for 30 days.",
    ),
    Show.HONOURED: (
        "What has ended has ended",
        "No report skips a rule because of an exception that is over.",
    ),
    Show.WIDE: (
        "Nothing covers more than asked",
        "Every exception in force covers the workloads that it names, and no other that lives now.",
    ),
    Show.FOREIGN: (
        "Nothing that secprof did not make",
        "The last collection found no exception of anybody else.",
    ),
}
NO_WORKLOAD = "nothing yet"


def title_of(
    workloads: tuple[WorkloadName, ...], namespace: str, variant: str, ends_at: datetime | None
) -> str:
    """Say an exception in one sentence: `Exempt Deployment ftp in batch from require-seccomp until 12 Jan 2027`."""
    until = f"until {day(ends_at)}" if ends_at else "without an end yet"
    return f"Exempt {subject_of(workloads, namespace)} from {variant} {until}"


def row_title(row: ExceptionRow) -> str:
    """Say an exception of a list in one sentence."""
    return title_of(row.workloads, row.namespace, row.variant, row.ends_at)


def subject_of(workloads: tuple[WorkloadName, ...], namespace: str) -> str:
    """Name the workloads and their namespace: `Deployment ftp and 2 more in batch`."""
    names = listed(tuple(map(str, workloads)), limit=NAMED_IN_TITLE) or NO_WORKLOAD
    return f"{names} in {namespace}"


def tabs(counts: dict[Show, int], current: Show, *, flaws: bool) -> tuple[Tab, ...]:
    """Put the parts of the board beside each other, those that ought to be empty apart; drafts when there are any."""
    return tuple(
        Tab(show, title, counts[show], show is current)
        for show, title in TITLES.items()
        if (show in FLAWS) is flaws and (show is not Show.DRAFTS or counts[show] or show is current)
    )


def shown_exceptions(
    rows: tuple[ExceptionRow, ...], *, now: datetime, user_id: int | None, show: Show
) -> tuple[ShownException, ...]:
    """Word the rows of one part of the board."""
    return tuple(_shown(row, now=now, user_id=user_id, show=show) for row in rows)


def _shown(row: ExceptionRow, *, now: datetime, user_id: int | None, show: Show) -> ShownException:
    action, anchor = _next(row, user_id=user_id, show=show)
    return ShownException(
        id=row.id,
        title=row_title(row),
        subject=subject_of(row.workloads, row.namespace),
        variant=row.variant,
        cluster=row.cluster,
        mark=row.status.value,
        note=_note(row),
        ends_at=row.ends_at,
        ends_word=ends_word(row, now=now),
        requested_by=row.requested_by,
        requested_at=row.requested_at,
        changed_at=row.changed_at,
        message=row.message,
        action=action,
        anchor=anchor,
    )


def ends_word(row: ExceptionRow, *, now: datetime) -> str:
    """Name the mark that the end deserves: `overdue`, `soon`, or none."""
    on_cluster = row.status in {ExceptionStatus.IN_FORCE, ExceptionStatus.ENDING}
    if row.ends_at is None or not on_cluster:
        return ""
    if row.ends_at <= now:
        return "overdue"
    return "soon" if row.ends_at <= now + ENDS_SOON else ""


def _note(row: ExceptionRow) -> str:
    agreed = len(row.workloads)
    is_partial = row.decided_by and agreed != row.asked_count
    return f"{agreed} of {row.asked_count} asked for" if is_partial else ""


@dataclass(frozen=True, slots=True)
class HomeLine:
    """One exception on the first page."""

    id: UUID
    mark: str
    title: str
    sentence: str
    at: datetime


def home_lines(rows: tuple[ExceptionRow, ...], *, now: datetime) -> tuple[HomeLine, ...]:
    """Word what is wrong with exceptions, or about to be over."""
    return tuple(
        HomeLine(
            row.id,
            ends_word(row, now=now) or row.status.value,
            row_title(row),
            row.message or _ENDS.get(ends_word(row, now=now), ""),
            (row.ends_at if ends_word(row, now=now) else None) or row.changed_at,
        )
        for row in rows
    )


def inert_lines(rows: tuple[ExceptionRow, ...]) -> tuple[HomeLine, ...]:
    """Word the exceptions that their cluster passes over."""
    sentence = "The engine's settings leave it out: its page says which one to change."
    return tuple(
        HomeLine(row.id, "inert", row_title(row), sentence, row.changed_at) for row in rows
    )


_ENDS = {
    "soon": "It ends by itself: fix what it exempts, or ask anew.",
    "overdue": "Its time is over, and its end is not proven.",
}
_NEXT_IN_FLAW = {
    Show.UNNEEDED: ("End it: nothing needs it", "end"),
    Show.HONOURED: ("See who still honours it", "evidence"),
    Show.WIDE: ("See what else it covers", "evidence"),
}
_NEXT = {
    ExceptionStatus.DRAFT: ("Finish the draft", "decision"),
    ExceptionStatus.REQUESTED: ("Decide", "decision"),
    ExceptionStatus.APPROVED: ("Watch it", "live"),
    ExceptionStatus.FAILED: ("Try again", "decision"),
    ExceptionStatus.ENDING: ("Watch it end", "live"),
    ExceptionStatus.IN_FORCE: ("End it", "end"),
}


def _next(row: ExceptionRow, *, user_id: int | None, show: Show) -> tuple[str, str]:
    if show in _NEXT_IN_FLAW:
        return _NEXT_IN_FLAW[show]
    if row.status is ExceptionStatus.REQUESTED and row.requested_by_id == user_id:
        return "Waits for somebody else", "decision"
    if row.status is ExceptionStatus.IN_FORCE and show is Show.ENDING:
        return "Ask anew, or let it end", "end"
    return _NEXT.get(row.status, ("", ""))
