"""Who may do what: one answer, used to guard the action and to word the disabled button."""

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    VIEWER = "viewer"
    OPERATOR = "operator"
    APPROVER = "approver"
    AUDITOR = "auditor"
    ADMIN = "admin"


class Act(StrEnum):
    """What can be done; its value reads as the end of "you may not …"."""

    VIEW = "see this"
    VIEW_TRAIL = "read the audit trail"
    ADD_CLUSTER = "add or change clusters"
    TEST_CONNECTION = "test a connection"
    COLLECT = "start a collection run"
    CREATE_VARIANT = "create a variant"
    REHEARSE = "rehearse a policy"
    VALIDATE = "validate a policy"
    REQUEST_FLIP = "request a flip"
    DECIDE_FLIP = "approve or decline a flip"
    WITHDRAW_FLIP = "withdraw this flip"
    ROLL_BACK = "roll back"
    WRITE_PROFILE = "write or retire a profile"
    DECLARE_PROFILES = "declare which profiles lie on nodes"


ALLOWED: dict[Act, frozenset[Role]] = {
    Act.VIEW: frozenset(Role),
    Act.VIEW_TRAIL: frozenset(Role),
    Act.ADD_CLUSTER: frozenset({Role.ADMIN}),
    Act.TEST_CONNECTION: frozenset({Role.ADMIN, Role.OPERATOR}),
    Act.COLLECT: frozenset({Role.ADMIN, Role.OPERATOR, Role.APPROVER}),
    Act.CREATE_VARIANT: frozenset({Role.ADMIN, Role.OPERATOR}),
    Act.REHEARSE: frozenset({Role.ADMIN, Role.OPERATOR, Role.APPROVER}),
    Act.VALIDATE: frozenset({Role.ADMIN, Role.OPERATOR, Role.APPROVER}),
    Act.REQUEST_FLIP: frozenset({Role.ADMIN, Role.OPERATOR}),
    Act.DECIDE_FLIP: frozenset({Role.ADMIN, Role.APPROVER}),
    Act.WITHDRAW_FLIP: frozenset({Role.ADMIN, Role.OPERATOR}),
    Act.ROLL_BACK: frozenset({Role.ADMIN, Role.OPERATOR, Role.APPROVER}),
    Act.WRITE_PROFILE: frozenset({Role.ADMIN, Role.OPERATOR}),
    Act.DECLARE_PROFILES: frozenset({Role.ADMIN}),
}


FOR_PEOPLE = frozenset(
    {
        Act.CREATE_VARIANT,
        Act.REQUEST_FLIP,
        Act.DECIDE_FLIP,
        Act.WITHDRAW_FLIP,
        Act.ROLL_BACK,
        Act.WRITE_PROFILE,
        Act.DECLARE_PROFILES,
    }
)
"""What the system never does by itself."""
ONLY_PEOPLE = "People decide, not the system."


class NotAllowed(Exception):
    """The actor may not do this; the message says why."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Whoever acts: a user with roles, or the system itself."""

    name: str
    user_id: int | None = None
    roles: frozenset[Role] = frozenset()

    @property
    def is_system(self) -> bool:
        return self.user_id is None and self.name == SYSTEM_NAME

    @property
    def person_id(self) -> int:
        """The user's id, for what only people do. Raises NotAllowed when there is no user."""
        if self.user_id is None:
            raise NotAllowed(ONLY_PEOPLE)
        return self.user_id


SYSTEM_NAME = "system"
SYSTEM = Actor(SYSTEM_NAME)


def denial(actor: Actor, act: Act, *, requested_by_id: int | None = None) -> str | None:
    """Say why this actor may not do this, or None when they may.

    `requested_by_id` is the user who asked for the flip that is decided on or withdrawn.
    """
    if actor.is_system:
        return ONLY_PEOPLE if act in FOR_PEOPLE else None
    if not actor.roles & ALLOWED[act]:
        wanted = " or ".join(sorted(ALLOWED[act]))
        return f"You may not {act.value}: that takes the role {wanted}."
    if act is Act.DECIDE_FLIP and requested_by_id == actor.user_id:
        return "You asked for this flip; somebody else has to decide."
    if act is Act.WITHDRAW_FLIP and requested_by_id != actor.user_id:
        return "Only the person who asked for a flip can withdraw it."
    return None


def require(actor: Actor, act: Act, *, requested_by_id: int | None = None) -> None:
    """Raise NotAllowed unless the actor may do this."""
    reason = denial(actor, act, requested_by_id=requested_by_id)
    if reason is not None:
        raise NotAllowed(reason)
