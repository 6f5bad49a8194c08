"""The audit trail as people read it: a sentence for each row, and the row itself on demand."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from uuid import UUID

from policies.queries.trail_events import Event
from policies.web.presenters.trail_words import plain_words, words_of

verb_title = plain_words


@dataclass(frozen=True, slots=True)
class Sentence:
    """One row of the trail in words."""

    id: int
    at: datetime | None
    actor: str
    text: str
    """What the actor did, without the name in front."""
    message: str
    outcome: str
    flip_id: str
    exception_id: str
    digest: str
    hash: str
    previous_hash: str
    raw: str


def sentences(events: Iterable[Event]) -> tuple[Sentence, ...]:
    """Say each row of the trail in a sentence."""
    return tuple(sentence(event) for event in events)


def sentence(event: Event) -> Sentence:
    """Say one row of the trail in a sentence."""
    return Sentence(
        id=event.id,
        at=event.at,
        actor=event.actor or "Somebody",
        text=words_of(event),
        message=event.message,
        outcome=event.outcome,
        flip_id=_linked(event.flip_id),
        exception_id=_linked(event.exception_id),
        digest=event.plan_digest,
        hash=event.hash,
        previous_hash=event.previous_hash,
        raw=json.dumps(asdict(event), indent=2, default=str, ensure_ascii=False),
    )


def _linked(text: str) -> str:
    """Give an id that has a page; whatever else stands in a row makes no address."""
    try:
        return str(UUID(text)) if text else ""
    except (ValueError, AttributeError, TypeError):
        return ""
