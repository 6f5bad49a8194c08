"""End sessions: one's own, all others of one's own, and those of somebody else."""

from collections.abc import Iterable
from datetime import datetime

from allauth.usersessions.models import UserSession
from django.contrib.auth.models import User

from policies.actions import audit
from policies.actions.errors import Refused
from policies.actions.sign_in import note
from policies.domain.authority import Act, Actor, require
from policies.domain.sign_in import SignInEvent, device


def end_session(*, user: User, session_id: int, now: datetime) -> None:
    """End one session of this user. Raises Refused when it is not theirs, or has ended."""
    found = UserSession.objects.filter(user=user, pk=session_id)
    if not _end(found, user, now=now):
        raise Refused("This session has ended already.")


def end_other_sessions(*, user: User, kept_key: str, now: datetime) -> int:
    """End all sessions of this user but the one with this key, and return their number."""
    return _end(UserSession.objects.filter(user=user).exclude(session_key=kept_key), user, now=now)


def end_all_sessions(*, user_name: str, by: Actor, now: datetime) -> int:
    """End every session of somebody, and return their number. Raises Refused when nobody has this name."""
    require(by, Act.MANAGE_SIGN_IN)
    count = 0
    for session in UserSession.objects.filter(user=find_user(user_name)):
        session.end()
        count += 1
    audit.record(
        SignInEvent.SESSION_ENDED.value,
        by=by,
        now=now,
        details={"value": f"all of {user_name}", "count": count},
    )
    return count


def find_user(name: str) -> User:
    """Find a user by name. Raises Refused."""
    found = User.objects.filter(username=name).first()
    if found is None:
        raise Refused(f"There is no user {name}.")
    return found


def _end(sessions: Iterable[UserSession], user: User, *, now: datetime) -> int:
    count = 0
    for session in sessions:
        session.end()
        note(
            SignInEvent.SESSION_ENDED,
            person=user.get_username(),
            now=now,
            value="their own",
            device=device(session.user_agent),
            address=session.ip,
        )
        count += 1
    return count
