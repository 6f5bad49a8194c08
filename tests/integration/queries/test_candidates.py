"""What the database tells of a scope: it may let through too many namespaces, and never too few."""

import pytest

from policies.domain.authority import Place, Scope
from policies.models import ObservedNamespace
from policies.queries.candidates import candidates
from tests import factories

pytestmark = pytest.mark.django_db

LABELS = {
    "plain": {},
    "web": {"team": "web"},
    "pay": {"team": "pay", "app.example/tier": "front"},
    "counted": {"1": "web"},
    "empty": {"team": ""},
}


@pytest.mark.parametrize(
    ("selector", "let_through"),
    [
        ("team=web", {"web"}),
        ("team in (web, pay)", {"web", "pay"}),
        ("team=pay,app.example/tier=front", {"pay"}),
        ("app.example/tier=back", set()),
        ("team!=web", set(LABELS)),
        ("!team", set(LABELS)),
        ("1=web", set(LABELS)),
    ],
)
def test_candidates_hold_every_namespace_that_the_scope_covers(
    selector: str, let_through: set[str]
) -> None:
    cluster = factories.cluster()
    for name, labels in LABELS.items():
        factories.namespaces(cluster, [name], labels=labels)
    scope = Scope(selector=selector)

    found = set(ObservedNamespace.objects.filter(candidates(scope)).values_list("name", flat=True))

    assert found == let_through
    covered = {n for n, labels in LABELS.items() if scope.covers(Place("prod", n, labels))}
    assert covered <= found
