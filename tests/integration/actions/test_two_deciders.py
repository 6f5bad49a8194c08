"""Two people who decide on one exception at once: one wins, the other is told. On SQLite and on PostgreSQL."""

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from django.conf import settings

ROOT = Path(__file__).parents[3]


def run(url: str, folder: Path) -> None:
    environ = {
        **os.environ,
        "DATABASE_URL": url,
        "SECPROF_STATE_DIR": str(folder),
        "SECPROF_DEBUG": "1",
    }

    done = subprocess.run(
        [sys.executable, "-m", "tests.integration.actions.two_deciders", str(folder)],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )

    assert done.returncode == 0, done.stderr


@pytest.fixture
def postgres_url() -> Iterator[str]:
    """A database of its own on the server of the tests: they keep theirs within one transaction."""
    if "postgresql" not in settings.DATABASES["default"]["ENGINE"]:
        pytest.skip("DATABASE_URL names no PostgreSQL")
    url = urlsplit(os.environ["DATABASE_URL"])
    name = f"secprof_two_{secrets.token_hex(4)}"
    with psycopg.connect(urlunsplit(url), autocommit=True) as server:
        server.execute(f'CREATE DATABASE "{name}"')
        yield urlunsplit(url._replace(path=f"/{name}"))
        server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def test_two_deciders_on_sqlite(tmp_path: Path) -> None:
    run(f"sqlite:///{tmp_path}/secprof.sqlite3", tmp_path)


def test_two_deciders_on_postgresql(tmp_path: Path, postgres_url: str) -> None:
    run(postgres_url, tmp_path)
