"""From a signed-in user to the actor that the domain judges: their own grants, and those of their groups."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, User
from django.db.models import Q

from policies.domain.authority import (
    EVERYTHING,
    Act,
    Actor,
    Place,
    Role,
    denial,
    everywhere,
)
from policies.models import Grant as GrantRow
from policies.queries.grants import grant_of
from policies.queries.reach import Reach, reach_of

_KEPT = "_secprof_actor"
_KEPT_REACH = "_secprof_reach"


@dataclass(frozen=True, slots=True)
class Permit:
    """Whether a button may be pressed, and if not why, in words."""

    allowed: bool
    reason: str = ""


def actor_of(user: AbstractBaseUser | AnonymousUser) -> Actor:
    """Name the actor behind a user; a superuser is an admin. Asks the database once per user object."""
    if not isinstance(user, User):
        return Actor("anonymous")
    kept = user.__dict__.get(_KEPT)
    if isinstance(kept, Actor):
        return kept
    rows = GrantRow.objects.filter(Q(user=user) | Q(group__user=user)).select_related("cluster")
    grants = frozenset(grant_of(row) for row in rows.defer("cluster__credential"))
    if user.is_superuser:
        grants |= everywhere(Role.ADMIN)
    actor = Actor(user.get_username(), user.pk, grants)
    user.__dict__[_KEPT] = actor
    return actor


def seen_by(user: AbstractBaseUser | AnonymousUser) -> Reach:
    """Say what a user may see. Asks the database once per user object, that is, anew for each request."""
    kept = user.__dict__.get(_KEPT_REACH)
    if isinstance(kept, Reach):
        return kept
    reach = reach_of(actor_of(user))
    user.__dict__[_KEPT_REACH] = reach
    return reach


def permit_on_any(actor: Actor, act: Act, places: Iterable[Place]) -> Permit:
    """Say whether the actor may do this at one of these places at least; why not at the first, or at everything."""
    found = [permit(actor, act, at=place) for place in places]
    first = found[0] if found else permit(actor, act)
    return next((each for each in found if each.allowed), first)


def permit(
    actor: Actor,
    act: Act,
    *,
    at: Place | Iterable[Place] = EVERYTHING,
    requested_by_id: int | None = None,
) -> Permit:
    """Say whether the actor may do this: the same answer that guards the action."""
    reason = denial(actor, act, at=at, requested_by_id=requested_by_id)
    return Permit(reason is None, reason or "")
