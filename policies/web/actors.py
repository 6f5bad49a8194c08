"""From a signed-in user to the actor that the domain judges: their own grants, and those of their groups."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, User
from django.db.models import Q

from policies.domain.authority import (
    EVERYTHING,
    Act,
    Actor,
    Grant,
    Place,
    Role,
    Scope,
    denial,
    everywhere,
)
from policies.models import Grant as GrantRow

_KEPT = "_secprof_actor"


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


def grant_of(row: GrantRow) -> Grant:
    """Read a stored grant; its cluster must come with it."""
    cluster = row.cluster.name if row.cluster else ""
    return Grant(Role(row.role), Scope(cluster, row.namespace, row.selector))


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
