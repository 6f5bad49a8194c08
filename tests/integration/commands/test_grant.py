"""`manage.py grant`: the first admin, and every mistake at it."""

import io

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from policies.domain.authority import Role, Scope, everywhere
from policies.models import AuditEvent
from policies.web.actors import actor_of
from tests import factories

pytestmark = pytest.mark.django_db


def call(*words: str) -> str:
    written = io.StringIO()
    call_command("grant", *words, stdout=written)
    return written.getvalue()


def test_grant_makes_a_first_admin() -> None:
    User.objects.create(username="ada")

    assert call("ada", "admin") == "ada has the role admin on everything.\n"

    assert actor_of(User.objects.get(username="ada")).grants == everywhere(Role.ADMIN)
    event = AuditEvent.objects.get(verb="grant.given")
    assert event.actor == "manage.py grant"


def test_grant_reaches_as_far_as_it_is_told() -> None:
    factories.cluster("prod")

    said = call("team-web", "owner", "--group", "--cluster", "prod", "--selector", "team=web")

    assert said == "the group team-web has the role owner on namespaces with team=web on prod.\n"
    assert AuditEvent.objects.get(verb="grant.given").details["scope"] == str(
        Scope("prod", "", "team=web")
    )


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("ghost", "admin"), "There is no person ghost"),
        (("ada", "viewer", "--cluster", "moon"), "There is no cluster moon"),
        (("ada", "viewer", "--selector", "a b"), "is no condition on a label"),
        (("ada", "viewer", "--namespace", "shop", "--selector", "a=b"), "not both"),
        (("ada", "viewer", "--namespace", "No"), "is no name of a namespace"),
    ],
)
def test_grant_that_makes_no_sense_says_why(words: tuple[str, ...], says: str) -> None:
    User.objects.create(username="ada")

    with pytest.raises(CommandError, match=says):
        call(*words)

    assert not AuditEvent.objects.exists()
