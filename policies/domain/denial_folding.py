"""Folds denials by the workload that they befell, and keeps count without counting an event twice."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from policies.domain.denials import Attempt, Denial

TEXTS_KEPT = 5
"""Newest events whose texts are kept."""
COUNT_LIMIT = 2**31 - 1
"""No database column holds more."""
STANDS_STILL = timedelta(minutes=10)
"""What only goes on is written as seldom as this."""

# The letters of generated names: no vowels, nothing that looks like something else.
_WORD = "[bcdfghjklmnpqrstvwxz2456789]"
_POD = f"-{_WORD}{{5}}"
_BELOW: dict[str, dict[str, str]] = {
    "Deployment": {"ReplicaSet": f"-{_WORD}{{1,11}}", "Pod": f"-{_WORD}{{1,11}}{_POD}"},
    "CronJob": {"Job": r"-[0-9]{1,11}", "Pod": rf"-[0-9]{{1,11}}{_POD}"},
    "StatefulSet": {"Pod": r"-[0-9]{1,6}"},
    **{kind: {"Pod": _POD} for kind in ("ReplicaSet", "ReplicationController", "DaemonSet", "Job")},
}
"""What the names of a kind's own objects add to its name, by kind of the object."""


class Owner(NamedTuple):
    """A top-level workload."""

    kind: str
    name: str


class Fold(NamedTuple):
    """What denials have in common."""

    namespace: str
    top_kind: str
    top_name: str
    policy: str
    rule: str
    attempt: Attempt


@dataclass(frozen=True, slots=True)
class Folded:
    """The denials of one fold, as one reading of the cluster has them."""

    denials: tuple[Denial, ...]
    """The newest first."""

    @property
    def counted(self) -> dict[str, int]:
        """How often each event says that it happened, by its uid."""
        return {each.event: each.count for each in self.denials}

    @property
    def first_at(self) -> datetime:
        return min(each.first_at for each in self.denials)

    @property
    def newest(self) -> Denial:
        return self.denials[0]


def named_owner(kind: str, name: str, owners: Iterable[Owner]) -> Owner:
    """Find the workload that an object belongs to by its name alone; itself when none would have named it so.

    For what exists no more, or never did: its owner references cannot be asked.
    """
    fitting = [
        owner
        for owner in owners
        if name.startswith(owner.name)
        and (below := _BELOW.get(owner.kind, {}).get(kind))
        and re.fullmatch(below, name[len(owner.name) :])
    ]
    return max(fitting, key=lambda owner: len(owner.name), default=Owner(kind, name))


def fold(denials: Iterable[Denial], owner_of: Callable[[Denial], Owner]) -> Mapping[Fold, Folded]:
    """Fold by workload, policy and rule.

    What the engine says of a controller's pod is left out: the controller says so itself, under one name for all tries.
    """
    found: dict[Fold, list[Denial]] = {}
    for denial in denials:
        owner = owner_of(denial)
        if denial.attempt is Attempt.HAND and owner != (denial.kind, denial.name):
            continue
        refusal = denial.refusal
        key = Fold(
            denial.namespace, owner.kind, owner.name, refusal.policy, refusal.rule, denial.attempt
        )
        found.setdefault(key, []).append(denial)
    return {
        key: Folded(tuple(sorted(each, key=lambda d: (d.last_at, d.event), reverse=True)))
        for key, each in found.items()
    }


def total(stored_count: int, stored: Mapping[str, int], read: Mapping[str, int]) -> int:
    """Add to a count what its events say beyond what was counted; a condition alone says that it happened once."""
    more = sum(max(0, count - stored.get(event, 0)) for event, count in read.items())
    return min(max(1, stored_count + more), COUNT_LIMIT)
