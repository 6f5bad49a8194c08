"""Giving and withdrawing roles: what is written, and every refusal."""

from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.utils import timezone

from policies.actions import grants
from policies.actions.errors import Refused
from policies.actions.grants import Holder
from policies.domain.authority import SYSTEM, Actor, NotAllowed, Role, Scope, everywhere
from policies.models import AuditEvent, Grant
from policies.web.actors import actor_of
from tests import factories

pytestmark = pytest.mark.django_db

EVERYTHING = Scope()


@pytest.fixture
def admin() -> Actor:
    return actor_of(factories.user("admin"))


@pytest.fixture
def ada() -> User:
    return User.objects.create(username="ada")


def give(by: Actor, **changes: Any) -> Grant:
    values = {"to": Holder("ada"), "role": "operator", "scope": EVERYTHING, **changes}
    return grants.give(**values, by=by, now=timezone.now())


def withdraw(by: Actor, grant: Grant) -> None:
    grants.withdraw(grant_id=grant.pk, by=by, now=timezone.now())


@pytest.mark.parametrize(
    "scope",
    [
        EVERYTHING,
        Scope("prod"),
        Scope("prod", "shop"),
        Scope("", "shop"),
        Scope("prod", "", "team=web"),
        Scope("", "", "env in (a,b),!legacy"),
    ],
    ids=str,
)
def test_grant_is_what_the_person_may_from_now_on(admin: Actor, ada: User, scope: Scope) -> None:
    factories.cluster("prod")

    grant = give(admin, scope=scope)

    (held,) = actor_of(User.objects.get(username="ada")).grants
    assert (held.role, held.scope) == (Role.OPERATOR, scope)
    assert (grant.granted_by_id, grant.user) == (admin.user_id, ada)
    event = AuditEvent.objects.get(verb="grant.given")
    assert event.actor == "admin"
    assert event.cluster == scope.cluster
    assert event.details == {"to": "ada", "role": "operator", "scope": str(scope)}

    withdraw(admin, grant)

    assert not actor_of(User.objects.get(username="ada")).grants
    assert AuditEvent.objects.get(verb="grant.withdrawn").details == event.details


def test_grant_to_a_group_counts_for_its_members_and_makes_it(admin: Actor, ada: User) -> None:
    give(admin, to=Holder("team web", is_group=True))

    assert not actor_of(User.objects.get(username="ada")).grants
    ada.groups.add(Group.objects.get(name="team web"))
    assert actor_of(User.objects.get(username="ada")).roles == {Role.OPERATOR}
    assert AuditEvent.objects.get(verb="grant.given").details["to"] == "the group team web"


def test_same_grant_twice_is_refused_and_leaves_one_row(admin: Actor, ada: User) -> None:
    give(admin)

    with pytest.raises(Refused, match="Ada has the role operator on everything already"):
        give(admin)

    assert ada.grants.count() == 1
    assert AuditEvent.objects.filter(verb="grant.given").count() == 1


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"to": Holder("nobody-known")}, "There is no person nobody-known"),
        ({"to": Holder("")}, "1 to 150 characters"),
        ({"to": Holder(" web", is_group=True)}, "no space around it"),
        ({"to": Holder("we\x00b", is_group=True)}, "The name of a group"),
        ({"to": Holder("w" * 151, is_group=True)}, "1 to 150 characters"),
        ({"role": "owl"}, "There is no role 'owl'"),
        ({"scope": Scope("moon")}, "There is no cluster moon"),
        ({"scope": Scope("", "Not A Name")}, "is no name of a namespace"),
        ({"scope": Scope("", "shop", "team=web")}, "not both"),
        ({"to": Holder("admin")}, "Nobody gives a role to themselves"),
    ],
)
def test_grant_that_makes_no_sense_is_refused(
    admin: Actor, ada: User, changes: dict[str, Any], says: str
) -> None:
    with pytest.raises(Refused, match=says):
        give(admin, **changes)

    assert not ada.grants.exists()
    assert not Group.objects.exists()
    assert not AuditEvent.objects.filter(verb="grant.given").exists()


def test_grant_to_somebody_who_was_shut_out_is_refused(admin: Actor, ada: User) -> None:
    User.objects.update(is_active=False)

    with pytest.raises(Refused, match="may not sign in any more"):
        give(admin)


@pytest.mark.parametrize("role", sorted(set(Role) - {Role.ADMIN}))
def test_grant_takes_an_admin_on_everything(admin: Actor, ada: User, role: Role) -> None:
    grant = give(admin)
    part = Actor("part", ada.pk, frozenset())

    for by in (Actor("x", 99, everywhere(role)), part, SYSTEM):
        with pytest.raises(NotAllowed):
            give(by, role="viewer")
        with pytest.raises(NotAllowed):
            withdraw(by, grant)

    assert ada.grants.count() == 1


def test_last_admin_on_everything_stays(admin: Actor, ada: User) -> None:
    mine = Grant.objects.get(user__username="admin")

    with pytest.raises(Refused, match="Nobody would be left"):
        withdraw(admin, mine)

    give(admin, role="admin", scope=Scope("", "shop"))
    give(admin, to=Holder("empty", is_group=True), role="admin")
    with pytest.raises(Refused, match="Nobody would be left"):
        withdraw(admin, mine)

    other = give(admin, role="admin")
    withdraw(admin, mine)
    with pytest.raises(Refused, match="Nobody would be left"):
        withdraw(actor_of(User.objects.get(username="ada")), other)


@pytest.mark.parametrize("through", ["group", "superuser"])
def test_last_grant_may_go_when_somebody_is_an_admin_otherwise(
    admin: Actor, ada: User, through: str
) -> None:
    if through == "group":
        give(admin, to=Holder("admins", is_group=True), role="admin")
        ada.groups.add(Group.objects.get(name="admins"))
    else:
        User.objects.filter(pk=ada.pk).update(is_superuser=True)

    withdraw(admin, Grant.objects.get(user__username="admin"))

    assert not Grant.objects.filter(user__username="admin").exists()


def test_person_who_is_shut_out_is_no_admin_that_is_left(admin: Actor, ada: User) -> None:
    give(admin, role="admin")
    User.objects.filter(pk=ada.pk).update(is_active=False)

    with pytest.raises(Refused, match="Nobody would be left"):
        withdraw(admin, Grant.objects.get(user__username="admin"))


def test_withdrawing_twice_is_refused(admin: Actor, ada: User) -> None:
    grant = give(admin)
    withdraw(admin, grant)

    with pytest.raises(Refused, match="withdrawn this already"):
        withdraw(admin, grant)

    assert AuditEvent.objects.filter(verb="grant.withdrawn").count() == 1
