"""What signing in leaves behind: groups of the provider, sessions that end, factors that are forgotten or sealed anew."""

from io import StringIO
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from cryptography.fernet import Fernet
from django.contrib.auth.models import Group, User
from django.core.management import CommandError, call_command
from django.db import IntegrityError
from django.test import Client
from django.utils import timezone

from policies.actions.errors import Refused
from policies.actions.factors import forget_factors, rotate_factor_secrets, unseal
from policies.actions.sessions import end_all_sessions
from policies.actions.sign_in import NOBODY, follow_provider, note
from policies.domain.authority import Actor, NotAllowed, Role, everywhere
from policies.domain.sign_in import SignInEvent
from policies.models import AuditEvent, ProviderGroup
from tests import factories
from tests.signing import SECRET, give_app, newest, sign_in, signed_in, verbs

pytestmark = pytest.mark.django_db


def follow(user: User, *groups: str) -> tuple[str, ...]:
    return follow_provider(user=user, groups=groups, now=timezone.now())


def names(user: User) -> set[str]:
    return set(user.groups.values_list("name", flat=True))


def test_groups_of_the_provider_come_and_go_with_it() -> None:
    user = factories.user("viewer")

    assert follow(user, "approvers", "auditors") == ("+approvers", "+auditors")
    assert names(user) == {"approvers", "auditors"}
    assert follow(user, "auditors") == ("-approvers",)
    assert names(user) == {"auditors"}
    assert newest("sign_in.groups_changed").details["value"] == "-approvers"


def test_groups_given_here_stay() -> None:
    user = factories.user("viewer")
    user.groups.add(Group.objects.create(name="local"), Group.objects.create(name="both"))

    assert follow(user, "both") == ()
    assert follow(user) == ()

    assert names(user) == {"local", "both"}


def test_groups_unchanged_leave_no_row() -> None:
    user = factories.user("viewer")
    follow(user, "approvers")

    assert follow(user, "approvers") == ()

    assert verbs() == ["sign_in.groups_changed"]


def test_group_that_somebody_took_away_here_comes_again_with_the_provider() -> None:
    user = factories.user("viewer")
    follow(user, "approvers")
    user.groups.clear()

    assert follow(user, "approvers") == ("+approvers",)
    assert ProviderGroup.objects.count() == 1


def test_group_that_is_gone_does_not_stop_a_sign_in() -> None:
    user = factories.user("viewer")
    follow(user, "approvers")
    Group.objects.get(name="approvers").delete()

    assert follow(user, "approvers") == ("+approvers",)


def test_a_group_is_given_once() -> None:
    user = factories.user("viewer")
    follow(user, "approvers")
    row = ProviderGroup.objects.get()

    with pytest.raises(IntegrityError):
        ProviderGroup.objects.create(user=user, group=row.group, given_at=row.given_at)


@pytest.mark.parametrize("person", ["", "\x00\x1b", "   "])
def test_row_about_nobody_says_so(person: str) -> None:
    note(SignInEvent.FAILED, person=person, now=timezone.now())

    assert AuditEvent.objects.get().actor == NOBODY


def admin() -> Actor:
    user = factories.user("admin")
    return Actor("admin", user.pk, everywhere(Role.ADMIN))


def end_all(name: str, by: Actor) -> int:
    return end_all_sessions(user_name=name, by=by, now=timezone.now())


def test_admin_ends_all_sessions_of_somebody() -> None:
    clients = [signed_in("viewer"), signed_in("viewer")]
    other = signed_in("operator")

    assert end_all("viewer", admin()) == 2

    assert [client.get("/").status_code for client in (*clients, other)] == [302, 302, 200]
    row = newest("sign_in.session_ended")
    assert (row.actor, row.details) == ("admin", {"value": "all of viewer", "count": 2})
    assert end_all("viewer", admin()) == 0


def test_others_end_no_sessions_but_their_own() -> None:
    client = signed_in("viewer")
    operator = Actor("operator", factories.user("operator").pk, everywhere(Role.OPERATOR))

    with pytest.raises(NotAllowed, match="role admin"):
        end_all("viewer", operator)
    with pytest.raises(NotAllowed, match="role admin"):
        forget_factors(user_name="viewer", by=operator, now=timezone.now())

    assert client.get("/").status_code == 200


def test_sessions_of_nobody_are_refused() -> None:
    with pytest.raises(Refused, match="There is no user nobody"):
        end_all("nobody", admin())


def test_command_end_sessions_says_how_many() -> None:
    client, out = signed_in("viewer"), StringIO()

    call_command("end_sessions", "viewer", stdout=out)

    assert out.getvalue() == "1 sessions of viewer have ended.\n"
    assert client.get("/").status_code == 302
    assert newest("sign_in.session_ended").actor == "system"
    with pytest.raises(CommandError, match="There is no user nobody"):
        call_command("end_sessions", "nobody")


def test_command_forget_factors_lets_the_password_alone_in_again() -> None:
    client, out = signed_in("approver"), StringIO()
    give_app(factories.user("approver"))

    call_command("forget_factors", "approver", stdout=out)

    assert out.getvalue() == "2 second factors of approver are forgotten.\n"
    assert client.get("/").status_code == 302
    assert not Authenticator.objects.exists()
    assert newest("sign_in.factor_removed").details["kinds"] == ["recovery_codes", "totp"]
    assert sign_in(Client(), "approver").headers["Location"] == "/"
    with pytest.raises(CommandError, match="There is no user nobody"):
        call_command("forget_factors", "nobody")


def test_secrets_move_to_the_newest_key(settings: Any) -> None:
    old, new = settings.SECPROF_CREDENTIAL_KEYS[0], Fernet.generate_key().decode()
    give_app(factories.user("approver"))
    settings.SECPROF_CREDENTIAL_KEYS = (new, old)
    out = StringIO()

    call_command("rotate_credentials", stdout=out)

    assert "So are the secrets of 2 second factors." in out.getvalue()
    settings.SECPROF_CREDENTIAL_KEYS = (new,)
    assert unseal(Authenticator.objects.get(type="totp").data["secret"]) == SECRET


def test_secrets_that_no_key_opens_are_refused_and_left_alone(settings: Any) -> None:
    give_app(factories.user("approver"))
    before = list(Authenticator.objects.values_list("data", flat=True))
    settings.SECPROF_CREDENTIAL_KEYS = (Fernet.generate_key().decode(),)

    with pytest.raises(Refused, match="Nothing was changed"):
        rotate_factor_secrets()
    with pytest.raises(Refused, match="forget_factors"):
        unseal(Authenticator.objects.get(type="totp").data["secret"])

    assert list(Authenticator.objects.values_list("data", flat=True)) == before
