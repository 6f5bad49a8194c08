"""Grants as pages show them: who has which role where, what a scope reaches now, and who may give roles."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import Group, User
from django.db.models import Q, QuerySet

from policies.domain.authority import Actor, Grant, Place, Role, Scope
from policies.models import Cluster, ObservedNamespace
from policies.models import Grant as GrantRow
from policies.queries.candidates import candidates

PAGE_SIZE = 20
NAMESPACES_SHOWN = 12
MEMBERS_SHOWN = 8
ADMINS_SHOWN = 8


@dataclass(frozen=True, slots=True)
class GrantLine:
    """One grant of somebody."""

    id: int
    role: Role
    scope: Scope
    given_by: str
    """Empty for what came with an upgrade, or from the command line."""
    given_at: datetime
    through: str = ""
    """The group that it came through; empty when it is one's own."""


@dataclass(frozen=True, slots=True)
class HolderCard:
    """One person or group with its grants."""

    name: str
    is_group: bool
    is_active: bool
    """A group always is."""
    members: tuple[str, ...]
    """The first few members of a group."""
    member_count: int
    grants: tuple[GrantLine, ...]


@dataclass(frozen=True, slots=True)
class HolderPage:
    """One page of those who have a grant."""

    cards: tuple[HolderCard, ...]
    people_count: int
    """Of all of them, like `group_count`."""
    group_count: int
    page: int
    page_count: int


@dataclass(frozen=True, slots=True)
class Reached:
    """What a scope reaches now, as it was collected last."""

    scope: Scope
    namespaces: tuple[tuple[str, str], ...]
    """(cluster, namespace), the first few."""
    namespace_count: int
    clusters: tuple[str, ...]
    """All that it touches, for a scope without namespaces."""


def grant_of(row: GrantRow) -> Grant:
    """Read a stored grant; its cluster must come with it."""
    return Grant(Role(row.role), _scope(row))


def grants_of(user: User) -> tuple[GrantLine, ...]:
    """Load the grants of one person, their own first and then those of their groups, in one query."""
    rows = _rows().filter(Q(user=user) | Q(group__user=user)).distinct()
    lines = (_line(row, through=row.group.name if row.group else "") for row in rows)
    return tuple(sorted(lines, key=lambda line: (line.through, str(line.scope), line.role)))


def holders(wanted: int = 1) -> HolderPage:
    """List a page of those who have a grant, people first, in a fixed number of queries. For those who may give roles."""
    names = _holder_names()
    pages = max(1, -(-len(names) // PAGE_SIZE))
    page = min(max(1, wanted), pages)
    shown = names[(page - 1) * PAGE_SIZE : page * PAGE_SIZE]
    cards = _cards(
        [name for is_group, name in shown if not is_group],
        [name for is_group, name in shown if is_group],
    )
    people = sum(not is_group for is_group, _ in names)
    return HolderPage(cards, people, len(names) - people, page, pages)


def _holder_names() -> list[tuple[bool, str]]:
    """Name everybody who has a grant, people first: whether it is a group, and its name."""
    pairs = GrantRow.objects.order_by().values_list("user__username", "group__name").distinct()
    return sorted((person is None, group or person) for person, group in pairs)


def _cards(people_named: list[str], groups_named: list[str]) -> tuple[HolderCard, ...]:
    lines: dict[tuple[bool, str], list[GrantLine]] = defaultdict(list)
    people: dict[str, User] = {}
    groups: dict[str, Group] = {}
    for row in _rows().filter(Q(user__username__in=people_named) | Q(group__name__in=groups_named)):
        if row.user:
            people[row.user.get_username()] = row.user
            lines[False, row.user.get_username()].append(_line(row))
        elif row.group:
            groups[row.group.name] = row.group
            lines[True, row.group.name].append(_line(row))
    members = _members(groups.values())
    return tuple(
        HolderCard(
            name=name,
            is_group=is_group,
            is_active=is_group or people[name].is_active,
            members=members.get(name, ())[:MEMBERS_SHOWN],
            member_count=len(members.get(name, ())),
            grants=tuple(sorted(found, key=lambda line: (str(line.scope), line.role))),
        )
        for (is_group, name), found in sorted(lines.items(), key=lambda item: item[0])
    )


def _members(groups: Iterable[Group]) -> Mapping[str, tuple[str, ...]]:
    # Asked on a page without groups, too: no page takes another number of queries.
    pairs = User.objects.filter(groups__in=[0, *(g.pk for g in groups)], is_active=True)
    found: dict[str, list[str]] = defaultdict(list)
    for group, name in pairs.order_by("username").values_list("groups__name", "username"):
        found[group].append(name)
    return {name: tuple(names) for name, names in found.items()}


def _rows() -> QuerySet[GrantRow]:
    found = GrantRow.objects.select_related("user", "group", "cluster", "granted_by")
    return found.defer("cluster__credential").order_by("pk")


def _line(row: GrantRow, *, through: str = "") -> GrantLine:
    return GrantLine(
        id=row.pk,
        role=Role(row.role),
        scope=_scope(row),
        given_by=row.granted_by.get_username() if row.granted_by else "",
        given_at=row.granted_at,
        through=through,
    )


def _scope(row: GrantRow) -> Scope:
    return Scope(row.cluster.name if row.cluster else "", row.namespace, row.selector)


def reached_by(scope: Scope) -> Reached:
    """Say what a scope reaches now, in two queries."""
    clusters = Cluster.objects.order_by("name")
    if scope.cluster:
        clusters = clusters.filter(name=scope.cluster)
    names = tuple(clusters.values_list("name", flat=True))
    if not scope.is_of_namespaces:
        count = ObservedNamespace.objects.filter(cluster__name__in=names).count()
        return Reached(scope, (), count, names)
    rows = ObservedNamespace.objects.filter(cluster__name__in=names)
    rows = rows.filter(candidates(scope))
    found = [
        (cluster, name)
        for cluster, name, labels in rows.order_by("cluster__name", "name").values_list(
            "cluster__name", "name", "labels"
        )
        if scope.covers(Place(cluster, name, labels))
    ]
    return Reached(scope, tuple(found[:NAMESPACES_SHOWN]), len(found), names)


def admin_names() -> tuple[str, ...]:
    """Name the people who may give roles: the first few by name."""
    everything = Q(grants__cluster__isnull=True, grants__namespace="", grants__selector="")
    through = Q(
        groups__grants__cluster__isnull=True,
        groups__grants__namespace="",
        groups__grants__selector="",
        groups__grants__role=Role.ADMIN.value,
    )
    found = User.objects.filter(is_active=True).filter(
        Q(is_superuser=True) | (Q(grants__role=Role.ADMIN.value) & everything) | through
    )
    names = found.order_by("username").values_list("username", flat=True).distinct()
    return tuple(names[:ADMINS_SHOWN])


def known_people() -> tuple[str, ...]:
    """Name everybody who can be given a role: the first thousand."""
    people = User.objects.filter(is_active=True).order_by("username")
    return tuple(people.values_list("username", flat=True)[:1000])


def known_groups() -> tuple[str, ...]:
    """Name the groups that there are: the first thousand."""
    return tuple(Group.objects.order_by("name").values_list("name", flat=True)[:1000])


def namespace_counts(actor: Actor) -> dict[Scope, int]:
    """Count what each scope of an actor reaches now."""
    scopes = {grant.scope for grant in actor.grants}
    return {scope: reached_by(scope).namespace_count for scope in scopes}
