"""What workloads name of the profiles on nodes, judged, and the first workloads that name each."""

import json
from collections import Counter, defaultdict
from dataclasses import dataclass, replace

from django.db.models import Count, F, Min, Window
from django.db.models.functions import DenseRank

from policies.domain.controls import Mechanism
from policies.domain.inventory import Lookup, Reference, Verdict, read_placement
from policies.domain.inventory.verdicts import WORST_FIRST
from policies.models import Cluster, ReferencedProfile
from policies.queries.reach import Reach

USERS_SHOWN = 5
"""Of each reference."""
_Group = tuple[str, str, str]
"""Mechanism, value and placement: what is judged alike."""


@dataclass(frozen=True, slots=True)
class User:
    """One workload that names a profile."""

    kind: str
    namespace: str
    name: str
    containers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReferenceRow:
    """One profile that workloads name, with the verdict for these workloads."""

    reference: Reference
    verdict: Verdict
    users: tuple[User, ...]
    """The first few."""
    user_count: int


def judged_references(
    cluster: Cluster, lookup: Lookup, reach: Reach, text: str
) -> list[tuple[ReferenceRow, list[_Group]]]:
    """Judge what workloads name, worst first, each with the groups of rows that it stands for.

    Workloads that name the same profile, and may run in the same places, are judged once, and only counted.
    """
    named = ReferencedProfile.objects.filter(reach.in_namespaces(), cluster=cluster)
    counted = named.values_list("mechanism", "value", "placement").annotate(
        count=Count("workload_uid", distinct=True), first=Min("namespace"), name=Min("workload")
    )
    groups: dict[tuple[Reference, Verdict], list[_Group]] = defaultdict(list)
    counts: Counter[tuple[Reference, Verdict]] = Counter()
    for mechanism, value, placement, count, *_ in counted.order_by("first", "name", "value"):
        reference = Reference(Mechanism(mechanism), value)
        if fits(reference, text):
            key = (reference, lookup.verdict(reference, read_placement(placement)))
            groups[key].append((mechanism, value, json.dumps(placement, sort_keys=True)))
            counts[key] += count
    found = [(ReferenceRow(*key, users=(), user_count=counts[key]), groups[key]) for key in groups]
    return sorted(
        found, key=lambda each: (WORST_FIRST.index(each[0].verdict.outcome), each[0].reference)
    )


def with_users(
    shown: list[tuple[ReferenceRow, list[_Group]]], cluster: Cluster, reach: Reach
) -> tuple[ReferenceRow, ...]:
    """Add the first workloads that name each of these."""
    rank = Window(
        DenseRank(),
        partition_by=[F("mechanism"), F("value"), F("placement")],
        order_by=[F("namespace"), F("kind"), F("workload")],
    )
    first = (
        ReferencedProfile.objects.filter(
            reach.in_namespaces(),
            cluster=cluster,
            value__in=[row.reference.value for row, _ in shown] or [""],
        )
        .annotate(rank=rank)
        .filter(rank__lte=USERS_SHOWN)
        .order_by("namespace", "kind", "workload", "container")
    )
    users: dict[_Group, dict[tuple[str, str, str], list[str]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for row in first:
        group = (row.mechanism, row.value, json.dumps(row.placement, sort_keys=True))
        containers = users[group][row.kind, row.namespace, row.workload]
        if row.container not in containers:
            containers.append(row.container)
    return tuple(
        replace(
            row,
            users=tuple(
                sorted(
                    (User(*who, tuple(names)) for g in groups for who, names in users[g].items()),
                    key=lambda user: (user.namespace, user.kind, user.name),
                )[:USERS_SHOWN]
            ),
        )
        for row, groups in shown
    )


def fits(reference: Reference, text: str) -> bool:
    """Say whether a profile's name holds a text."""
    return text.casefold() in reference.value.casefold()
