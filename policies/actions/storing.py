"""Bring stored rows in line with what was read: write only what differs, in short transactions."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import islice
from typing import Any, TypeVar

import msgspec
from django.db import connection, models, transaction

BATCH_SIZE = 1000
"""Rows in one transaction: SQLite lets nobody else write meanwhile (a second at most at this size)."""

M = TypeVar("M", bound=models.Model)
T = TypeVar("T")
Key = tuple[Any, ...]
Fields = dict[str, Any]
_ENCODER = msgspec.json.Encoder(order="deterministic")


def content_hash(fields: Fields) -> str:
    """Hash what a row says: 32 hex digits, the same for the same content."""
    return hashlib.blake2b(_ENCODER.encode(fields), digest_size=16).hexdigest()


def replace_rows(
    model: type[M],
    *,
    scope: Fields,
    key: Sequence[str],
    compared: Sequence[str],
    rows: Mapping[Key, Fields],
    within: Fields | None = None,
    born: Fields | None = None,
    before_delete: Callable[[Mapping[int, Key]], None] | None = None,
    before_update: Callable[[Sequence[Fields]], None] | None = None,
) -> set[Key]:
    """Make the rows within `scope` equal to `rows`, and name those that were written or deleted.

    `within` narrows the scope further, by lookups of Django's, to where `rows` lie. `rows` maps the values of the `key` fields to all other fields; a stored row is left alone when its `compared`
    fields hold already. `born` is given to new rows and never changed after. `before_delete` and `before_update` are
    called in the transaction of each batch, with the keys of its rows by their ids, or with the rows as they are
    about to be. Safe to repeat: a run that dies between two batches is finished by the next.
    """
    stored = {
        tuple(row[1 : 1 + len(key)]): (row[0], tuple(row[1 + len(key) :]))
        for row in model._default_manager.filter(**scope, **(within or {}))
        .values_list("pk", *key, *compared)
        .iterator(chunk_size=5000)
    }
    gone = {pk: stored_key for stored_key, (pk, _) in stored.items() if stored_key not in rows}
    new: list[Fields] = []
    changed: list[Fields] = []
    touched: set[Key] = set(gone.values())
    for row_key, fields in rows.items():
        pk, values = stored.get(row_key, (None, ()))
        if pk is None:
            named = dict(zip(key, row_key, strict=True))
            new.append({**scope, **named, **(born or {}), **fields})
        elif values != tuple(fields[name] for name in compared):
            changed.append({"id": pk, **scope, **dict(zip(key, row_key, strict=True)), **fields})
        else:
            continue
        touched.add(row_key)
    change_rows(
        model,
        gone=gone,
        changed=changed,
        new=new,
        before_delete=before_delete,
        before_update=before_update,
    )
    return touched


def change_rows(
    model: type[models.Model],
    *,
    gone: Mapping[int, Key],
    changed: Sequence[Fields],
    new: Sequence[Fields],
    before_delete: Callable[[Mapping[int, Key]], None] | None = None,
    before_update: Callable[[Sequence[Fields]], None] | None = None,
) -> None:
    """Delete, update (by `id`) and insert rows, a transaction a batch. The rows of a list say the same fields each."""
    for pks in batches(gone):
        with transaction.atomic():
            if before_delete:
                before_delete({pk: gone[pk] for pk in pks})
            model._default_manager.filter(pk__in=pks).delete()
    for batch in batches(changed):
        with transaction.atomic():
            if before_update:
                before_update(batch)
            update_rows(model, batch)
    for batch in batches(new):
        with transaction.atomic():
            insert_rows(model, batch)


def insert_rows(model: type[models.Model], rows: Sequence[Fields]) -> None:
    """Insert rows that say the same fields each, past the ORM: on PostgreSQL by COPY."""
    if not rows:
        return
    columns, values = _columns(model, rows)
    table = _quoted(model._meta.db_table)
    names = ", ".join(_quoted(column) for column in columns)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            with cursor.copy(f"COPY {table} ({names}) FROM STDIN") as copy:
                for row in values:
                    copy.write_row(row)
            return
        marks = ", ".join("%s" for _ in columns)
        cursor.executemany(f"INSERT INTO {table} ({names}) VALUES ({marks})", values)  # noqa: S608


def update_rows(model: type[models.Model], rows: Sequence[Fields]) -> None:
    """Give rows, by their `id`, these fields; the same fields for each."""
    if not rows:
        return
    columns, values = _columns(model, rows)
    table = _quoted(model._meta.db_table)
    setting = [column for column in columns if column != "id"]
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            names = ", ".join(_quoted(column) for column in columns)
            cursor.execute(
                f"CREATE TEMPORARY TABLE changed ON COMMIT DROP AS SELECT {names} FROM {table} WITH NO DATA"  # noqa: S608
            )
            with cursor.copy(f"COPY changed ({names}) FROM STDIN") as copy:
                for row in values:
                    copy.write_row(row)
            assigned = ", ".join(f"{_quoted(c)} = changed.{_quoted(c)}" for c in setting)
            cursor.execute(
                f"UPDATE {table} SET {assigned} FROM changed WHERE {table}.id = changed.id"  # noqa: S608
            )
            cursor.execute("DROP TABLE changed")
            return
        assigned = ", ".join(f"{_quoted(column)} = %s" for column in setting)
        at = [columns.index(column) for column in (*setting, "id")]
        cursor.executemany(
            f"UPDATE {table} SET {assigned} WHERE id = %s",  # noqa: S608
            [[row[index] for index in at] for row in values],
        )


LOOKUP_SIZE = 500
"""Values in one lookup: a database takes only so many parameters."""


def batches(rows: Iterable[T], size: int | None = None) -> Iterator[list[T]]:
    """Cut rows into what one transaction may hold, or into batches of another size."""
    remaining = iter(rows)
    while batch := list(islice(remaining, size or BATCH_SIZE)):
        yield batch


def _columns(
    model: type[models.Model], rows: Sequence[Fields]
) -> tuple[list[str], list[list[Any]]]:
    """Give the columns of some rows, defaults included, and their values as the database takes them."""
    given = rows[0]
    is_new = "id" not in given
    fields = [
        f
        for f in model._meta.concrete_fields
        if f.attname in given or (is_new and not f.primary_key)
    ]
    defaults = {f.attname: f.get_default() for f in fields if f.attname not in given}
    converters = [(f.attname, _converter(f)) for f in fields]
    values = []
    for row in rows:
        said = row if not defaults else {**defaults, **row}
        values.append(
            [convert(said[name]) if convert else said[name] for name, convert in converters]
        )
    return [str(f.column) for f in fields], values


def _converter(field: Any) -> Callable[[Any], Any] | None:
    if isinstance(field, models.JSONField):
        return _json
    if isinstance(field, models.DateTimeField):
        # Many rows tell of the same few moments.
        return lru_cache(maxsize=4096)(connection.ops.adapt_datetimefield_value)
    if isinstance(field, models.DateField):
        return connection.ops.adapt_datefield_value
    return None


def _json(value: Any) -> str | None:
    return None if value is None else msgspec.json.encode(value).decode()


def _quoted(name: str) -> str:
    return connection.ops.quote_name(name)
