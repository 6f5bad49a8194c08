"""Many processes append at once, on a database of their own whose rows are committed: the chain stays whole."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
from django.db import connection
from pytest_django import DjangoDbBlocker

ROOT = Path(__file__).parents[3]
PROCESSES, EACH = 6, 30
SCRATCH = "secprof_appending"


def python(url: str, *words: str) -> subprocess.Popen[str]:
    environ = {
        **os.environ,
        "DATABASE_URL": url,
        "DJANGO_SETTINGS_MODULE": "secprof_site.settings",
        "SECPROF_DEBUG": "1",
    }
    return subprocess.Popen(
        [sys.executable, *words],
        cwd=ROOT,
        env=environ,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def finished(process: subprocess.Popen[str]) -> str:
    out, errors = process.communicate(timeout=180)
    assert process.returncode == 0, errors
    return out


@pytest.fixture
def url(tmp_path: Path, django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """An empty database beside the one of the tests."""
    if connection.vendor == "sqlite":
        yield f"sqlite:///{tmp_path / 'trail.sqlite3'}"
        return
    values = connection.settings_dict
    host = urlencode({"host": values["HOST"], "port": values["PORT"] or "5432"})
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {SCRATCH}")
        try:
            yield f"postgres://{values['USER']}@/{SCRATCH}?{host}"
        finally:
            cursor.execute(f"DROP DATABASE {SCRATCH} WITH (FORCE)")


def expected(name: str) -> list[tuple[str, str]]:
    """The rows that one process leaves, in its order."""
    return [
        (name, f"{number}.{part}")
        for number in range(EACH)
        if number % 5 != 4
        for part in range(1 + number % 3 // 2)
    ]


def test_chain_stays_whole_and_gapless_when_many_append(url: str, tmp_path: Path) -> None:
    finished(python(url, "manage.py", "migrate", "--verbosity", "0"))
    finished(python(url, "manage.py", "shell", "-c", MAKE_CLUSTER))
    names = [f"worker-{number}" for number in range(PROCESSES)]

    running = [python(url, "-m", "tests.integration.appender", n, str(EACH)) for n in names]
    for process in running:
        finished(process)

    said = json.loads(finished(python(url, "manage.py", "verify_trail", "--json")))
    wanted = [row for name in names for row in expected(name)]
    assert (said["whole"], said["rows"], said["heads"]) == (True, len(wanted), 1)
    file = tmp_path / "rows.jsonl"
    finished(python(url, "manage.py", "export_trail", "--output", str(file)))
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    assert [row["sequence"] for row in rows] == list(range(1, len(wanted) + 1))
    for name in names:
        assert [(r["actor"], r["message"]) for r in rows if r["actor"] == name] == expected(name)


MAKE_CLUSTER = (
    "from django.utils import timezone; from policies.models import Cluster;"
    "Cluster.objects.create(name='prod', server='x', created_at=timezone.now())"
)
