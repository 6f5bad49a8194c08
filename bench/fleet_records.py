"""What the parts of the fleet's generator share: the places, the numbers, and one way to insert."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from random import Random

from django.db import models

from policies.models import Cluster, Variant

VARIANTS = ("require-seccomp", "second-policy", "third-policy")
"""What is installed on every cluster; on the first by the walk."""
OTHERS = tuple(f"baseline-{number:02}" for number in range(9))
"""Policies of somebody else that are reported on as well."""
RESULTS_PER_WORKLOAD = len(VARIANTS) + len(OTHERS)
BATCH = 2000


@dataclass(frozen=True)
class Space:
    """One namespace, and how many workloads run in it."""

    cluster: Cluster
    name: str
    workload_count: int


@dataclass(frozen=True)
class Fleet:
    """What the parts of the generator share."""

    random: Random
    now: datetime
    results: int
    spaces: tuple[Space, ...]
    """The first is the one that pages are asked about."""
    clusters: tuple[Cluster, ...]
    variants: dict[int, tuple[Variant, ...]]
    """By cluster id."""


def insert(rows: Iterable[models.Model]) -> None:
    """Insert rows of one model, some thousand at a time."""
    left = iter(rows)
    while batch := list(islice(left, BATCH)):
        type(batch[0])._default_manager.bulk_create(batch)
