"""Who may do what, and where: one answer, used to guard the action and to word the disabled button."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from policies.domain.selectors import Operator, Selector, parse_selector


class Role(StrEnum):
    VIEWER = "viewer"
    OWNER = "owner"
    """Of a team's namespaces: sees them, and asks for exceptions there."""
    OPERATOR = "operator"
    APPROVER = "approver"
    AUDITOR = "auditor"
    ADMIN = "admin"


class Act(StrEnum):
    """What can be done; its value reads as the end of "you may not …"."""

    VIEW = "see this"
    VIEW_TRAIL = "read the audit trail"
    EXPORT_TRAIL = "export the audit trail"
    ADD_CLUSTER = "add or change clusters"
    TEST_CONNECTION = "test a connection"
    COLLECT = "start a collection run"
    CREATE_VARIANT = "create a variant"
    REHEARSE = "rehearse a policy"
    VALIDATE = "validate a policy"
    REQUEST_FLIP = "request a flip"
    OVERRIDE_GATES = "override gates"
    DECIDE_FLIP = "approve or decline a flip"
    WITHDRAW_FLIP = "withdraw this flip"
    ROLL_BACK = "roll back"
    REQUEST_EXCEPTION = "ask for an exception"
    WITHDRAW_EXCEPTION = "change or withdraw this request"
    DECIDE_EXCEPTION = "approve or decline an exception"
    END_EXCEPTION = "end an exception"
    WRITE_PROFILE = "write or retire a profile"
    DECLARE_PROFILES = "declare which profiles lie on nodes"
    GRANT_ROLES = "grant or withdraw roles"
    MANAGE_SIGN_IN = "end sessions or forget second factors of others"


ALLOWED: dict[Act, frozenset[Role]] = {
    Act.VIEW: frozenset(Role),
    Act.VIEW_TRAIL: frozenset(Role),
    Act.EXPORT_TRAIL: frozenset({Role.ADMIN, Role.AUDITOR}),
    Act.ADD_CLUSTER: frozenset({Role.ADMIN}),
    Act.TEST_CONNECTION: frozenset({Role.ADMIN, Role.OPERATOR}),
    Act.COLLECT: frozenset({Role.ADMIN, Role.OPERATOR, Role.APPROVER}),
    Act.CREATE_VARIANT: frozenset({Role.ADMIN, Role.OPERATOR}),
    Act.REHEARSE: frozenset({Role.ADMIN, Role.OPERATOR, Role.APPROVER}),
    Act.VALIDATE: frozenset({Role.ADMIN, Role.OPERATOR, Role.APPROVER}),
    Act.REQUEST_FLIP: frozenset({Role.ADMIN, Role.OPERATOR}),
    Act.OVERRIDE_GATES: frozenset({Role.ADMIN, Role.OPERATOR}),
    Act.DECIDE_FLIP: frozenset({Role.ADMIN, Role.APPROVER}),
    Act.WITHDRAW_FLIP: frozenset({Role.ADMIN, Role.OPERATOR}),
    Act.ROLL_BACK: frozenset({Role.ADMIN, Role.OPERATOR, Role.APPROVER}),
    Act.REQUEST_EXCEPTION: frozenset({Role.ADMIN, Role.OPERATOR, Role.OWNER}),
    Act.WITHDRAW_EXCEPTION: frozenset({Role.ADMIN, Role.OPERATOR, Role.OWNER}),
    Act.DECIDE_EXCEPTION: frozenset({Role.ADMIN, Role.APPROVER}),
    Act.END_EXCEPTION: frozenset({Role.ADMIN, Role.OPERATOR, Role.APPROVER, Role.OWNER}),
    Act.WRITE_PROFILE: frozenset({Role.ADMIN, Role.OPERATOR}),
    Act.DECLARE_PROFILES: frozenset({Role.ADMIN}),
    Act.GRANT_ROLES: frozenset({Role.ADMIN}),
    Act.MANAGE_SIGN_IN: frozenset({Role.ADMIN}),
}


FOR_PEOPLE = frozenset(
    {
        Act.CREATE_VARIANT,
        Act.REQUEST_FLIP,
        Act.OVERRIDE_GATES,
        Act.DECIDE_FLIP,
        Act.WITHDRAW_FLIP,
        Act.ROLL_BACK,
        Act.REQUEST_EXCEPTION,
        Act.WITHDRAW_EXCEPTION,
        Act.DECIDE_EXCEPTION,
        Act.WRITE_PROFILE,
        Act.DECLARE_PROFILES,
        Act.GRANT_ROLES,
    }
)
"""What the system never does by itself."""
ONLY_PEOPLE = "People decide, not the system."
OWN_REQUEST: dict[Act, str] = {
    Act.DECIDE_FLIP: "You asked for this flip; somebody else has to decide.",
    Act.DECIDE_EXCEPTION: "You asked for this exception; somebody else has to decide.",
}
"""What nobody does about their own request."""
OTHERS_REQUEST: dict[Act, str] = {
    Act.WITHDRAW_FLIP: "Only the person who asked for a flip can withdraw it.",
    Act.WITHDRAW_EXCEPTION: "Only the person who asked for an exception can change or withdraw it.",
}
"""What nobody does about somebody else's request."""


class NotAllowed(Exception):
    """The actor may not do this; the message says why."""


