"""Places: namespaces with their labels, as they are now."""

import pytest
from pytest_django import DjangoAssertNumQueries

from policies.domain.authority import Act, Actor, Grant, Place, Role, Scope, denial
from policies.models import ObservedNamespace
from policies.queries.places import place_of, places_of
from tests import factories

pytestmark = pytest.mark.django_db

WEB = Actor("web", 7, frozenset({Grant(Role.OPERATOR, Scope(selector="team=web"))}))


def test_places_carry_the_labels_of_their_namespaces(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    prod = factories.cluster()
    factories.namespaces(prod, ["shop", "cart"], labels={"team": "web"})
    factories.namespaces(factories.cluster("staging"), ["shop"], labels={"team": "other"})

    with django_assert_num_queries(1):
        places = places_of(prod, ["shop", "cart", "shop"])

    assert places == (Place("prod", "cart"), Place("prod", "shop"))
    assert [place.labels for place in places] == [{"team": "web"}, {"team": "web"}]


def test_places_of_unknown_namespace_has_no_labels() -> None:
    prod = factories.cluster()

    (place,) = places_of(prod, ["ghost"])

    assert place.labels == {}
    assert denial(WEB, Act.REQUEST_FLIP, at=place)
    by_name = Actor("x", 8, frozenset({Grant(Role.OPERATOR, Scope("prod", "ghost"))}))
    assert denial(by_name, Act.REQUEST_FLIP, at=place) is None


def test_places_of_no_namespace_is_the_cluster_as_a_whole() -> None:
    prod = factories.cluster()

    assert places_of(prod, ()) == (place_of(prod),) == (Place("prod"),)


def test_places_are_loaded_anew_each_time() -> None:
    prod = factories.cluster()
    factories.namespaces(prod, ["shop"], labels={"team": "web"})
    assert denial(WEB, Act.REQUEST_FLIP, at=places_of(prod, ["shop"])) is None

    ObservedNamespace.objects.update(labels={"team": "payments"})

    assert denial(WEB, Act.REQUEST_FLIP, at=places_of(prod, ["shop"]))
