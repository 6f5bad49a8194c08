"""The seed's past: workloads that had no seccomp profile for a time, and the day on which each was mended.

After the last day the cluster is as the seed has it.
"""

import copy
import random
from collections import defaultdict
from typing import Any

from policies.cluster.gateway import CRON_JOBS, DEPLOYMENTS, STATEFUL_SETS
from sandbox.company import Which, lines
from sandbox.control import Sandbox
from sandbox.store import Manifest

KINDS = {"Deployment": DEPLOYMENTS, "StatefulSet": STATEFUL_SETS, "CronJob": CRON_JOBS}
SEED = 7
MENDED, BROKEN = 0.4, 0.15
"""Shares of the workloads that are good in the end: those that were not from the first, and those that broke once."""


class Past:
    """What breaks and what is mended on which day, the same in every run."""

    def __init__(self, sandbox: Sandbox, which: Which, *, days: int) -> None:
        self._sandbox = sandbox
        self._changes: dict[int, list[Manifest]] = defaultdict(list)
        dice = random.Random(SEED)  # noqa: S311
        good = [ln for ln in lines(which) if ln.shape.startswith("good") and ln.kind in KINDS]
        dice.shuffle(good)
        mended, broken = int(len(good) * MENDED), int(len(good) * BROKEN)
        for number, line in enumerate(good[: mended + broken]):
            manifest = sandbox.get(KINDS[line.kind], line.name, namespace=line.namespace)
            # Most of the work is done in the weeks before the last one.
            day = int(dice.triangular(1, days, days * 0.6))
            first = 0 if number < mended else dice.randrange(day)
            self._changes[first].append(_without_profiles(manifest))
            self._changes[day].append(manifest)

    def live(self, day: int) -> None:
        """Change what changes on this day, the first being 0."""
        for changed in self._changes.pop(day, ()):
            manifest = copy.deepcopy(changed)
            manifest["metadata"].pop("resourceVersion", None)
            self._sandbox.apply_manifest(manifest, forced=True)


def _without_profiles(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_profiles(part) for k, part in value.items() if k != "seccompProfile"}
    if isinstance(value, list):
        return [_without_profiles(part) for part in value]
    return value
