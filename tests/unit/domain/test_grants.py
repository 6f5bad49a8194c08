"""How far a grant reaches: everything, one cluster, one namespace, namespaces by their labels."""

import pytest

from policies.domain.authority import (
    EVERYTHING,
    Act,
    Actor,
    Grant,
    Place,
    Role,
    Scope,
    SecondFactorNeeded,
    denial,
    everywhere,
    require,
)
from policies.domain.selectors import InvalidSelector

PROD = Place("prod")
SHOP = Place("prod", "shop", {"team": "web"})
PAY = Place("prod", "pay", {"team": "payments"})
OTHER = Place("staging", "shop", {"team": "web"})
PLACES = (EVERYTHING, PROD, SHOP, PAY, OTHER)


@pytest.mark.parametrize(
    ("scope", "covered"),
    [
        (Scope(), set(PLACES)),
        (Scope("prod"), {PROD, SHOP, PAY}),
        (Scope("prod", "shop"), {SHOP}),
        (Scope("", "shop"), {SHOP, OTHER}),
        (Scope("", "", "team=web"), {SHOP, OTHER}),
        (Scope("prod", "", "team=web"), {SHOP}),
        (Scope("prod", "", "team!=web"), {PAY}),
    ],
)
def test_scope_covers_just_what_it_names(scope: Scope, covered: set[Place]) -> None:
    assert {place for place in PLACES if scope.covers(place)} == covered


def test_scope_with_a_broken_selector_cannot_be_made() -> None:
    with pytest.raises(InvalidSelector):
        Scope(selector="team in web")


def test_act_over_several_places_takes_the_role_at_each() -> None:
    actor = Actor("o", 1, frozenset({Grant(Role.OPERATOR, Scope("prod", "", "team=web"))}))

    assert denial(actor, Act.REQUEST_FLIP, at=SHOP) is None
    reason = denial(actor, Act.REQUEST_FLIP, at=(SHOP, PAY))
    assert reason == (
        "You may not request a flip on pay on prod: your role admin or operator does not reach that far."
    )


def test_act_without_a_place_takes_the_role_on_everything() -> None:
    actor = Actor("o", 1, frozenset({Grant(Role.ADMIN, Scope("prod"))}))

    assert denial(actor, Act.GRANT_ROLES)
    assert denial(Actor("o", 1, everywhere(Role.ADMIN)), Act.GRANT_ROLES) is None


def test_no_place_at_all_is_a_defect_of_the_caller() -> None:
    with pytest.raises(ValueError, match="Nothing says where"):
        denial(Actor("o", 1, everywhere(Role.ADMIN)), Act.REQUEST_FLIP, at=())


def test_second_factor_that_is_demanded_is_asked_for_last() -> None:
    actor = Actor("a", 1, everywhere(Role.APPROVER), frozenset({Act.DECIDE_FLIP}))

    with pytest.raises(SecondFactorNeeded, match="confirm it is you"):
        require(actor, Act.DECIDE_FLIP, at=SHOP, requested_by_id=2)
    assert "somebody else" in str(denial(actor, Act.DECIDE_FLIP, at=SHOP, requested_by_id=1))


@pytest.mark.parametrize(
    ("scope", "words"),
    [
        (Scope(), "everything"),
        (Scope("prod"), "prod"),
        (Scope("prod", "shop"), "namespace shop on prod"),
        (Scope("", "", "team=web"), "namespaces with team=web on every cluster"),
    ],
)
def test_scope_says_itself_in_words(scope: Scope, words: str) -> None:
    assert str(scope) == words
