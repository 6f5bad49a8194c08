"""How well the trail is known to hold, in words: the last verification, the last head, and the key behind it."""

from dataclasses import dataclass
from datetime import datetime

from policies.models import KeptHead, TrailCheck


@dataclass(frozen=True, slots=True)
class TrailState:
    """What stands above the rows."""

    mark: str
    """`whole`, `broken` or `unverified`."""
    at: datetime | None
    sentence: str
    broken_at: int | None
    head_sequence: int
    head_at: datetime | None
    head_is_signed: bool


def trail_state(check: TrailCheck | None, head: KeptHead | None) -> TrailState:
    """Say what the last verification found, and which head was kept last."""
    mark, sentence = "unverified", "The scheduler has not verified the trail yet."
    if check is not None and check.broken_at is not None:
        mark, sentence = "broken", check.sentence
    elif check is not None:
        mark, sentence = "whole", f"Verified up to row {check.verified_to:,}"
    return TrailState(
        mark=mark,
        at=check.at if check else None,
        sentence=sentence,
        broken_at=check.broken_at if check else None,
        head_sequence=head.sequence if head else 0,
        head_at=head.at if head else None,
        head_is_signed=bool(head and head.signature),
    )
