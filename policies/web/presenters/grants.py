"""Roles and grants in words: what a role may do, and how far it reaches."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from policies.domain.authority import Act, Role, Scope
from policies.domain.rights import acts_of
from policies.queries.grants import GrantLine, HolderCard, Reached
from policies.web.words import count_of

ROLE_TITLES = {
    Role.VIEWER: "viewer: sees",
    Role.OWNER: "owner: asks for exceptions in a team's namespaces",
    Role.OPERATOR: "operator: plans, asks for flips, rehearses, rolls back",
    Role.APPROVER: "approver: decides on what others ask for",
    Role.AUDITOR: "auditor: reads and exports the trail",
    Role.ADMIN: "admin: everything, and clusters and roles",
}
_SEEING = (Act.VIEW, Act.VIEW_TRAIL)


@dataclass(frozen=True, slots=True)
class ShownGrant:
    """One grant in words."""

    id: int
    role: str
    where: str
    given_by: str
    given_at: datetime
    through: str
    count: str
    """How many namespaces that is now; empty when it does not matter."""
    acts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ShownHolder:
    """One person or group."""

    name: str
    note: str
    grants: tuple[ShownGrant, ...]


@dataclass(frozen=True, slots=True)
class ShownReached:
    """What a scope reaches."""

    sentence: str
    namespaces: tuple[str, ...]
    more_count: int
    is_nothing: bool


def shown_grant(line: GrantLine, counts: Mapping[Scope, int] | None = None) -> ShownGrant:
    """Word one grant."""
    is_counted = counts is not None and line.scope.is_of_namespaces
    return ShownGrant(
        id=line.id,
        role=line.role.value,
        where=str(line.scope),
        given_by=line.given_by,
        given_at=line.given_at,
        through=line.through,
        count=count_of(counts[line.scope], "namespace") if counts and is_counted else "",
        acts=tuple(act.value for act in acts_of(line.role, line.scope) if act not in _SEEING),
    )


def shown_holder(card: HolderCard) -> ShownHolder:
    """Word one person or group."""
    return ShownHolder(card.name, _note(card), tuple(shown_grant(line) for line in card.grants))


def _note(card: HolderCard) -> str:
    if not card.is_group:
        return "" if card.is_active else "may not sign in any more"
    if not card.member_count:
        return "nobody is in it yet"
    more = card.member_count - len(card.members)
    names = ", ".join(card.members)
    return f"{names} and {more} more" if more else names


def shown_reached(found: Reached) -> ShownReached:
    """Say what a scope reaches now."""
    scope = found.scope
    if scope.is_of_namespaces:
        return _of_namespaces(found)
    if scope.cluster:
        sentence = (
            f"{scope.cluster} as a whole, with {count_of(found.namespace_count, 'namespace')} now."
            if found.clusters
            else f"There is no cluster {scope.cluster}."
        )
        return ShownReached(sentence, (), 0, is_nothing=not found.clusters)
    now = f"{count_of(len(found.clusters), 'cluster')} now, and whatever is added later"
    return ShownReached(f"Everything: {now}.", (), 0, is_nothing=False)


def _of_namespaces(found: Reached) -> ShownReached:
    named = tuple(f"{namespace} on {cluster}" for cluster, namespace in found.namespaces)
    if not named:
        return ShownReached(
            "No namespace that was collected fits this now. It counts as soon as one does.",
            (),
            0,
            is_nothing=True,
        )
    later = "; one that fits later is reached, too" if found.scope.selector else ""
    sentence = f"{count_of(found.namespace_count, 'namespace')} now{later}."
    return ShownReached(sentence, named, found.namespace_count - len(named), is_nothing=False)
