"""What the database itself refuses of a grant, whoever writes it."""

from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import IntegrityError, transaction
from django.utils import timezone

from policies.models import Grant
from tests import factories

pytestmark = pytest.mark.django_db


def make(**fields: Any) -> Grant:
    values = {"role": "viewer", "granted_at": timezone.now(), **fields}
    with transaction.atomic():
        return Grant.objects.create(**values)


def test_grant_is_for_a_person_or_a_group() -> None:
    user, group = factories.user("operator"), Group.objects.create(name="web")

    with pytest.raises(IntegrityError, match="a_grant_is_for_a_person_or_a_group"):
        make()
    with pytest.raises(IntegrityError, match="a_grant_is_for_a_person_or_a_group"):
        make(user=user, group=group)

    assert make(user=user).group is None
    assert make(group=group).user is None


def test_grant_names_a_namespace_or_labels() -> None:
    user = factories.user("operator")

    with pytest.raises(IntegrityError, match="a_grant_names_a_namespace_or_labels"):
        make(user=user, namespace="shop", selector="team=web")


def test_grant_has_a_role_that_there_is() -> None:
    with pytest.raises(IntegrityError, match="the_role_of_a_grant_is_known"):
        make(user=factories.user("operator"), role="owl")


@pytest.mark.parametrize(
    "fields", [{}, {"namespace": "shop"}, {"selector": "team=web"}], ids=["all", "name", "labels"]
)
def test_nothing_is_granted_twice_to_a_person_or_to_a_group(fields: dict[str, str]) -> None:
    user, group = factories.user("operator"), Group.objects.create(name="web")
    prod = factories.cluster()
    for cluster in (None, prod):
        for holder in ({"user": user}, {"group": group}):
            make(**holder, cluster=cluster, **fields)
            with pytest.raises(IntegrityError):
                make(**holder, cluster=cluster, **fields)


def test_grant_goes_with_its_person_and_with_its_cluster() -> None:
    user, prod = factories.user("operator"), factories.cluster()
    Grant.objects.all().delete()
    make(user=user, cluster=prod)
    make(user=user)

    prod.delete()
    assert Grant.objects.get().cluster is None

    user.delete()
    assert not Grant.objects.exists()
