"""Declaring pools and profiles: who may, what is refused, and the row that each leaves in the trail."""

from typing import Any

import pytest
from django.utils import timezone

from policies.actions import inventory
from policies.actions.errors import Refused
from policies.domain.authority import SYSTEM, NotAllowed
from policies.models import AuditEvent, Cluster, DeclaredPool, DeclaredProfile
from tests.world import People

pytestmark = pytest.mark.django_db


@pytest.fixture
def cluster() -> Cluster:
    return Cluster.objects.create(name="prod", created_at=timezone.now())


@pytest.fixture
def people(django_user_model: type) -> People:
    return People(django_user_model)


def pool(cluster: Cluster, people: People, **changes: Any) -> DeclaredPool:
    values: dict[str, Any] = {
        "cluster_id": cluster.pk,
        "name": "gpu",
        "selector": {"pool": "gpu"},
        "apparmor": "yes",
        "complete": ("seccomp",),
        "by": people.admin,
        "now": timezone.now(),
    }
    return inventory.declare_pool(**values | changes)


def profile(
    of: DeclaredPool, people: People, mechanism: str = "seccomp", value: str = "profiles/a.json"
) -> DeclaredProfile:
    return inventory.declare_profile(
        pool_id=of.pk, mechanism=mechanism, value=value, by=people.admin, now=timezone.now()
    )


def test_declare_pool_keeps_who_and_when_and_leaves_a_row(cluster: Cluster, people: People) -> None:
    made = pool(cluster, people)

    assert (made.selector, made.apparmor, made.complete) == ({"pool": "gpu"}, "yes", ["seccomp"])
    assert made.declared_by_id == people.admin.user_id
    event = AuditEvent.objects.get(verb="inventory.pool_declared")
    assert (event.actor, event.cluster, event.details["pool"]) == ("admin", "prod", "gpu")


def test_declare_pool_again_changes_it_and_keeps_its_profiles(
    cluster: Cluster, people: People
) -> None:
    profile(pool(cluster, people), people)

    again = pool(cluster, people, selector={}, complete=())

    assert (again.selector, again.complete, again.profiles.count()) == ({}, [], 1)
    assert AuditEvent.objects.filter(verb="inventory.pool_declared").count() == 2


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"name": "Not A Name"}, "small letters"),
        ({"name": ""}, "small letters"),
        ({"selector": {"no good key": "a"}}, "not a label"),
        ({"selector": {"pool": "-"}}, "not a label"),
        ({"apparmor": "perhaps"}, "no such choice"),
        ({"complete": ("selinux",)}, "no such choice"),
    ],
)
def test_declare_pool_of_what_makes_none_is_refused(
    cluster: Cluster, people: People, changes: dict[str, Any], says: str
) -> None:
    with pytest.raises(Refused, match=says):
        pool(cluster, people, **changes)

    assert not DeclaredPool.objects.exists()


def test_declare_profile_leaves_a_row(cluster: Cluster, people: People) -> None:
    made = profile(pool(cluster, people), people, "apparmor", "k8s-web")

    assert (made.mechanism, made.value) == ("apparmor", "k8s-web")
    event = AuditEvent.objects.get(verb="inventory.profile_declared")
    assert event.details == {"pool": "gpu", "mechanism": "apparmor", "value": "k8s-web"}


@pytest.mark.parametrize(
    ("mechanism", "value", "says"),
    [
        ("seccomp", "/etc/a.json", "relative"),
        ("seccomp", "profiles/../a.json", "relative"),
        ("seccomp", "", "1 to 1000"),
        ("seccomp", " a.json", "1 to 1000"),
        ("seccomp", "a" * 1001, "1 to 1000"),
        ("apparmor", "localhost/k8s-web", "bare name"),
        ("apparmor", "Unconfined", "no profile"),
        ("selinux", "a", "no such choice"),
    ],
)
def test_declare_profile_that_no_pod_could_name_is_refused(
    cluster: Cluster, people: People, mechanism: str, value: str, says: str
) -> None:
    with pytest.raises(Refused, match=says):
        profile(pool(cluster, people), people, mechanism, value)

    assert not DeclaredProfile.objects.exists()


def test_declare_profile_twice_is_refused(cluster: Cluster, people: People) -> None:
    made = pool(cluster, people)
    profile(made, people)

    with pytest.raises(Refused, match="declared for this pool already"):
        profile(made, people)

    assert AuditEvent.objects.filter(verb="inventory.profile_declared").count() == 1


def test_withdraw_profile_takes_it_back_once(cluster: Cluster, people: People) -> None:
    made = profile(pool(cluster, people), people)

    inventory.withdraw_profile(profile_id=made.pk, by=people.admin, now=timezone.now())

    assert not DeclaredProfile.objects.exists()
    assert AuditEvent.objects.filter(verb="inventory.profile_withdrawn").count() == 1
    with pytest.raises(Refused, match="already"):
        inventory.withdraw_profile(profile_id=made.pk, by=people.admin, now=timezone.now())


def test_withdraw_pool_takes_all_back_and_says_what_it_held(
    cluster: Cluster, people: People
) -> None:
    made = pool(cluster, people)
    profile(made, people)

    inventory.withdraw_pool(pool_id=made.pk, by=people.admin, now=timezone.now())

    assert not DeclaredProfile.objects.exists()
    event = AuditEvent.objects.get(verb="inventory.pool_withdrawn")
    assert event.details["profiles"] == [["seccomp", "profiles/a.json"]]
    with pytest.raises(Refused, match="already"):
        inventory.withdraw_pool(pool_id=made.pk, by=people.admin, now=timezone.now())


def test_declare_profile_for_a_pool_that_is_gone_is_refused(people: People) -> None:
    with pytest.raises(Refused, match="withdrawn this pool"):
        profile(DeclaredPool(pk=404), people)


@pytest.mark.parametrize("role", ["viewer", "operator", "approver", "auditor", "system"])
def test_declaring_by_anybody_but_an_admin_is_not_allowed(
    cluster: Cluster, people: People, role: str
) -> None:
    by = SYSTEM if role == "system" else getattr(people, role)
    made = pool(cluster, people)
    held = profile(made, people)
    before = AuditEvent.objects.count()

    with pytest.raises(NotAllowed):
        pool(cluster, people, by=by)
    with pytest.raises(NotAllowed):
        inventory.declare_profile(
            pool_id=made.pk, mechanism="seccomp", value="b", by=by, now=timezone.now()
        )
    with pytest.raises(NotAllowed):
        inventory.withdraw_profile(profile_id=held.pk, by=by, now=timezone.now())
    with pytest.raises(NotAllowed):
        inventory.withdraw_pool(pool_id=made.pk, by=by, now=timezone.now())
    assert AuditEvent.objects.count() == before
