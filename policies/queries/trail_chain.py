"""The audit trail as a chain: its rows in their order, however many, its end, and the heads that are known of it."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import datetime

from django.db.models import QuerySet

from policies.domain.trail import (
    UNHASHABLE,
    BadHead,
    Broken,
    Fault,
    Head,
    KnownHead,
    SignedHead,
    TrailKey,
    TrailRecord,
    Unreadable,
    check_signature,
    public_keys,
)
from policies.models import AuditEvent, KeptHead, TrailCheck, TrailHead

CHUNK = 1000
_COLUMNS = tuple(
    field.name for field in fields(TrailRecord) if field.name not in {"sequence", "namespaces"}
)


def row_of(record: TrailRecord) -> AuditEvent:
    """Turn a record into a row that is not stored yet."""
    values = {name: getattr(record, name) for name in _COLUMNS}
    return AuditEvent(id=record.sequence, namespaces=list(record.namespaces), **values)


def record_of(row: AuditEvent) -> TrailRecord:
    """Turn a row into a record. Raises TypeError for what was never written so."""
    if not isinstance(row.namespaces, list) or not isinstance(row.details, dict):
        raise TypeError("A list or an object in it is none.")
    values = {name: getattr(row, name) for name in _COLUMNS}
    return TrailRecord(sequence=row.id, namespaces=tuple(row.namespaces), **values)


def rows_in_order(events: QuerySet[AuditEvent] | None = None) -> Iterator[TrailRecord | Unreadable]:
    """Yield rows from the first to the last, a chunk at a time; one that cannot be read stops nothing."""
    ordered = (AuditEvent.objects.all() if events is None else events).order_by("pk")
    found = read_rows(ordered[:CHUNK])
    while found:
        yield from found
        last = found[-1].sequence
        # Begins with the last row again: a second one of the same number would show behind it.
        found = read_rows(ordered.filter(pk__gte=last)[: CHUNK + 1])[1:]


def read_rows(rows: QuerySet[AuditEvent]) -> list[TrailRecord | Unreadable]:
    """Read rows, one by one where one of them holds what the database never gave out."""
    try:
        return [record_of(row) for row in rows]
    except UNHASHABLE:
        return [_read(pk) for pk in rows.values_list("pk", flat=True)]


def _read(pk: int) -> TrailRecord | Unreadable:
    try:
        return record_of(AuditEvent.objects.filter(pk=pk)[0])
    except UNHASHABLE as error:
        return Unreadable(pk, f"{type(error).__name__}: {error}")


def current_head(*, installation: str, now: datetime) -> Head | None:
    """Give the end of the trail; None when its row is gone."""
    row = TrailHead.objects.first()
    return Head(row.sequence, row.hash, now, installation) if row else None


@dataclass(frozen=True, slots=True)
class HeadsAtHand:
    """The heads that the database itself holds, and what is wrong with them."""

    known: tuple[KnownHead, ...]
    trouble: Broken | None


def heads_at_hand(key: TrailKey | None) -> HeadsAtHand:
    """List the newest head and those kept each day; one that our key did not sign as it stands is trouble."""
    keys = public_keys(key.public_pem) if key else {}
    known, trouble = [], None
    for row in KeptHead.objects.order_by("pk"):
        signed = signed_head_of(row)
        try:
            if signed.key_id in keys:
                check_signature(signed, keys)
        except BadHead as error:
            trouble = trouble or Broken(row.sequence, Fault.REWRITTEN, str(error))
            continue
        known.append(KnownHead(row.sequence, row.hash, signed.head.name))
    newest = TrailHead.objects.first()
    if newest is not None:
        known.append(KnownHead(newest.sequence, newest.hash, "the head in the database"))
    elif trouble is None:
        last = max((head.sequence for head in known), default=0)
        trouble = Broken(
            last + 1,
            Fault.TRUNCATED,
            f"The head is gone from the database: rows after {last} may be missing.",
        )
    return HeadsAtHand(tuple(known), trouble)


def signed_head_of(row: KeptHead) -> SignedHead:
    """Turn a kept row into what was given out."""
    head = Head(row.sequence, row.hash, row.at, row.installation)
    return SignedHead(head, row.key_id, row.signature)


def last_kept_head() -> KeptHead | None:
    """Load the head that was kept last."""
    return KeptHead.objects.order_by("-pk").first()


def last_check() -> TrailCheck | None:
    """Load the newest verification of the whole trail."""
    return TrailCheck.objects.order_by("-pk").first()
