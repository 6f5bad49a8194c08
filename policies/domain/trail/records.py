"""One row of the trail, its canonical form and its hash. The form never changes: rows of today must verify in ten years.

The canonical form is one JSON object of everything but the hash itself: keys sorted, no spaces, text as it is in UTF-8,
times in UTC with microseconds. `jq -cSj 'del(.hash)'` of an exported row writes the same bytes.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

FORM = 1
"""The number of this form; a row with another column would need another one."""
GENESIS = "0" * 64
"""What the first row has in the place of a hash before it."""


@dataclass(frozen=True, slots=True)
class TrailRecord:
    """A row of the trail with everything that it holds."""

    sequence: int
    """From 1, without a gap."""
    at: datetime
    actor: str
    verb: str
    cluster: str
    variant: str
    namespaces: tuple[str, ...]
    flip_id: str
    exception_id: str
    plan_digest: str
    outcome: str
    message: str
    details: Mapping[str, Any] = field(hash=False)
    previous_hash: str
    hash: str = ""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A row that no record can be made of, because somebody has been at it."""

    sequence: int
    message: str


def content(record: TrailRecord) -> dict[str, Any]:
    """Give everything that the hash is over. Raises ValueError for a time without a zone."""
    return {
        "form": FORM,
        "sequence": record.sequence,
        "at": utc_text(record.at),
        "actor": record.actor,
        "verb": record.verb,
        "cluster": record.cluster,
        "variant": record.variant,
        "namespaces": list(record.namespaces),
        "flip_id": record.flip_id,
        "exception_id": record.exception_id,
        "plan_digest": record.plan_digest,
        "outcome": record.outcome,
        "message": record.message,
        "details": record.details,
        "previous_hash": record.previous_hash,
    }


def utc_text(at: datetime) -> str:
    """Write a time in its one form. Raises ValueError for one without a zone."""
    if at.tzinfo is None:
        raise ValueError("A time without its zone.")
    return at.astimezone(UTC).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def canonical_text(value: Mapping[str, Any]) -> str:
    """Write JSON in the one form that is hashed and signed. Raises ValueError, TypeError for what is no JSON."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def canonical(record: TrailRecord) -> bytes:
    """Write a row in its canonical form. Raises ValueError, TypeError for what no row can hold."""
    return canonical_text(content(record)).encode("utf-8")


def hash_of(record: TrailRecord) -> str:
    """Hash a row's canonical form with SHA-256. Raises as `canonical` does."""
    return hashlib.sha256(canonical(record)).hexdigest()


def sealed(record: TrailRecord) -> TrailRecord:
    """Give a row its hash."""
    return replace(record, hash=hash_of(record))


def plain(value: Any) -> Any:
    """Turn details into JSON that every database gives back as it got it. Raises TypeError for other objects.

    A database may write a number with a fraction in another way, so such a number is kept as text.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return plain_text(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, Mapping):
        return {plain_text(str(key)): plain(each) for key, each in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return [plain(each) for each in value]
    raise TypeError(f"{type(value).__name__} cannot stand in the audit trail.")


def plain_text(text: str) -> str:
    """Replace what no database takes as text: the character zero, and halves of pairs."""
    return text.encode("utf-8", "replace").decode("utf-8").replace("\0", "\ufffd")
