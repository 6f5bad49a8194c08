"""Give and withdraw roles: to a person or a group, on everything or on a part of it.

Nobody gives a role to themselves, and the last person who is an admin on everything stays one.
"""

import unicodedata
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import Group, User
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet

from policies.actions import audit
from policies.actions.errors import Refused
from policies.domain.authority import Act, Actor, Role, Scope, require
from policies.domain.names import is_dns_label
from policies.domain.selectors import InvalidSelector
from policies.models import Cluster, Grant

NAME_LENGTH = 150
ON_EVERYTHING = Q(cluster__isnull=True, namespace="", selector="")


@dataclass(frozen=True, slots=True)
class Holder:
    """Whoever gets a role: a person by their user name, or a group by its name."""

    name: str
    is_group: bool = False

    def __str__(self) -> str:
        return f"the group {self.name}" if self.is_group else self.name


def give(*, to: Holder, role: str, scope: Scope, by: Actor, now: datetime) -> Grant:
    """Give a role; a group that is not known yet is made, so that its members may come from elsewhere later.

    Raises Refused for a person or a cluster that is not known, for a name that none can have, for the actor's own
    person, and for what has been given already.
    """
    require(by, Act.GRANT_ROLES)
    known = _role(role)
    _check_names(to, scope)
    cluster = _cluster(scope.cluster)
    try:
        with transaction.atomic():
            user, group = _found(to, by)
            grant = Grant.objects.create(
                user=user,
                group=group,
                role=known.value,
                cluster=cluster,
                namespace=scope.namespace,
                selector=scope.selector,
                granted_by_id=by.user_id,
                granted_at=now,
            )
            _record("grant.given", grant, by=by, now=now)
    except IntegrityError:
        raise Refused(f"{_capital(str(to))} has the role {known} on {scope} already.") from None
    return grant


def withdraw(*, grant_id: int, by: Actor, now: datetime) -> None:
    """Take a role back. Raises Refused when nobody would be left who is an admin on everything."""
    require(by, Act.GRANT_ROLES)
    with transaction.atomic():
        # Two admins who withdraw each other's grant at once would otherwise leave nobody.
        list(_admin_grants().select_for_update())
        grant = (
            Grant.objects.select_for_update(of=("self",))
            .select_related("user", "group", "cluster")
            .filter(pk=grant_id)
            .first()
        )
        if grant is None:
            raise Refused("Somebody has withdrawn this already.")
        if _is_of_last_admin(grant):
            raise Refused(
                "Nobody would be left who is an admin on everything, and could ever give a role again. Give that to"
                " somebody else first."
            )
        _record("grant.withdrawn", grant, by=by, now=now)
        grant.delete()


def _role(role: str) -> Role:
    try:
        return Role(role)
    except ValueError:
        raise Refused(f"There is no role {role!r}: choose one of {', '.join(Role)}.") from None


def scope_of(*, cluster: str = "", namespace: str = "", selector: str = "") -> Scope:
    """Make a scope of what was typed. Raises Refused."""
    if namespace and selector:
        raise Refused("Name a namespace, or choose namespaces by their labels; not both.")
    if namespace and not is_dns_label(namespace):
        raise Refused(
            f"{namespace!r} is no name of a namespace: small letters, digits and dashes, at most 63."
        )
    try:
        return Scope(cluster, namespace, selector.strip())
    except InvalidSelector as error:
        raise Refused(str(error)) from error


def _check_names(to: Holder, scope: Scope) -> None:
    scope_of(cluster=scope.cluster, namespace=scope.namespace, selector=scope.selector)
    name = to.name
    odd = any(unicodedata.category(letter).startswith("C") for letter in name)
    if not name or name != name.strip() or len(name) > NAME_LENGTH or odd:
        kind = "group" if to.is_group else "person"
        raise Refused(
            f"The name of a {kind} has 1 to {NAME_LENGTH} characters and no space around it."
        )


def _cluster(name: str) -> Cluster | None:
    if not name:
        return None
    found = Cluster.objects.filter(name=name).defer("credential").first()
    if found is None:
        raise Refused(f"There is no cluster {name}.")
    return found


def _found(to: Holder, by: Actor) -> tuple[User | None, Group | None]:
    if to.is_group:
        return None, Group.objects.get_or_create(name=to.name)[0]
    user = User.objects.filter(username=to.name).first()
    if user is None:
        raise Refused(f"There is no person {to.name}: somebody who has never signed in is unknown.")
    if not user.is_active:
        raise Refused(f"{to.name} may not sign in any more.")
    if user.pk == by.user_id:
        raise Refused("Nobody gives a role to themselves: another admin has to.")
    return user, None


def _admin_grants() -> QuerySet[Grant]:
    return Grant.objects.filter(ON_EVERYTHING, role=Role.ADMIN.value).order_by("pk")


def _is_of_last_admin(grant: Grant) -> bool:
    if grant.role != Role.ADMIN or grant.cluster_id or grant.namespace or grant.selector:
        return False
    others = _admin_grants().exclude(pk=grant.pk)
    left = User.objects.filter(is_active=True).filter(
        Q(is_superuser=True) | Q(grants__in=others) | Q(groups__grants__in=others)
    )
    return not left.exists()


def _record(verb: str, grant: Grant, *, by: Actor, now: datetime) -> None:
    holder = grant.user.get_username() if grant.user else str(grant.group and grant.group.name)
    cluster = grant.cluster
    audit.record(
        verb,
        by=by,
        now=now,
        cluster=cluster,
        namespaces=(grant.namespace,) if cluster and grant.namespace else (),
        details={
            "to": str(Holder(holder, is_group=grant.user_id is None)),
            "role": grant.role,
            "scope": str(Scope(cluster.name if cluster else "", grant.namespace, grant.selector)),
        },
    )


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
