"""What signing in leaves behind: rows of the trail, and the groups that the provider names. Judges no password."""

from collections.abc import Iterable
from datetime import datetime

from django.contrib.auth.models import Group, User
from django.db import transaction

from policies.actions import audit
from policies.domain.authority import Actor
from policies.domain.sign_in import NAME_LIMIT, SignInEvent
from policies.models import ProviderGroup

NOBODY = "somebody unknown"


def note(
    event: SignInEvent,
    *,
    person: str,
    now: datetime,
    outcome: str = "ok",
    message: str = "",
    **details: str,
) -> None:
    """Append what happened to somebody's sign-in. A name that was only typed is cut, and nothing secret comes in."""
    name = "".join(each for each in person if each.isprintable())[:NAME_LIMIT]
    told = {key: value for key, value in details.items() if value}
    audit.record(
        event.value,
        by=Actor(name.strip() or NOBODY),
        now=now,
        outcome=outcome,
        message=message,
        details=told,
    )


def follow_provider(*, user: User, groups: Iterable[str], now: datetime) -> tuple[str, ...]:
    """Bring a user's groups in line with what the provider names, and return what changed, as `+name` and `-name`.

    Takes away only what the provider once gave: groups that somebody gave here stay. Safe to repeat.
    """
    wanted = set(groups)
    with transaction.atomic():
        # Two sign-ins at once would otherwise give the same group twice.
        User.objects.select_for_update().get(pk=user.pk)
        given = {row.group.name: row for row in _rows(user)}
        gone = sorted(given.keys() - wanted)
        for name in gone:
            user.groups.remove(given[name].group)
            given[name].delete()
        has = set(user.groups.values_list("name", flat=True))
        new = sorted(wanted - has)
        for name in new:
            _give(user, name, now)
        changes = (*(f"+{name}" for name in new), *(f"-{name}" for name in gone))
        if changes:
            note(
                SignInEvent.GROUPS_CHANGED,
                person=user.get_username(),
                now=now,
                value=", ".join(changes),
            )
    return changes


def _rows(user: User) -> Iterable[ProviderGroup]:
    return ProviderGroup.objects.filter(user=user).select_related("group")


def _give(user: User, name: str, now: datetime) -> None:
    group, _ = Group.objects.get_or_create(name=name)
    user.groups.add(group)
    ProviderGroup.objects.update_or_create(user=user, group=group, defaults={"given_at": now})
