"""From a signed-in user to the actor that the domain judges. Roles are the names of Django groups."""

from dataclasses import dataclass

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, User

from policies.domain.authority import Act, Actor, Role, denial

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
    names = set(user.groups.values_list("name", flat=True))
    if user.is_superuser:
        names.add(Role.ADMIN.value)
    roles = frozenset(role for role in Role if role.value in names)
    actor = Actor(user.get_username(), user.pk, roles)
    user.__dict__[_KEPT] = actor
    return actor


def permit(actor: Actor, act: Act, *, requested_by_id: int | None = None) -> Permit:
    """Say whether the actor may do this: the same answer that guards the action."""
    reason = denial(actor, act, requested_by_id=requested_by_id)
    return Permit(reason is None, reason or "")
