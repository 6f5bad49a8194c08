"""Bring stored rows in line with what was read: write only what differs, in short transactions."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, TypeVar

from django.db import models, transaction

from policies.domain.plans import canonical_json

BATCH_SIZE = 1000
"""Rows in one transaction: SQLite lets nobody else write meanwhile (a second at most at this size)."""

M = TypeVar("M", bound=models.Model)
T = TypeVar("T")
Key = tuple[Any, ...]
Fields = dict[str, Any]


def content_hash(fields: Fields) -> str:
    """Hash what a row says: 32 hex digits, the same for the same content."""
    return hashlib.blake2b(canonical_json(fields), digest_size=16).hexdigest()


def replace_rows(
    model: type[M],
    *,
    scope: Fields,
    key: Sequence[str],
    compared: Sequence[str],
    rows: Mapping[Key, Fields],
    born: Fields | None = None,
    before_delete: Callable[[list[int]], None] | None = None,
    before_update: Callable[[list[M]], None] | None = None,
    touched: set[Key] | None = None,
) -> int:
    """Make the rows within `scope` equal to `rows`, and return how many were written or deleted.

    `rows` maps the values of the `key` fields to all other fields; a stored row is left alone when its `compared`
    fields hold already. `born` is given to new rows and never changed after. `before_delete` and `before_update` are
    called in the transaction of each batch, with the ids, or with the rows as they are about to be. `touched` takes in
    the keys of what is written or deleted. Safe to repeat: a run that dies between two batches is finished by the next.
    """
    stored = {
        tuple(row[1 : 1 + len(key)]): (row[0], tuple(row[1 + len(key) :]))
        for row in model._default_manager.filter(**scope)
        .values_list("pk", *key, *compared)
        .iterator(chunk_size=5000)
    }
    gone = [pk for stored_key, (pk, _) in stored.items() if stored_key not in rows]
    born = {**scope, **(born or {})}
    new: list[M] = []
    changed: list[M] = []
    for row_key, fields in rows.items():
        pk, values = stored.get(row_key, (None, ()))
        if pk is None:
            new.append(model(**born, **dict(zip(key, row_key, strict=True)), **fields))
        elif values != tuple(fields[name] for name in compared):
            changed.append(model(pk=pk, **born, **dict(zip(key, row_key, strict=True)), **fields))
    if touched is not None:
        touched.update(stored_key for stored_key in stored if stored_key not in rows)
        touched.update(tuple(getattr(row, name) for name in key) for row in (*new, *changed))
    updated_fields = sorted({name for row in rows.values() for name in row})
    for batch in _batches(gone):
        with transaction.atomic():
            if before_delete:
                before_delete(batch)
            model._default_manager.filter(pk__in=batch).delete()
    for batch in _batches(changed):
        with transaction.atomic():
            if before_update:
                before_update(batch)
            model._default_manager.bulk_create(
                batch, update_conflicts=True, unique_fields=["id"], update_fields=updated_fields
            )
    for batch in _batches(new):
        with transaction.atomic():
            model._default_manager.bulk_create(batch)
    return len(gone) + len(changed) + len(new)


def _batches(rows: Sequence[T]) -> Iterator[list[T]]:
    remaining = iter(rows)
    while batch := list(islice(remaining, BATCH_SIZE)):
        yield batch
