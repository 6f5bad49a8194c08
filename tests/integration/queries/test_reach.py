"""What somebody sees, worked out from grants: clusters, namespaces, flips and rows of the trail."""

import pytest
from pytest_django import DjangoAssertNumQueries

from policies.domain.authority import SYSTEM, Actor, Grant, Role, Scope
from policies.models import AuditEvent, Cluster, Flip, ObservedNamespace
from policies.queries.reach import EVERYTHING_SEEN, NOTHING_SEEN, Reach, reach_of
from tests import factories

pytestmark = pytest.mark.django_db

ALL = {"prod/shop", "prod/pay", "prod/kube", "staging/shop", "staging/pay"}


@pytest.fixture(autouse=True)
def clusters() -> tuple[Cluster, Cluster]:
    prod, staging = factories.cluster("prod"), factories.cluster("staging")
    factories.cluster("empty")
    factories.namespaces(prod, ["shop"], labels={"team": "web", "env": "prod"})
    factories.namespaces(prod, ["pay"], labels={"team": "payments"})
    factories.namespaces(prod, ["kube"])
    factories.namespaces(staging, ["shop"], labels={"team": "web", "env": "test"})
    factories.namespaces(staging, ["pay"], labels={"team": "payments"})
    return prod, staging


def reach(*scopes: Scope, role: Role = Role.VIEWER) -> Reach:
    return reach_of(Actor("ada", 1, frozenset(Grant(role, scope) for scope in scopes)))


def seen(by: Reach) -> set[str]:
    return {f"{row.cluster.name}/{row.name}" for row in by.namespaces().select_related("cluster")}


@pytest.mark.parametrize(
    ("scopes", "in_view", "namespaces"),
    [
        ([Scope()], {"empty", "prod", "staging"}, ALL),
        ([Scope("prod")], {"prod"}, {"prod/shop", "prod/pay", "prod/kube"}),
        ([Scope("prod", "shop")], {"prod"}, {"prod/shop"}),
        ([Scope("", "shop")], {"prod", "staging"}, {"prod/shop", "staging/shop"}),
        ([Scope("", "", "team=web")], {"prod", "staging"}, {"prod/shop", "staging/shop"}),
        ([Scope("", "", "env=test")], {"staging"}, {"staging/shop"}),
        ([Scope("", "", "team!=web,team")], {"prod", "staging"}, {"prod/pay", "staging/pay"}),
        ([Scope("prod", "", "team=nobody")], {"prod"}, set()),
        ([Scope("", "", "team=nobody")], set(), set()),
        ([Scope("moon")], set(), set()),
        ([Scope("moon", "shop")], set(), set()),
        (
            [Scope("prod"), Scope("staging", "pay"), Scope("", "", "env=test")],
            {"prod", "staging"},
            ALL,
        ),
        ([Scope("empty"), Scope("prod", "kube")], {"empty", "prod"}, {"prod/kube"}),
    ],
)
def test_reach_is_what_the_scopes_say(
    scopes: list[Scope], in_view: set[str], namespaces: set[str]
) -> None:
    found = reach(*scopes)

    assert {cluster.name for cluster in found.clusters()} == in_view
    assert seen(found) == namespaces


def test_reach_of_nobody_and_of_the_system() -> None:
    assert reach_of(Actor("ada", 1)) is NOTHING_SEEN
    assert reach_of(SYSTEM) is EVERYTHING_SEEN
    assert not NOTHING_SEEN.clusters()
    assert not NOTHING_SEEN.namespaces()
    assert not NOTHING_SEEN.flips()
    assert not NOTHING_SEEN.events()
    assert not NOTHING_SEEN.variants()


@pytest.mark.parametrize("role", list(Role))
def test_reach_comes_with_any_role(role: Role) -> None:
    assert seen(reach(Scope("prod", "shop"), role=role)) == {"prod/shop"}


def test_reach_never_loads_a_credential() -> None:
    (cluster,) = reach(Scope("prod")).clusters()

    assert "credential" in cluster.get_deferred_fields()


