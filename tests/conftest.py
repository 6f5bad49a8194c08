"""What holds for every test: the environment, no network but loopback, and what was skipped said last."""

import os
import shutil
import tempfile
from collections.abc import Iterator

import django
import pytest

from tests import sockets
from tests.needs import hold_to_needs, needs, refuse_missing
from tests.scheduling import pytest_xdist_make_scheduler, refuse_elsewhere

__all__ = ["pytest_xdist_make_scheduler"]

STATE_DIR = tempfile.mkdtemp(prefix="secprof-tests-")

# pytest-django would read the settings before this file if pyproject.toml named them; here the environment of the
# tests comes first. DATABASE_URL is the caller's choice.
os.environ.update(
    DJANGO_SETTINGS_MODULE="secprof_site.settings",
    SECPROF_DEBUG="1",
    SECPROF_ALLOW_LOOPBACK_CLUSTERS="1",
    SECPROF_ALLOWED_HOSTS="testserver,127.0.0.1,localhost",
    SECPROF_LOG_LEVEL="WARNING",
    SECPROF_STATE_DIR=STATE_DIR,
    REDIS_URL="memory://",
)
os.environ.setdefault("DATABASE_URL", "sqlite://:memory:")
django.setup()

FOUND = needs()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    refuse_elsewhere(items)
    hold_to_needs(items, FOUND)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    refuse_missing(item, FOUND)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    skipped = [str(report.longrepr) for report in terminalreporter.getreports("skipped")]
    for need in FOUND:
        if count := sum(need.reason in text for text in skipped):
            terminalreporter.write_line(f"{count} {need.marker} tests skipped: {need.reason}.")


def pytest_unconfigure() -> None:
    shutil.rmtree(STATE_DIR, ignore_errors=True)


@pytest.fixture(autouse=True, scope="session")
def _no_network() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        sockets.block(monkeypatch)
        yield


@pytest.fixture(autouse=True)
def _fresh_counts() -> None:
    """Attempts are counted in a cache that would outlive its test."""
    from django.core.cache import cache

    cache.clear()


@pytest.fixture(autouse=True, scope="session")
def _quick_passwords() -> Iterator[None]:
    """Argon2 is slow on purpose, and no test is about its strength."""
    from django.test import override_settings

    with override_settings(PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"]):
        yield