class SecondFactorNeeded(NotAllowed):
    """The actor may do this once a second factor has been given in this session."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is done: the whole installation, a cluster as a whole, or one namespace of it."""

    cluster: str = ""
    """Its name; empty for the whole installation."""
    namespace: str = ""
    labels: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), compare=False)
    """Those of the namespace."""

    def __str__(self) -> str:
        if not self.cluster:
            return "everything"
        return f"{self.namespace} on {self.cluster}" if self.namespace else self.cluster


EVERYTHING = Place()


@dataclass(frozen=True, slots=True)
class Scope:
    """How far a role reaches: an empty field does not narrow it."""

    cluster: str = ""
    namespace: str = ""
    selector: str = ""
    """A label selector over namespaces, as `policies.domain.selectors` reads it."""
    _parsed: Selector | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        parsed = parse_selector(self.selector) if self.selector else None
        object.__setattr__(self, "_parsed", parsed)

    @property
    def is_of_namespaces(self) -> bool:
        return bool(self.namespace or self.selector)

    def covers(self, place: Place) -> bool:
        """Say whether all of this place lies within the scope."""
        if self.cluster and self.cluster != place.cluster:
            return False
        if not self.is_of_namespaces:
            return True
        if not place.namespace or (self.namespace and self.namespace != place.namespace):
            return False
        return self._parsed is None or self._parsed.matches(place.labels)

    @property
    def demanded_labels(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """The labels that a namespace must have one of these values of, by key; its selector may ask more than that."""
        asked = self._parsed.requirements if self._parsed else ()
        return tuple((r.key, r.values) for r in asked if r.operator is Operator.IN)

    def touches(self, cluster: str) -> bool:
        """Say whether something on this cluster may lie within the scope."""
        return not self.cluster or self.cluster == cluster

    def __str__(self) -> str:
        named = f"namespace {self.namespace}" if self.namespace else ""
        chosen = f"namespaces with {self.selector}" if self.selector else ""
        spaces = " and ".join(part for part in (named, chosen) if part)
        if self.cluster:
            return f"{spaces} on {self.cluster}" if spaces else self.cluster
        return f"{spaces} on every cluster" if spaces else "everything"


@dataclass(frozen=True, slots=True)
class Grant:
    """A role, and how far it reaches."""

    role: Role
    scope: Scope = Scope()


def everywhere(*roles: Role) -> frozenset[Grant]:
    """Give these roles on everything."""
    return frozenset(Grant(role) for role in roles)


@dataclass(frozen=True, slots=True)
class Actor:
    """Whoever acts: a user with grants, or the system itself."""

    name: str
    user_id: int | None = None
    grants: frozenset[Grant] = frozenset()
    unproven_acts: frozenset[Act] = frozenset()
    """What a second factor is demanded for that this session has not given."""

    @property
    def is_system(self) -> bool:
        return self.user_id is None and self.name == SYSTEM_NAME

    @property
    def person_id(self) -> int:
        """The user's id, for what only people do. Raises NotAllowed when there is no user."""
        if self.user_id is None:
            raise NotAllowed(ONLY_PEOPLE)
        return self.user_id

    @property
    def roles(self) -> frozenset[Role]:
        """The roles that the actor has anywhere."""
        return frozenset(grant.role for grant in self.grants)

    def has_role(self, roles: Iterable[Role], place: Place) -> bool:
        """Say whether one of these roles reaches all of this place."""
        wanted = frozenset(roles)
        return any(grant.role in wanted and grant.scope.covers(place) for grant in self.grants)


SYSTEM_NAME = "system"
SYSTEM = Actor(SYSTEM_NAME)


def denial(
    actor: Actor,
    act: Act,
    *,
    at: Place | Iterable[Place] = EVERYTHING,
    requested_by_id: int | None = None,
) -> str | None:
    """Say why this actor may not do this, or None when they may.

    `at` is where it is done, every place of it; without it, on everything. `requested_by_id` is the user who asked for
    the flip or exception that is decided on, changed or withdrawn.
    """
    if actor.is_system:
        return ONLY_PEOPLE if act in FOR_PEOPLE else None
    places = (at,) if isinstance(at, Place) else tuple(at)
    if not places:
        raise ValueError(f"Nothing says where somebody wants to {act.value}.")
    for place in places:
        if not actor.has_role(ALLOWED[act], place):
            return _lacking(actor, act, place)
    is_own = requested_by_id == actor.user_id
    if is_own and act in OWN_REQUEST:
        return OWN_REQUEST[act]
    if not is_own and act in OTHERS_REQUEST:
        return OTHERS_REQUEST[act]
    return needs_second_factor(actor, act)


def _lacking(actor: Actor, act: Act, place: Place) -> str:
    wanted = " or ".join(sorted(ALLOWED[act]))
    if actor.roles & ALLOWED[act]:
        return f"You may not {act.value} on {place}: your role {wanted} does not reach that far."
    return f"You may not {act.value}: that takes the role {wanted}."


def needs_second_factor(actor: Actor, act: Act) -> str | None:
    """Say that a second factor is still to be given for this act, or None when it is not."""
    if act not in actor.unproven_acts:
        return None
    return f"To {act.value} takes your second factor: confirm it is you, then try again."


def require(
    actor: Actor,
    act: Act,
    *,
    at: Place | Iterable[Place] = EVERYTHING,
    requested_by_id: int | None = None,
) -> None:
    """Raise NotAllowed unless the actor may do this; see `denial`. Raises SecondFactorNeeded when only that lacks."""
    reason = denial(actor, act, at=at, requested_by_id=requested_by_id)
    if reason is None:
        return
    if reason == needs_second_factor(actor, act):
        raise SecondFactorNeeded(reason)
    raise NotAllowed(reason)