def test_reach_by_labels_takes_two_queries_however_much_there_is(
    clusters: tuple[Cluster, Cluster], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    prod, _ = clusters
    factories.namespaces(prod, [f"ns-{n}" for n in range(2000)], labels={"team": "web"})
    scopes = [Scope("", "", f"team in (web,t{n})") for n in range(5)]

    with django_assert_num_queries(2):
        found = reach(*scopes, Scope("staging"), Scope("prod", "kube"))
    with django_assert_num_queries(1):
        assert found.namespaces().count() == 2000 + 2 + 2


def test_reach_by_name_holds_for_a_namespace_that_is_gone(
    clusters: tuple[Cluster, Cluster],
) -> None:
    prod, _ = clusters
    ObservedNamespace.objects.filter(cluster=prod, name="shop").delete()

    assert reach(Scope("prod", "shop")).sees(prod.pk, "shop")
    assert not reach(Scope("prod", "", "team=web")).sees(prod.pk, "shop")


def flips(prod: Cluster, staging: Cluster) -> dict[str, Flip]:
    made = {}
    for key, on, names in (
        ("shop", prod, ["shop"]),
        ("both", prod, ["pay", "shop"]),
        ("pay", prod, ["pay"]),
        ("far", staging, ["shop"]),
    ):
        made[key] = factories.flip(factories.variant(on, key), Flip.Status.REQUESTED, *names)
    made["install"] = factories.flip(
        factories.variant(prod, "install"), Flip.Status.REQUESTED, verb=Flip.Verb.INSTALL
    )
    return made


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        (Scope(), {"shop", "both", "pay", "far", "install"}),
        (Scope("prod"), {"shop", "both", "pay", "install"}),
        (Scope("prod", "shop"), {"shop"}),
        (Scope("", "", "team=web"), {"shop", "far"}),
        (Scope("", "", "team in (web,payments)"), {"shop", "both", "pay", "far"}),
        (Scope("empty"), set()),
    ],
)
def test_flip_is_seen_when_all_of_it_is(
    clusters: tuple[Cluster, Cluster], scope: Scope, expected: set[str]
) -> None:
    made = flips(*clusters)
    by = reach(scope)

    assert {flip.variant.name for flip in by.flips().select_related("variant")} == expected
    assert {key for key, flip in made.items() if by.sees_flip(flip)} == expected


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        (Scope(), {"shop", "pay", "both", "cluster", "far", "profile", "neighbour", "own"}),
        (Scope("prod"), {"shop", "pay", "both", "cluster", "neighbour", "own"}),
        (Scope("prod", "shop"), {"shop", "own"}),
        (Scope("", "", "team=web"), {"shop", "far", "own"}),
        (Scope("", "", "team=nobody"), set()),
    ],
)
def test_row_of_the_trail_is_seen_when_all_that_it_names_is(
    scope: Scope, expected: set[str]
) -> None:
    factories.event("shop", cluster="prod", namespaces=["shop"])
    factories.event("pay", cluster="prod", namespaces=["pay"])
    factories.event("both", cluster="prod", namespaces=["pay", "shop"])
    factories.event("cluster", cluster="prod")
    factories.event("far", cluster="staging", namespaces=["shop"])
    factories.event("profile")
    factories.event("neighbour", cluster="prod", namespaces=["shop"], details={"namespace": "kube"})
    factories.event("own", cluster="prod", namespaces=["shop"], details={"namespace": "shop"})

    assert {event.verb for event in reach(scope).events()} == expected


def test_names_with_quotes_are_names_and_nothing_else(clusters: tuple[Cluster, Cluster]) -> None:
    prod, _ = clusters
    odd = """sh"op') OR 1=1 --"""
    factories.event("odd", cluster="prod", namespaces=[odd])
    by = Reach(parts={prod.pk: frozenset({odd})}, names={prod.pk: "prod"})

    assert [event.verb for event in by.events()] == ["odd"]
    assert not by.namespaces()
    assert AuditEvent.objects.count() == 1
