"""One fleet of one size, and how long its pages take: what `bench.pages` starts for each size.

Each line that comes in names a page; the answer is a line of JSON, {"p50_ms", "p95_ms", "queries"} or {"trouble"}.
Pages are asked through Django's own handler, with every middleware and template, by somebody who is signed in.
"""

import gc
import json
import logging
import pickle
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import django

LONG_SECONDS = 2.0
FEWER = 4
"""How often a page is asked that took longer than that."""


@dataclass(frozen=True)
class Timing:
    """How one address, or the slowest of several, answered."""

    p50_ms: float
    p95_ms: float
    queries: int


def main(results: int, times: int, role: str, folder: Path) -> None:
    django.setup()
    logging.disable(logging.ERROR)  # the table expects some refusals
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    firm, seconds = _fleet(results, folder / "company.pickle")
    asker = Asker(firm, times, role)
    _say({"seconds": seconds, "pages": asker.names()})
    for line in sys.stdin:
        _say(asker.ask(line.strip()))


def _say(answer: dict[str, Any]) -> None:
    print(json.dumps(answer), flush=True)


def _fleet(results: int, kept: Path) -> tuple[Any, float]:
    """Give the fleet, built once for a database that is kept, and how long that took."""
    from bench.fleet import build

    if kept.exists():
        return pickle.loads(kept.read_bytes()), 0.0  # noqa: S301 - written below, by ourselves
    began = time.monotonic()
    firm = build(results)
    kept.write_bytes(pickle.dumps(firm))
    return firm, time.monotonic() - began


class Asker:
    """Somebody who is signed in, and the pages that the table of the walk knows how to reach."""

    def __init__(self, firm: Any, times: int, role: str) -> None:
        from django.db import connection
        from django.test import Client

        from tests.integration.web.walk_rows import ROWS

        self._firm, self._times, self._role = firm, times, role
        self._rows = ROWS
        # SQLite runs in this very process: its time is ours, and that of other processes is not.
        is_here = connection.vendor == "sqlite"
        self._clock = time.process_time if is_here else time.perf_counter
        self._client = Client()
        self._client.force_login(_person(role))

    def names(self) -> list[str]:
        """Name every page that can be read."""
        from policies.web.urls import urlpatterns

        readable = {
            name for name, visits in self._rows.items() if any(v.method == "GET" for v in visits)
        }
        return [p.name for p in urlpatterns if p.name in readable]

    def ask(self, name: str) -> dict[str, Any]:
        """Ask a page in each way that leads to it; the slowest way counts."""
        found: list[Timing] = []
        for visit in self._visits(name):
            timing = self._timing(name, visit)
            if isinstance(timing, str):
                return {"trouble": timing}
            found.append(timing)
        if not found:
            return {"trouble": "none of its addresses may be seen"} if self._is_admin else {}
        slowest = max(found, key=lambda timing: timing.p95_ms)
        slowest = replace(slowest, queries=max(timing.queries for timing in found))
        return {name: getattr(slowest, name) for name in Timing.__dataclass_fields__}

    @property
    def _is_admin(self) -> bool:
        return self._role == "admin"

    def _visits(self, name: str) -> Iterator[Any]:
        for visit in self._rows[name]:
            answer = visit.expected("admin", "everywhere")
            if visit.method == "GET" and answer != 404:
                yield visit

    def _timing(self, name: str, visit: Any) -> Timing | str:
        from django.db import connection
        from django.urls import reverse

        address = reverse(f"policies:{name}", args=visit.args(self._firm))
        fields = visit.data(self._firm)
        expected = visit.expected("admin", "everywhere")
        counts = []
        for _ in range(2):
            counter = _Counter()
            with connection.execute_wrapper(counter):
                first, answer = self._seconds(address, fields)
            counts.append(counter.count)
        if self._is_admin and answer != expected:
            return f"{address} answered {answer}, not {expected}"
        times = FEWER if first > LONG_SECONDS else self._times
        gc.collect()
        gc.freeze()  # as `secprof_site.wsgi` does
        # The smaller number: once in a while a request notes that the session is in use.
        seconds = sorted(self._seconds(address, fields)[0] for _ in range(times))
        return Timing(_percentile(seconds, 50), _percentile(seconds, 95), min(counts))

    def _seconds(self, address: str, fields: Any) -> tuple[float, int]:
        began = self._clock()
        response = self._client.get(address, fields)
        for _ in response.streaming_content if response.streaming else ():
            pass
        return self._clock() - began, response.status_code


class _Counter:
    """Counts the queries that pass through it."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, execute: Callable[..., Any], *about: Any) -> Any:
        self.count += 1
        return execute(*about)


def _percentile(ordered: list[float], percent: int) -> float:
    """The nearest rank, in milliseconds."""
    rank = max(0, -(-len(ordered) * percent // 100) - 1)
    return round(ordered[rank] * 1000, 1)


def _person(role: str) -> Any:
    from django.contrib.auth.models import User

    return User.objects.get(username="owner-00" if role == "owner" else role)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], Path(sys.argv[4]))
