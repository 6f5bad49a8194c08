"""The audit trail as a chain of hashes: its canonical form, what is wrong with a chain, signed heads, exported rows."""

from policies.domain.trail.exports import CSV_HEADER, csv_cells, json_line, read_line
from policies.domain.trail.heads import (
    BadHead,
    BadTrailKey,
    Head,
    SignedHead,
    TrailKey,
    check_signature,
    heads_of_text,
    public_keys,
)
from policies.domain.trail.records import (
    GENESIS,
    TrailRecord,
    Unreadable,
    canonical,
    hash_of,
    plain,
    plain_text,
    sealed,
)
from policies.domain.trail.verification import (
    UNHASHABLE,
    Broken,
    Fault,
    KnownHead,
    Verification,
    fits,
    verify,
)

__all__ = [
    "CSV_HEADER",
    "GENESIS",
    "UNHASHABLE",
    "BadHead",
    "BadTrailKey",
    "Broken",
    "Fault",
    "Head",
    "KnownHead",
    "SignedHead",
    "TrailKey",
    "TrailRecord",
    "Unreadable",
    "Verification",
    "canonical",
    "check_signature",
    "csv_cells",
    "fits",
    "hash_of",
    "heads_of_text",
    "json_line",
    "plain",
    "plain_text",
    "public_keys",
    "read_line",
    "sealed",
    "verify",
]
