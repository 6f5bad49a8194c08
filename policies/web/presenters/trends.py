"""Trends in words: a sentence about the whole, a row for each day, and the same figures for the chart and the file."""

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from policies.domain.days import start_of
from policies.domain.lifecycle import FlipVerb
from policies.queries.trends import Mark, PolicyChoice, TrendDay, TrendPage, TrendState
from policies.web.words import count_of, listed

_VERBS = {
    FlipVerb.INSTALL.value: "put in Audit",
    FlipVerb.ENFORCE.value: "enforced",
    FlipVerb.ROLLBACK.value: "rolled back",
    FlipVerb.EXEMPT.value: "exempted",
    FlipVerb.END_EXEMPTION.value: "exception ended",
}
NOT_COLLECTED, NO_RESULTS = "not collected", "no results"
COLUMNS = (
    "day",
    "state",
    "failing_workloads",
    "judged_workloads",
    "pass",
    "fail",
    "warn",
    "error",
    "skip",
    "opened",
    "closed",
    "flips",
)
"""Of the file."""


@dataclass(frozen=True, slots=True)
class ShownMark:
    """One flip beside the day on which it was proven."""

    sentence: str
    flip_id: str


@dataclass(frozen=True, slots=True)
class ShownDay:
    """One row of the table."""

    day: str
    iso: str
    gap: str
    """Why there are no figures; empty when there are."""
    failing: int | None
    judged: int | None
    findings: int | None
    opened: int
    closed: int
    marks: tuple[ShownMark, ...]


@dataclass(frozen=True, slots=True)
class ShownPolicy:
    """One policy that can be chosen."""

    key: str
    title: str
    is_chosen: bool


def shown_policies(page: TrendPage, asked: str) -> tuple[ShownPolicy, ...]:
    """Name the policies, those of one name with who judges them, and the one asked for where it is none of them."""
    names = [policy.name for policy in page.policies]
    found = tuple(
        ShownPolicy(p.key, _title(p, names.count(p.name)), p == page.policy) for p in page.policies
    )
    if page.policy or not asked:
        return found
    return (*found, ShownPolicy(asked, asked.partition("/")[2] or asked, is_chosen=True))


def _title(policy: PolicyChoice, namesakes: int) -> str:
    return f"{policy.name} ({policy.source})" if namesakes > 1 else policy.name


def shown_days(page: TrendPage) -> tuple[ShownDay, ...]:
    """Word the days, the newest first."""
    return tuple(_shown(day) for day in reversed(page.days))


def _shown(day: TrendDay) -> ShownDay:
    figures = day.figures
    return ShownDay(
        day=f"{day.day.day} {day.day:%b %Y}",
        iso=day.day.isoformat(),
        gap=_gap(day),
        failing=figures.failing_workloads if figures else None,
        judged=figures.judged_workloads if figures else None,
        findings=figures.failed + figures.warned + figures.erred if figures else None,
        opened=day.opened,
        closed=day.closed,
        marks=tuple(ShownMark(_sentence(mark), str(mark.flip_id)) for mark in day.marks),
    )


def _gap(day: TrendDay) -> str:
    if day.figures:
        return ""
    return NO_RESULTS if day.is_collected else NOT_COLLECTED


def _sentence(mark: Mark) -> str:
    verb = _VERBS.get(mark.verb, mark.verb)
    return f"{verb}: {listed(mark.namespaces, limit=3)}" if mark.namespaces else verb


def summary(page: TrendPage) -> str:
    """Say in a sentence or two where it stands and where it came from; empty when nothing is known."""
    known = [(day.day, day.figures) for day in page.days if day.figures]
    if not known:
        return ""
    (first_day, first), (last_day, last) = known[0], known[-1]
    stands = (
        f"{last.failing_workloads:,} of {count_of(last.judged_workloads, 'judged workload')}"
        f" {'fails' if last.failing_workloads == 1 else 'fail'}"
    )
    on = "" if last_day == page.days[-1].day else f" as of {_short(last_day)}"
    if first_day == last_day:
        return f"{stands}{on}."
    return f"{stands}{on}, {_change(last.failing_workloads - first.failing_workloads)} {_short(first_day)}."


def _change(difference: int) -> str:
    if not difference:
        return "as many as on"
    return f"{abs(difference):,} {'more' if difference > 0 else 'fewer'} than on"


def _short(day: date) -> str:
    return f"{day.day} {day:%b}"


def gaps(page: TrendPage) -> str:
    """Say how many days are missing; empty when none is."""
    if page.state in (TrendState.NEVER, TrendState.NO_POLICY, TrendState.TOO_WIDE):
        return ""
    count = sum(not day.is_collected for day in page.days)
    return f"{count_of(count, 'day')} not collected" if count else ""


def chart(page: TrendPage) -> str:
    """Give the chart's figures as JSON: times in seconds, null where nothing is known."""
    days = page.days
    return json.dumps(
        {
            "days": [int(start_of(day.day).timestamp()) for day in days],
            "failing": [day.figures.failing_workloads if day.figures else None for day in days],
            "judged": [day.figures.judged_workloads if day.figures else None for day in days],
            "opened": [day.opened if day.is_collected else None for day in days],
            "closed": [day.closed if day.is_collected else None for day in days],
            "gaps": [_gap(day) for day in days],
            "marks": [
                {"at": n, "verb": mark.verb, "text": _sentence(mark)}
                for n, day in enumerate(days)
                for mark in day.marks
            ],
        },
        separators=(",", ":"),
    )


def csv_text(page: TrendPage) -> str:
    """Write the rows of the table as a file, with every outcome; a gap has a word and no figures."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    writer.writerows(_csv_rows(page))
    return out.getvalue()


def _csv_rows(page: TrendPage) -> Iterator[tuple[object, ...]]:
    for day in reversed(page.days):
        figures = day.figures
        counts = (
            (
                figures.failing_workloads,
                figures.judged_workloads,
                figures.passed,
                figures.failed,
                figures.warned,
                figures.erred,
                figures.skipped,
            )
            if figures
            else ("",) * 7
        )
        moves = (day.opened, day.closed) if day.is_collected else ("", "")
        said = "; ".join(_sentence(mark) for mark in day.marks)
        yield (day.day.isoformat(), _gap(day) or "known", *counts, *moves, said)
