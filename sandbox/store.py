"""The state of one sandbox cluster in one SQLite file, shared by every process that opens it.

It keeps objects, settings and faults; what they mean is decided elsewhere.
"""

import json
import sqlite3
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Manifest = dict[str, Any]

SCHEMA = """
CREATE TABLE IF NOT EXISTS object (
    grp TEXT NOT NULL, kind TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL,
    uid TEXT NOT NULL, manifest TEXT NOT NULL,
    PRIMARY KEY (grp, kind, namespace, name)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS object_uid ON object (uid);
CREATE TABLE IF NOT EXISTS setting (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS fault (
    name TEXT NOT NULL, target TEXT NOT NULL, amount REAL NOT NULL, PRIMARY KEY (name, target)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS change (
    number INTEGER PRIMARY KEY AUTOINCREMENT, grp TEXT NOT NULL, kind TEXT NOT NULL, is_gone INTEGER NOT NULL,
    manifest TEXT NOT NULL
);
CREATE TRIGGER IF NOT EXISTS put_is_noted AFTER INSERT ON object BEGIN
    INSERT INTO change (grp, kind, is_gone, manifest) VALUES (new.grp, new.kind, 0, new.manifest);
    DELETE FROM change WHERE number <= (SELECT MAX(number) FROM change) - 10000;
END;
CREATE TRIGGER IF NOT EXISTS removal_is_noted AFTER DELETE ON object BEGIN
    INSERT INTO change (grp, kind, is_gone, manifest) VALUES (old.grp, old.kind, 1, old.manifest);
END;
CREATE TABLE IF NOT EXISTS judged (uid TEXT PRIMARY KEY, fingerprint TEXT NOT NULL, at REAL NOT NULL) WITHOUT ROWID;
"""

BUSY_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Key:
    """Where an object lies. The version of its API is not part of it."""

    group: str
    kind: str
    namespace: str
    name: str


def key_of(manifest: Manifest) -> Key:
    group, _, _ = str(manifest.get("apiVersion", "")).rpartition("/")
    metadata = manifest["metadata"]
    return Key(group, manifest["kind"], metadata.get("namespace", ""), metadata["name"])


class Store:
    """One connection. Not shared between threads; writes happen inside `transaction`."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=NORMAL")
        self._connection.executescript(SCHEMA)

    def close(self) -> None:
        self._connection.close()

    @contextmanager
    def transaction(self, *, writes: bool = True) -> Iterator[None]:
        """Hold the write lock, if anything is to be written. An inner call joins the outer transaction."""
        if not writes or self._connection.in_transaction:
            yield
            return
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def objects(self, group: str, kind: str, *, namespace: str = "") -> tuple[Manifest, ...]:
        """All objects of a kind in the order of etcd: by namespace, then by name."""
        return tuple(map(json.loads, self.texts(group, kind, namespace=namespace)))

    def texts(self, group: str, kind: str, *, namespace: str = "") -> tuple[str, ...]:
        """The same as JSON: equal texts are equal objects, so that what was read from one can be kept."""
        sql = "SELECT manifest FROM object WHERE grp = ? AND kind = ?"
        parameters: tuple[str, ...] = (group, kind)
        if namespace:
            sql += " AND namespace = ?"
            parameters = (group, kind, namespace)
        rows = self._connection.execute(sql + " ORDER BY namespace, name", parameters)
        return tuple(row[0] for row in rows)

    def find(self, key: Key) -> Manifest | None:
        row = self._connection.execute(
            "SELECT manifest FROM object WHERE grp = ? AND kind = ? AND namespace = ? AND name = ?",
            (key.group, key.kind, key.namespace, key.name),
        ).fetchone()
        return None if row is None else json.loads(row[0])

    def put(self, manifest: Manifest) -> None:
        key = key_of(manifest)
        self._connection.execute(
            "INSERT OR REPLACE INTO object VALUES (?, ?, ?, ?, ?, ?)",
            (
                key.group,
                key.kind,
                key.namespace,
                key.name,
                manifest["metadata"]["uid"],
                json.dumps(manifest, separators=(",", ":"), sort_keys=True),
            ),
        )

    def remove(self, key: Key) -> None:
        self._connection.execute(
            "DELETE FROM object WHERE grp = ? AND kind = ? AND namespace = ? AND name = ?",
            (key.group, key.kind, key.namespace, key.name),
        )

    def remove_namespace(self, namespace: str) -> None:
        self._connection.execute("DELETE FROM object WHERE namespace = ?", (namespace,))

    def last_change(self) -> int:
        """The number of the last change to any object."""
        row = self._connection.execute("SELECT MAX(seq) FROM sqlite_sequence").fetchone()
        return int(row[0] or 0)

    def changes(
        self, group: str, kind: str, since: int
    ) -> tuple[tuple[int, bool, str], ...] | None:
        """Every change to a kind after that number: number, whether it is gone, and the object as JSON, in order.

        None when changes since then were forgotten.
        """
        oldest = self._connection.execute("SELECT MIN(number) FROM change").fetchone()[0]
        if since > self.last_change() or (oldest or 1) > since + 1:
            return None
        rows = self._connection.execute(
            "SELECT number, is_gone, manifest FROM change"
            " WHERE number > ? AND grp = ? AND kind = ? ORDER BY number",
            (since, group, kind),
        )
        return tuple((number, bool(is_gone), manifest) for number, is_gone, manifest in rows)

    def version(self) -> int:
        """The last resource version given out."""
        return int(self.setting("resourceVersion", "0"))

    def next_version(self) -> int:
        version = self.version() + 1
        self.set_setting("resourceVersion", str(version))
        return version

    def new_uid(self, key: Key) -> str:
        """A uid that no other object of this cluster has, the same in every run of the same steps."""
        cluster = uuid.uuid5(uuid.NAMESPACE_URL, self.setting("cluster", "sandbox"))
        path = "/".join((key.group, key.kind, key.namespace, key.name))
        return str(uuid.uuid5(cluster, f"{path}@{self.version()}"))

    def setting(self, name: str, default: str) -> str:
        row = self._connection.execute(
            "SELECT value FROM setting WHERE name = ?", (name,)
        ).fetchone()
        return default if row is None else str(row[0])

    def set_setting(self, name: str, value: str) -> None:
        self._connection.execute("INSERT OR REPLACE INTO setting VALUES (?, ?)", (name, value))

    def faults(self) -> tuple[tuple[str, str, float], ...]:
        """Every fault that is set, as name, target, amount."""
        return tuple(
            self._connection.execute("SELECT name, target, amount FROM fault ORDER BY 1, 2")
        )

    def set_fault(self, name: str, target: str, amount: float) -> None:
        self._connection.execute(
            "INSERT OR REPLACE INTO fault VALUES (?, ?, ?)", (name, target, amount)
        )

    def remove_fault(self, name: str, target: str) -> None:
        self._connection.execute("DELETE FROM fault WHERE name = ? AND target = ?", (name, target))

    def judged(self) -> dict[str, tuple[str, float]]:
        """By uid of a resource: on what its report rests, and when it was made (epoch seconds)."""
        rows = self._connection.execute("SELECT uid, fingerprint, at FROM judged")
        return {uid: (fingerprint, at) for uid, fingerprint, at in rows}

    def set_judged(self, rows: Iterable[tuple[str, str, float]]) -> None:
        self._connection.executemany("INSERT OR REPLACE INTO judged VALUES (?, ?, ?)", rows)

    def forget_judged(self, uids: Iterable[str]) -> None:
        self._connection.executemany("DELETE FROM judged WHERE uid = ?", ((uid,) for uid in uids))
