"""Who may do what: every act for every role, and what only other people or no system may do."""

from itertools import product

import pytest

from policies.domain.authority import (
    ALLOWED,
    FOR_PEOPLE,
    SYSTEM,
    Act,
    Actor,
    NotAllowed,
    Role,
    denial,
    everywhere,
    require,
)

ADMIN, OPERATOR, APPROVER, OWNER = Role.ADMIN, Role.OPERATOR, Role.APPROVER, Role.OWNER
MATRIX = {
    Act.VIEW: set(Role),
    Act.VIEW_TRAIL: set(Role),
    Act.ADD_CLUSTER: {ADMIN},
    Act.TEST_CONNECTION: {OPERATOR, ADMIN},
    Act.COLLECT: {OPERATOR, APPROVER, ADMIN},
    Act.CREATE_VARIANT: {OPERATOR, ADMIN},
    Act.REHEARSE: {OPERATOR, APPROVER, ADMIN},
    Act.VALIDATE: {OPERATOR, APPROVER, ADMIN},
    Act.REQUEST_FLIP: {OPERATOR, ADMIN},
    Act.OVERRIDE_GATES: {OPERATOR, ADMIN},
    Act.REQUEST_EXCEPTION: {OWNER, OPERATOR, ADMIN},
    Act.WITHDRAW_EXCEPTION: {OWNER, OPERATOR, ADMIN},
    Act.DECIDE_EXCEPTION: {APPROVER, ADMIN},
    Act.END_EXCEPTION: {OWNER, OPERATOR, APPROVER, ADMIN},
    Act.EXPORT_TRAIL: {Role.AUDITOR, ADMIN},
    Act.GRANT_ROLES: {ADMIN},
    Act.MANAGE_SIGN_IN: {ADMIN},
    Act.DECIDE_FLIP: {APPROVER, ADMIN},
    Act.WITHDRAW_FLIP: {OPERATOR, ADMIN},
    Act.ROLL_BACK: {OPERATOR, APPROVER, ADMIN},
    Act.WRITE_PROFILE: {OPERATOR, ADMIN},
    Act.DECLARE_PROFILES: {ADMIN},
}
OWN = {Act.WITHDRAW_FLIP, Act.WITHDRAW_EXCEPTION}


def actor(*roles: Role, user_id: int = 7) -> Actor:
    return Actor("somebody", user_id, everywhere(*roles))


def test_every_act_has_its_roles() -> None:
    assert set(ALLOWED) == set(MATRIX) == set(Act)


@pytest.mark.parametrize(("act", "role"), [*product(Act, Role)])
def test_role_may_do_what_the_matrix_says(act: Act, role: Role) -> None:
    asked_by = 7 if act in OWN else 8

    reason = denial(actor(role), act, requested_by_id=asked_by)

    assert (reason is None) is (role in MATRIX[act])
    if reason:
        assert act.value in reason


@pytest.mark.parametrize("act", Act)
def test_actor_without_a_role_may_do_nothing(act: Act) -> None:
    with pytest.raises(NotAllowed, match="takes the role"):
        require(actor(), act)


def test_decide_on_own_flip_is_denied_to_admins_too() -> None:
    with pytest.raises(NotAllowed, match="somebody else has to decide"):
        require(actor(ADMIN, APPROVER), Act.DECIDE_FLIP, requested_by_id=7)


def test_require_of_what_is_allowed_is_silent() -> None:
    require(actor(APPROVER), Act.DECIDE_FLIP, requested_by_id=8)


def test_withdraw_the_flip_of_another_is_denied_to_admins_too() -> None:
    with pytest.raises(NotAllowed, match="Only the person who asked"):
        require(actor(ADMIN, OPERATOR), Act.WITHDRAW_FLIP, requested_by_id=8)


@pytest.mark.parametrize("act", Act)
def test_system_does_what_needs_no_person(act: Act) -> None:
    assert (denial(SYSTEM, act) is None) is (act not in FOR_PEOPLE)


def test_person_id_of_the_system_is_refused() -> None:
    assert actor(user_id=7).person_id == 7
    with pytest.raises(NotAllowed, match="People decide"):
        _ = SYSTEM.person_id


def test_user_named_like_the_system_is_not_the_system() -> None:
    assert SYSTEM.is_system
    assert not Actor("system", 3).is_system
    assert not Actor("somebody").is_system
