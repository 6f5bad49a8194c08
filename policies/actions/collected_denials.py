"""Denials: read from events and conditions once a collection, folded by workload, and kept for a time.

Only events that tell of a refusal are asked for. What cannot be read of them is noted on their kind and leaves the run as
complete as it was.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import TypeVar

import msgspec
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from policies.actions.collection_work import ENDS_THE_RUN, CollectionWork
from policies.actions.storing import BATCH_SIZE, Fields
from policies.cluster.errors import ClusterError
from policies.cluster.gateway import CLUSTER_POLICIES, EVENTS, VALIDATING_POLICIES
from policies.domain.denial_folding import (
    STANDS_STILL,
    TEXTS_KEPT,
    Folded,
    Owner,
    fold,
    named_owner,
    total,
)
from policies.domain.denials import (
    FAILED_CREATE,
    VIOLATED,
    Denial,
    Event,
    conditions_of,
    read_condition,
    read_event,
    to_json,
)
from policies.domain.library import ObjectRole
from policies.domain.objects import WorkloadKind
from policies.domain.ownership import Top
from policies.models import Denial as DenialRow
from policies.models import ObservedPolicy, ObservedWorkload

T = TypeVar("T")

SAY_WHY = frozenset(
    {WorkloadKind.REPLICA_SET, WorkloadKind.REPLICATION_CONTROLLER, WorkloadKind.JOB}
)
"""Kinds with a condition that quotes why their pods cannot be created."""
POLICY_EVENTS_LIE_IN = "default"
"""Kyverno writes events about policies without a namespace here."""
_ENGINE_KINDS = (CLUSTER_POLICIES.kind, VALIDATING_POLICIES.kind)
"""The API server makes no events about its own policies."""
_DENYING = (ObjectRole.TWIN.value, ObjectRole.COMPANION.value)
_NAME_LENGTH, _KIND_LENGTH = 253, 63
_DECODER = msgspec.json.Decoder(Event)
_KEY = ("namespace", "top_kind", "top_name", "policy", "rule", "attempt")
_WRITTEN = (
    "variant_name",
    "outcome",
    "count",
    "first_at",
    "last_at",
    "message",
    "example_kind",
    "example_name",
    "counted",
    "texts",
)


def noting_refusals(
    work: CollectionWork, kind: WorkloadKind, decode: Callable[[bytes], T]
) -> Callable[[bytes], T]:
    """Note on the way what conditions of these objects quote; the objects are read as ever."""
    if kind not in SAY_WHY:
        return decode

    def noted(item: bytes) -> T:
        read = decode(item)
        conditions, regarding = conditions_of(kind.value, item)
        for condition in conditions:
            work.refused += read_condition(condition, regarding, now=work.run.started_at)
        return read

    return noted


def collect_denials(work: CollectionWork, tops: Mapping[str, Top]) -> None:
    """Read what was refused, and add it to what is known; what is older than it is kept for goes.

    What the cluster does wrong is noted, not raised. Raises RunLost.
    """
    now = timezone.now()
    kept_for = timedelta(days=settings.SECPROF_DENIAL_DAYS)
    DenialRow.objects.filter(cluster=work.cluster, last_at__lt=now - kept_for).delete()
    twins = _twins(work)
    try:
        if work.broken_by is not None:
            raise work.broken_by
        found = list(_read(work, twins))
    except ClusterError as error:
        if isinstance(error, ENDS_THE_RUN):
            work.broken_by = error
        work.mark_failed(EVENTS, error.message)
        # Conditions were read with their objects.
        _store(work, work.refused, tops, twins)
        return
    _store(work, [*found, *work.refused], tops, twins)
    work.counts[EVENTS.full_name] = len(found)
    work.mark(EVENTS)


def _twins(work: CollectionWork) -> dict[str, tuple[str, str]]:
    """Give kind and variant of each of our objects that denies, by its name."""
    rows = ObservedPolicy.objects.filter(cluster=work.cluster, role__in=_DENYING)
    return {
        name: (kind, variant)
        for name, kind, variant in rows.values_list("name", "kind", "variant_name")
    }


def _read(work: CollectionWork, twins: Mapping[str, tuple[str, str]]) -> Iterator[Denial]:
    """Read the events that tell of refusals. Raises ClusterError."""
    for reason in FAILED_CREATE:
        yield from _selected(work, f"reason={reason}")
    for name, (kind, _) in sorted(twins.items()):
        if kind in _ENGINE_KINDS:
            about = f"reason={VIOLATED},involvedObject.kind={kind},involvedObject.name={name}"
            yield from _selected(work, about, namespace=POLICY_EVENTS_LIE_IN)


def _selected(work: CollectionWork, fields: str, *, namespace: str = "") -> Iterator[Denial]:
    for page in work.gateway.pages(EVENTS, namespace=namespace, fields=fields):
        for item in page.items:
            try:
                yield from read_event(_DECODER.decode(item), now=timezone.now())
            except (msgspec.MsgspecError, ValueError) as error:
                work.problems.add(EVENTS, item, str(error))
        work.beat()


def _store(
    work: CollectionWork,
    denials: Iterable[Denial],
    tops: Mapping[str, Top],
    twins: Mapping[str, tuple[str, str]],
) -> None:
    known = [each for each in denials if _fits(each)]
    if not known:
        return
    found = fold(known, _owners(work, known, tops))
    namespaces = {key.namespace for key in found}
    rows = {
        tuple(getattr(row, name) for name in _KEY): row
        for row in DenialRow.objects.filter(cluster=work.cluster, namespace__in=namespaces)
    }
    changed = []
    for key, folded in found.items():
        row = rows.get(tuple(key))
        fields = _fields(folded, row)
        if row is None or _has_moved(row, fields):
            variant = twins.get(key.policy, ("", row.variant_name if row else ""))[1]
            changed.append(
                DenialRow(
                    cluster=work.cluster,
                    **dict(zip(_KEY, key, strict=True)),
                    variant_name=variant,
                    **fields,
                )
            )
    work.hold(timezone.now())
    for start in range(0, len(changed), BATCH_SIZE):
        with transaction.atomic():
            DenialRow.objects.bulk_create(
                changed[start : start + BATCH_SIZE],
                update_conflicts=True,
                unique_fields=["cluster", *_KEY],
                update_fields=_WRITTEN,
            )


def _fits(denial: Denial) -> bool:
    """Say whether it is about an object in a namespace, with names that a cluster can have."""
    names = (denial.name, denial.refusal.policy, denial.refusal.rule)
    return (
        0 < len(denial.namespace) <= _KIND_LENGTH
        and len(denial.kind) <= _KIND_LENGTH
        and all(len(name) <= _NAME_LENGTH for name in names)
    )


def _owners(
    work: CollectionWork, denials: Iterable[Denial], tops: Mapping[str, Top]
) -> Callable[[Denial], Owner]:
    """Say to which workload a denial belongs: by owner references, and by name where there is no object to ask."""
    namespaces = {each.namespace for each in denials}
    stored = ObservedWorkload.objects.filter(cluster=work.cluster, namespace__in=namespaces)
    by_namespace: dict[str, set[Owner]] = {}
    for namespace, kind, name in stored.values_list("namespace", "top_kind", "top_name"):
        by_namespace.setdefault(namespace, set()).add(Owner(kind, name))

    def owner_of(denial: Denial) -> Owner:
        top = tops.get(denial.uid)
        kind, name = (top.kind, top.name) if top else (denial.kind, denial.name)
        return named_owner(kind, name, by_namespace.get(denial.namespace, ()))

    return owner_of


def _fields(folded: Folded, row: DenialRow | None) -> Fields:
    newest = folded.newest
    stored = row.counted if row else {}
    texts = {each["event"]: each for each in (row.texts if row else ())}
    texts.update({each.event: to_json(each) for each in folded.denials[:TEXTS_KEPT]})
    is_newer = row is None or newest.last_at >= row.last_at
    return {
        "count": total(row.count if row else 0, stored, folded.counted),
        "first_at": min(folded.first_at, row.first_at) if row else folded.first_at,
        "last_at": newest.last_at if is_newer or row is None else row.last_at,
        "outcome": newest.refusal.outcome.value,
        "message": newest.refusal.message,
        "example_kind": newest.kind,
        "example_name": newest.name,
        "counted": folded.counted,
        "texts": sorted(texts.values(), key=_text_at, reverse=True)[:TEXTS_KEPT],
    }


def _text_at(text: Mapping[str, str]) -> datetime:
    return datetime.fromisoformat(text["at"])


def _has_moved(row: DenialRow, fields: Fields) -> bool:
    """Say whether something happened that the row does not know."""
    later: timedelta = fields["last_at"] - row.last_at
    return bool(fields["count"] != row.count or later >= STANDS_STILL)
