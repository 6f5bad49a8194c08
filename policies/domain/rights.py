"""How much a role must reach over for each act, and so what a grant allows in all."""

from enum import StrEnum

from policies.domain.authority import ALLOWED, Act, Role, Scope


class Breadth(StrEnum):
    """The smallest place at which an act is asked for."""

    NAMESPACE = "namespace"
    CLUSTER = "cluster"
    EVERYTHING = "everything"


BREADTH: dict[Act, Breadth] = {
    Act.VIEW: Breadth.NAMESPACE,
    Act.VIEW_TRAIL: Breadth.NAMESPACE,
    Act.EXPORT_TRAIL: Breadth.EVERYTHING,
    Act.ADD_CLUSTER: Breadth.EVERYTHING,
    Act.TEST_CONNECTION: Breadth.CLUSTER,
    Act.COLLECT: Breadth.CLUSTER,
    Act.CREATE_VARIANT: Breadth.CLUSTER,
    Act.REHEARSE: Breadth.NAMESPACE,
    Act.VALIDATE: Breadth.NAMESPACE,
    Act.REQUEST_FLIP: Breadth.NAMESPACE,
    Act.OVERRIDE_GATES: Breadth.NAMESPACE,
    Act.DECIDE_FLIP: Breadth.NAMESPACE,
    Act.WITHDRAW_FLIP: Breadth.NAMESPACE,
    Act.ROLL_BACK: Breadth.NAMESPACE,
    Act.REQUEST_EXCEPTION: Breadth.NAMESPACE,
    Act.WITHDRAW_EXCEPTION: Breadth.NAMESPACE,
    Act.DECIDE_EXCEPTION: Breadth.NAMESPACE,
    Act.END_EXCEPTION: Breadth.NAMESPACE,
    Act.WRITE_PROFILE: Breadth.EVERYTHING,
    Act.DECLARE_PROFILES: Breadth.CLUSTER,
    Act.GRANT_ROLES: Breadth.EVERYTHING,
    Act.MANAGE_SIGN_IN: Breadth.EVERYTHING,
}
"""An install of a policy takes the cluster, and so does a new credential for it."""


def breadth_of(scope: Scope) -> Breadth:
    """Say how much a scope reaches over."""
    if scope.is_of_namespaces:
        return Breadth.NAMESPACE
    return Breadth.CLUSTER if scope.cluster else Breadth.EVERYTHING


def acts_of(role: Role, scope: Scope) -> tuple[Act, ...]:
    """Name what a role allows within a scope, in the order of the acts."""
    order = list(Breadth)
    reached = order.index(breadth_of(scope))
    return tuple(
        act for act in Act if role in ALLOWED[act] and order.index(BREADTH[act]) <= reached
    )
