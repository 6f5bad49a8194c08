"""The sessions of one person, for that person's eyes."""

from dataclasses import dataclass
from datetime import datetime

from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session

from policies.domain.sign_in import device


@dataclass(frozen=True, slots=True)
class OpenSession:
    """One browser that is signed in."""

    id: int
    device: str
    user_agent: str
    address: str
    began_at: datetime
    seen_at: datetime
    is_this_one: bool


def open_sessions(*, user_id: int, this_key: str, now: datetime) -> tuple[OpenSession, ...]:
    """Load the sessions that are open, this one first, then the newest use first."""
    found = sorted(
        (_session(row, this_key) for row in _open(user_id, now)),
        key=lambda each: (not each.is_this_one, -each.seen_at.timestamp()),
    )
    return tuple(found)


def session_count(*, user_id: int, now: datetime) -> int:
    """Count the sessions that are open."""
    return len(_open(user_id, now))


def _open(user_id: int, now: datetime) -> list[UserSession]:
    rows = list(UserSession.objects.filter(user_id=user_id))
    keys = [row.session_key for row in rows]
    live = Session.objects.filter(session_key__in=keys, expire_date__gt=now)
    alive = set(live.values_list("session_key", flat=True))
    return [row for row in rows if row.session_key in alive]


def _session(row: UserSession, this_key: str) -> OpenSession:
    return OpenSession(
        id=row.pk,
        device=device(row.user_agent),
        user_agent=row.user_agent,
        address=row.ip,
        began_at=row.created_at,
        seen_at=row.last_seen_at,
        is_this_one=row.session_key == this_key,
    )
