"""Rows a second and peak memory of `verify_trail`, on a database of its own: `make bench-trail`.

The rows are written past the triggers, as no product code can. The memory must not grow with the number of rows.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from sqlite3 import connect

ROOT = Path(__file__).parent.parent
CHUNK = 10_000
COLUMNS = (
    "id, at, actor, verb, cluster, variant, namespaces, flip_id, exception_id, plan_digest, outcome,"
    " message, details, previous_hash, hash"
)


def main(counts: list[int]) -> None:
    for count in counts:
        with tempfile.TemporaryDirectory() as directory:
            file = Path(directory) / "trail.sqlite3"
            environ = {
                **os.environ,
                "DATABASE_URL": f"sqlite:///{file}",
                "SECPROF_DEBUG": "1",
                "SECPROF_STATE_DIR": directory,
            }
            run(environ, "migrate", "--verbosity", "0")
            fill(file, count)
            began = time.monotonic()
            answer = json.loads(run(environ, "verify_trail", "--json"))
            seconds = time.monotonic() - began
        if answer["rows"] != count or not answer["whole"]:
            sys.exit(f"not as written: {answer}")
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        print(
            f"{count:>9,} rows: {seconds:6.1f} s, {count / seconds:,.0f} rows/s, peak {peak:.0f} MB"
        )


def run(environ: dict[str, str], *words: str) -> str:
    command = [sys.executable, "manage.py", *words]
    done = subprocess.run(
        command, cwd=ROOT, env=environ, check=True, capture_output=True, text=True
    )
    return done.stdout


def fill(file: Path, count: int) -> None:
    with closing(connect(file)) as database:
        database.execute("PRAGMA synchronous=OFF")
        named = database.execute(
            "SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
            " AND tbl_name = 'policies_auditevent'"
        )
        for (index,) in named.fetchall():
            database.execute(f'DROP INDEX "{index}"')
        for name in ("audit_event_chain", "audit_event_advance", "trail_head_only_advances"):
            database.execute(f"DROP TRIGGER {name}")
        found, last = rows(count), ()
        while chunk := list(islice(found, CHUNK)):
            marks = ", ".join("?" * len(chunk[0]))
            database.executemany(
                f"INSERT INTO policies_auditevent ({COLUMNS}) VALUES ({marks})",  # noqa: S608
                chunk,
            )
            database.commit()
            last = chunk[-1]
        head = (last[0], last[-1])
        database.execute("UPDATE policies_trailhead SET sequence = ?, hash = ?", head)
        database.commit()


def rows(count: int) -> Iterator[tuple[object, ...]]:
    sys.path.insert(0, str(ROOT))
    from policies.domain.trail import GENESIS, TrailRecord, sealed

    began, previous = datetime(2020, 1, 1, tzinfo=UTC), GENESIS
    for number in range(1, count + 1):
        at = began + timedelta(minutes=number)
        record = sealed(
            TrailRecord(
                sequence=number,
                at=at,
                actor=f"person-{number % 200}",
                verb="flip.requested",
                cluster=f"cluster-{number % 20}",
                variant="require-seccomp",
                namespaces=("shop", f"team-{number % 300}"),
                flip_id="3f1c9a52-0000-4000-8000-000000000000",
                exception_id="",
                plan_digest="7f3a" * 16,
                outcome="ok",
                message="Two clean weeks, and the owners know.",
                details={"asks": "enforce", "override_reason": ""},
                previous_hash=previous,
            )
        )
        previous = record.hash
        yield (
            number,
            at.strftime("%Y-%m-%d %H:%M:%S"),
            record.actor,
            record.verb,
            record.cluster,
            record.variant,
            json.dumps(record.namespaces),
            record.flip_id,
            "",
            record.plan_digest,
            "ok",
            record.message,
            json.dumps(record.details),
            record.previous_hash,
            record.hash,
        )


if __name__ == "__main__":
    main([int(word) for word in sys.argv[1:]] or [10_000, 1_000_000])
