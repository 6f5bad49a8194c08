"""Findings over time: what ends is written down in the transaction that ends it.

A finding is a row of ObservedResult that fails, warns or errs. Nothing is written for one that stays.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import (
    Case,
    CharField,
    DateTimeField,
    Exists,
    F,
    OuterRef,
    Q,
    QuerySet,
    Value,
    When,
)
from django.db.models.functions import Greatest

from policies.actions.storing import BATCH_SIZE
from policies.domain.findings import FINDING_OUTCOMES, Closing
from policies.domain.objects import WorkloadKind
from policies.domain.reports import Outcome
from policies.models import ClosedFinding, ObservedPolicy, ObservedResult, ObservedWorkload
from policies.queries.evidence import SOURCE

_COPIED = (
    "cluster_id",
    "source",
    "policy",
    "rule",
    "raw_rule",
    "outcome",
    "kind",
    "namespace",
    "name",
    "uid",
    "top_kind",
    "top_name",
    "first_seen_at",
)
_SAID = ("last_seen_at", "closed_at", "reason")
_FAILS = Q(outcome__in=sorted(FINDING_OUTCOMES))
_IS_WORKLOAD = Q(kind__in=sorted(WorkloadKind))
_IS_TOP = Q(kind=F("top_kind"), name=F("top_name"))


def close_findings(
    cluster_id: int,
    pks: Sequence[int],
    *,
    closed_at: datetime,
    last_seen_at: datetime | None,
    passed: Collection[int] = (),
) -> None:
    """Write down the findings among these rows of ObservedResult as closed; skips among them are none.

    To be called in the transaction that deletes the rows, before it does, and after this run's policies and workloads
    were stored: they tell why a finding ended. `last_seen_at` is when the last complete read of reports began, None
    when there was none. `passed` are those of the ids whose object was judged again by the same policy.
    """
    _close(cluster_id, pks, _why(passed), closed_at=closed_at, last_seen_at=last_seen_at)


def turn_findings(
    cluster_id: int,
    outcomes: Mapping[int, str],
    *,
    at: datetime,
    last_seen_at: datetime | None,
) -> None:
    """Tell what happens to findings whose rows are about to have these outcomes, by id.

    One that turns into a skip is closed; a skip that turns into a finding begins at `at`. Any other change leaves
    `first_seen_at` alone. To be called in the transaction that updates the rows, before it does.
    """
    skipped = [pk for pk, outcome in outcomes.items() if outcome == Outcome.SKIP]
    exempted = Value(Closing.EXEMPTED.value, output_field=CharField())
    _close(cluster_id, skipped, exempted, closed_at=at, last_seen_at=last_seen_at)
    for batch in _batches(list(outcomes)):
        begin = Q(pk__in=[pk for pk in batch if outcomes[pk] in FINDING_OUTCOMES]) & ~_FAILS
        end = Q(pk__in=[pk for pk in batch if outcomes[pk] == Outcome.SKIP]) & _FAILS
        ObservedResult.objects.filter(begin | end, cluster_id=cluster_id).update(first_seen_at=at)


def _close(
    cluster_id: int,
    pks: Sequence[int],
    reason: Any,
    *,
    closed_at: datetime,
    last_seen_at: datetime | None,
) -> None:
    # A run that died may have left rows that are younger than the last complete read.
    seen_at = (
        Greatest(F("first_seen_at"), _at(last_seen_at)) if last_seen_at else F("first_seen_at")
    )
    for batch in _batches(pks):
        findings = ObservedResult.objects.filter(_FAILS, cluster_id=cluster_id, pk__in=batch)
        _insert(findings.annotate(last_seen_at=seen_at, closed_at=_at(closed_at), reason=reason))


def _insert(findings: QuerySet[ObservedResult]) -> None:
    """Copy rows without taking them through this process."""
    quote = connection.ops.quote_name
    meta = ClosedFinding._meta
    columns = ", ".join(quote(name) for name in (*_COPIED, *_SAID))
    selected, params = findings.values_list(*_COPIED, *_SAID).query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO {quote(meta.db_table)} ({columns}) {selected}", params)


def _why(passed: Collection[int]) -> Case:
    policies = ObservedPolicy.objects.filter(
        cluster_id=OuterRef("cluster_id"), name=OuterRef("policy")
    )
    workloads = ObservedWorkload.objects.filter(cluster_id=OuterRef("cluster_id"))
    itself = Exists(workloads.filter(uid=OuterRef("uid")))
    its_top = Exists(
        workloads.filter(
            namespace=OuterRef("namespace"), kind=OuterRef("top_kind"), name=OuterRef("top_name")
        )
    )
    # Policies of other producers, and those of a namespace, are not collected.
    is_collected = Q(source__in=sorted(SOURCE.values())) & ~Q(policy__contains="/")
    return Case(
        When(is_collected & ~Exists(policies), then=Value(Closing.POLICY_GONE.value)),
        When(Q(pk__in=passed), then=Value(Closing.FIXED.value)),
        When(_IS_WORKLOAD & _IS_TOP & ~Q(itself), then=Value(Closing.WORKLOAD_GONE.value)),
        When(_IS_WORKLOAD & ~_IS_TOP & ~Q(its_top), then=Value(Closing.WORKLOAD_GONE.value)),
        When(_IS_WORKLOAD & ~_IS_TOP & ~Q(itself), then=Value(Closing.REPLACED.value)),
        default=Value(Closing.UNREPORTED.value),
        output_field=CharField(),
    )


def _batches(pks: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(pks), BATCH_SIZE):
        yield pks[start : start + BATCH_SIZE]


def _at(moment: datetime) -> Value:
    return Value(moment, output_field=DateTimeField())
