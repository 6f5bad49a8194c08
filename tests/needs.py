"""What some tests need beyond Python, and how a run behaves where it is missing. Not a place for fixtures."""

import os
import shutil
from dataclasses import dataclass

import pytest

_CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")
_GO_PATHS = ("/usr/local/go/bin/go", "/usr/lib/go/bin/go")


def go_path() -> str | None:
    """Find the Go command, on PATH or where its installer puts it."""
    installed = (path for path in _GO_PATHS if os.access(path, os.X_OK))
    return shutil.which("go") or next(installed, None)


def chromium_path() -> str | None:
    """Find a Chromium that Playwright can drive."""
    return next((path for name in _CHROMIUM_NAMES if (path := shutil.which(name))), None)


def parser_path() -> str | None:
    """Find AppArmor's parser, where Debian puts it."""
    return shutil.which("apparmor_parser", path="/usr/sbin:/sbin")


@dataclass(frozen=True, slots=True)
class Need:
    """One marker, what its tests need, and the variables that turn a skip into a failure."""

    marker: str
    what: str
    present: bool
    required_by: tuple[str, ...]

    @property
    def reason(self) -> str:
        return f"no {self.what} on this machine"

    @property
    def required(self) -> bool:
        return any(os.environ.get(name, "") in {"1", "true"} for name in self.required_by)


def needs() -> tuple[Need, ...]:
    """Look at this machine once per run."""
    return (
        Need("controlplane", "Go", go_path() is not None, ("SECPROF_REQUIRE_CONTROLPLANE", "CI")),
        Need("jq", "jq", shutil.which("jq") is not None, ("CI",)),
        Need("browser", "Chromium", chromium_path() is not None, ("CI",)),
        Need("apparmor", "apparmor_parser", parser_path() is not None, ("CI",)),
    )


def hold_to_needs(items: list[pytest.Item], found: tuple[Need, ...]) -> None:
    """Skip the tests whose need is missing, unless this run must not."""
    for item in items:
        for need in found:
            missing = not need.present and not need.required
            if missing and item.get_closest_marker(need.marker):
                item.add_marker(pytest.mark.skip(reason=need.reason))


def refuse_missing(item: pytest.Item, found: tuple[Need, ...]) -> None:
    """Fail a test whose need is missing although this run requires it."""
    for need in found:
        if item.get_closest_marker(need.marker) and need.required and not need.present:
            pytest.fail(f"{need.reason}, and this run must not skip", pytrace=False)
