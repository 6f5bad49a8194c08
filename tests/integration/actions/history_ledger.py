"""What the history should say, kept by hand from the raw reports: with nothing of the product but the way to them."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from policies.actions.connections import connected
from policies.cluster.gateway import POLICY_REPORTS, WORKLOADS, Resource
from policies.models import Cluster

BAD_WORDS = ("fail", "warn", "error")
Place = tuple[str, str, str]
"""Source, policy, namespace."""
Finding = tuple[str, str, str, str]
"""Source, policy, rule, uid."""


@dataclass
class Picture:
    """What the reports say at one moment."""

    results: dict[Place, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    failing: dict[Place, set[str]] = field(default_factory=lambda: defaultdict(set))
    judged: dict[Place, set[str]] = field(default_factory=lambda: defaultdict(set))
    findings: dict[Finding, str] = field(default_factory=dict)
    """The namespace of each."""

    def figures(self) -> dict[Place, tuple[int, ...]]:
        return {
            place: (
                *(words[word] for word in ("pass", "fail", "warn", "error", "skip")),
                len(self.failing[place]),
                len(self.judged[place]),
            )
            for place, words in self.results.items()
        }


def picture(cluster: Cluster) -> Picture:
    """Count the reports as they are now."""
    tops = {
        item["metadata"]["uid"]
        for resource in WORKLOADS
        for item in _objects(cluster, resource)
        if not any(owner.get("controller") for owner in item["metadata"].get("ownerReferences", ()))
    }
    found = Picture()
    for report in _objects(cluster, POLICY_REPORTS):
        scope = report["scope"]
        for result in report["results"]:
            place = (result["source"], result["policy"], scope["namespace"])
            found.results[place][result["result"]] += 1
            if scope["uid"] in tops:
                found.judged[place].add(scope["uid"])
            if result["result"] in BAD_WORDS:
                key = (result["source"], result["policy"], result.get("rule", ""), scope["uid"])
                found.findings[key] = scope["namespace"]
                if scope["uid"] in tops:
                    found.failing[place].add(scope["uid"])
    return found


def _objects(cluster: Cluster, resource: Resource) -> Iterator[Mapping[str, Any]]:
    with connected(cluster) as gateway:
        for page in gateway.pages(resource):
            yield from (json.loads(item) for item in page.items)


@dataclass
class Ledger:
    """Every finding and every day, written down run by run."""

    open: dict[Finding, datetime] = field(default_factory=dict)
    closed: list[tuple[Finding, datetime, datetime, datetime]] = field(default_factory=list)
    """With when each was first seen, last seen and closed."""
    opened_on: dict[date, Counter[Place]] = field(default_factory=lambda: defaultdict(Counter))
    closed_on: dict[date, Counter[Place]] = field(default_factory=lambda: defaultdict(Counter))
    days: dict[date, dict[Place, tuple[int, ...]]] = field(default_factory=dict)
    """The figures at the end of each collected day."""
    _namespaces: dict[Finding, str] = field(default_factory=dict)
    _read_at: datetime | None = None

    def note_findings(self, seen: Picture, at: datetime) -> None:
        """Write down what a run stored of results."""
        for finding in self.open.keys() - seen.findings.keys():
            first = self.open.pop(finding)
            last = max(first, self._read_at or first)
            self.closed.append((finding, first, last, at))
            self.closed_on[at.date()][self._place(finding)] += 1
        for finding in seen.findings.keys() - self.open.keys():
            self.open[finding] = at
            self._namespaces[finding] = seen.findings[finding]
            self.opened_on[at.date()][self._place(finding)] += 1

    def note_read(self, at: datetime) -> None:
        """Write down that a run read and stored every report."""
        self._read_at = at

    def note_day(self, seen: Picture, at: datetime) -> None:
        """Write down how the day stands."""
        self.days[at.date()] = seen.figures()

    def _place(self, finding: Finding) -> Place:
        return (*finding[:2], self._namespaces[finding])
