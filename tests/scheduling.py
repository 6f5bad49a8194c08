"""Which worker runs which test: one at a time in the browser and where control planes are built, the rest by file.

Marks and `--dist loadgroup` would say it more finely, but xdist 3.8 cannot pass groups on under pytest 9.2.
"""

from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

SERIAL = ("tests/browser/", "tests/controlplane/")
PLANES = ("tests/contract/",)
"""Each worker has control planes of its own: see `tests.contract.planes`."""
MARKERS = ("browser", "controlplane")


class Scheduling(LoadScopeScheduling):
    """One scope for all that shares a browser or the folder of control planes, one for each other file."""

    def _split_scope(self, nodeid: str) -> str:
        return "serial" if nodeid.startswith(SERIAL) else nodeid.partition("::")[0]


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduling:
    return Scheduling(config, log)


def refuse_elsewhere(items: list[pytest.Item]) -> None:
    """Raise UsageError for a marked test that would run beside others of its kind."""
    for item in items:
        marked = any(item.get_closest_marker(name) for name in MARKERS)
        if marked and not item.nodeid.startswith(SERIAL + PLANES):
            raise pytest.UsageError(
                f"{item.nodeid} must lie in one of {', '.join(SERIAL + PLANES)}"
            )
