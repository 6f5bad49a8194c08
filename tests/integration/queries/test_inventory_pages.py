"""Profile by node and what workloads name: grouped when nodes are many, at a fixed number of queries."""

import time
from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from policies.cluster.gateway import PROFILE_KINDS
from policies.domain.controls import Mechanism
from policies.domain.inventory import Outcome, Reference
from policies.models import (
    Cluster,
    CollectionRun,
    DeclaredPool,
    DeclaredProfile,
    KindSnapshot,
    ObservedNode,
    ObservedProfile,
    ObservedProfileStatus,
    ReferencedProfile,
)
from policies.queries import inventory_pages
from policies.queries.inventory_pages import (
    NODES_SHOWN,
    PAGE_SIZE,
    InventoryPage,
    PoolNodes,
    load_page,
    load_pool_nodes,
)
from policies.queries.reach import EVERYTHING_SEEN
from tests import factories

pytestmark = pytest.mark.django_db

QUERIES = 11


@pytest.fixture
def cluster() -> Cluster:
    made = factories.cluster()
    read(made)
    return made


def read(cluster: Cluster, *, served: bool = True, failure: str = "") -> None:
    run = CollectionRun.objects.get(cluster=cluster)
    KindSnapshot.objects.filter(cluster=cluster, kind__in=NAMES).delete()
    KindSnapshot.objects.bulk_create(
        KindSnapshot(
            cluster=cluster,
            kind=kind.full_name,
            run=run,
            completed_at=run.started_at,
            served=served or kind.plural == "nodes",
            failure=failure,
        )
        for kind in PROFILE_KINDS
    )


NAMES = [kind.full_name for kind in PROFILE_KINDS]


def nodes(cluster: Cluster, count: int, pool: str = "web") -> None:
    joined = timezone.now() - timedelta(days=9)
    ObservedNode.objects.bulk_create(
        ObservedNode(
            cluster=cluster,
            name=f"{pool}-{number:04}",
            labels={"pool": pool},
            os="linux",
            created_at=joined,
            content_hash="0" * 32,
        )
        for number in range(count)
    )


def profile(cluster: Cluster, name: str, *, missing: int = 0) -> None:
    """A seccomp profile on every node but the first few."""
    ObservedProfile.objects.create(
        cluster=cluster, mechanism="seccomp", name=name, state="Installed", content_hash="0" * 32
    )
    names = ObservedNode.objects.filter(cluster=cluster).order_by("name")
    ObservedProfileStatus.objects.bulk_create(
        ObservedProfileStatus(
            cluster=cluster, mechanism="seccomp", profile=name, node=node, state="Installed"
        )
        for node in list(names.values_list("name", flat=True))[missing:]
    )


def named(cluster: Cluster, workload: str, value: str, **fields: object) -> None:
    values = {"kind": "Deployment", "namespace": "shop", "container": "app", **fields}
    ReferencedProfile.objects.create(
        cluster=cluster,
        workload_uid=f"{workload}-{value}-{values['container']}",
        workload=workload,
        mechanism="seccomp",
        value=value,
        content_hash="0" * 32,
        **values,
    )


def load(cluster: Cluster, *, text: str = "", page: int = 1) -> InventoryPage:
    now = timezone.now()
    loaded = inventory_pages.load(cluster, now=now)
    return load_page(cluster, loaded, reach=EVERYTHING_SEEN, text=text, page=page, now=now)


def pool_nodes(cluster: Cluster, pool: str, *, page: int = 1) -> PoolNodes:
    reference, now = Reference(Mechanism.SECCOMP, "operator/a.json"), timezone.now()
    loaded = inventory_pages.load(cluster, now=now)
    return load_pool_nodes(
        cluster, loaded, reference, pool, reach=EVERYTHING_SEEN, page=page, now=now
    )


def declare(cluster: Cluster, name: str, *values: str, complete: bool = True) -> None:
    admin = factories.user("admin")
    pool = DeclaredPool.objects.create(
        cluster=cluster,
        name=name,
        selector={"pool": name},
        complete=["seccomp"] if complete else [],
        declared_by=admin,
        declared_at=timezone.now(),
    )
    for value in values:
        DeclaredProfile.objects.create(
            pool=pool,
            mechanism="seccomp",
            value=value,
            declared_by=admin,
            declared_at=timezone.now(),
        )


def test_page_few_nodes_has_a_column_a_node(cluster: Cluster) -> None:
    nodes(cluster, 2)
    profile(cluster, "a", missing=1)

    page = load(cluster)

    assert page.is_by_node
    assert [column.name for column in page.columns] == ["web-0000", "web-0001"]
    assert [c.outcome for c in page.rows[0].cells] == [Outcome.FAIL, Outcome.PASS]
    assert page.rows[0].cells[0].phrase == "no status"


def test_page_many_nodes_has_a_column_a_pool_with_counts(cluster: Cluster) -> None:
    nodes(cluster, 9)
    nodes(cluster, 1, "gpu")
    profile(cluster, "a", missing=3)

    page = load(cluster)

    assert [(c.name, len(c.nodes)) for c in page.columns] == [("gpu", 1), ("web", 9)]
    web = page.rows[0].cells[1]
    assert (web.outcome, web.count, web.total) == (Outcome.FAIL, 2, 9)


def test_page_windows_nodes_do_not_count_against_a_profile(cluster: Cluster) -> None:
    nodes(cluster, 9)
    profile(cluster, "a")
    ObservedNode.objects.create(
        cluster=cluster, name="w", os="windows", labels={"pool": "web"}, content_hash="0" * 32
    )

    (cell,) = load(cluster).rows[0].cells

    assert (cell.outcome, cell.count, cell.total) == (Outcome.PASS, 9, 10)


def test_page_nothing_served_and_nothing_declared_knows_nothing(cluster: Cluster) -> None:
    read(cluster, served=False)
    nodes(cluster, 1)
    named(cluster, "web", "profiles/a.json")

    page = load(cluster)

    assert page.is_nothing_known
    assert not page.has_operator
    assert page.references[0].verdict.outcome is Outcome.UNKNOWN


def test_page_declared_pools_are_the_columns_while_nodes_are_not_known(cluster: Cluster) -> None:
    read(cluster, served=False, failure="Forbidden.")
    declare(cluster, "web", "a.json")
    declare(cluster, "gpu", complete=False)

    page = load(cluster)

    assert [c.name for c in page.columns] == ["gpu", "web"]
    assert [c.outcome for c in page.rows[0].cells] == [Outcome.UNKNOWN, Outcome.PASS]
    assert [card.node_count for card in page.cards] == [None, None]


def test_page_groups_references_by_profile_and_verdict_worst_first(cluster: Cluster) -> None:
    nodes(cluster, 2)
    nodes(cluster, 1, "gpu")
    profile(cluster, "a", missing=1)
    named(cluster, "cart", "operator/a.json", placement={"selector": [["pool", "web"]]})
    named(cluster, "web", "operator/a.json", placement={"selector": [["pool", "web"]]})
    named(cluster, "web", "operator/a.json", container="log", placement={})
    named(cluster, "train", "operator/a.json", placement={"selector": [["pool", "gpu"]]})

    page = load(cluster)

    said = [(r.verdict.outcome, [(u.name, u.containers) for u in r.users]) for r in page.references]
    assert said == [
        (Outcome.FAIL, [("train", ("app",))]),
        (Outcome.FAIL, [("web", ("log",))]),
        (Outcome.PASS, [("cart", ("app",)), ("web", ("app",))]),
    ]
    assert page.outcomes == {Outcome.FAIL: 2, Outcome.PASS: 1}


def test_page_text_narrows_profiles_and_references(cluster: Cluster) -> None:
    nodes(cluster, 1)
    for name in ("alpha", "beta"):
        profile(cluster, name)
        named(cluster, name, f"operator/{name}.json")

    page = load(cluster, text="ALPHA")

    assert [row.reference.value for row in page.rows] == ["operator/alpha.json"]
    assert [row.reference.value for row in page.references] == ["operator/alpha.json"]


def test_page_beyond_the_last_is_the_last(cluster: Cluster) -> None:
    for number in range(PAGE_SIZE + 1):
        named(cluster, "web", f"profiles/{number:03}.json")

    page = load(cluster, page=9)

    assert (page.page, page.page_count, len(page.references)) == (2, 2, 1)


def test_pool_nodes_are_paged_worst_first(cluster: Cluster) -> None:
    nodes(cluster, NODES_SHOWN + 5)
    nodes(cluster, 3, "gpu")
    profile(cluster, "a", missing=5)

    found = pool_nodes(cluster, "web")

    assert [line.outcome for line in found.lines[:3]] == [Outcome.FAIL, Outcome.FAIL, Outcome.PASS]
    assert (len(found.lines), found.total_count, found.page_count) == (
        NODES_SHOWN,
        NODES_SHOWN + 5,
        2,
    )
    assert len(pool_nodes(cluster, "web", page=2).lines) == 5


def test_page_costs_the_same_queries_whatever_the_size(
    cluster: Cluster, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    nodes(cluster, 1)
    profile(cluster, "a")
    named(cluster, "web", "operator/a.json")
    declare(cluster, "web", "own.json")
    with django_assert_num_queries(QUERIES):
        load(cluster)

    nodes(cluster, 20, "gpu")
    for name in ("b", "c", "d"):
        profile(cluster, name)
        named(cluster, name, f"operator/{name}.json")
    declare(cluster, "gpu", "own.json", "more.json")

    with django_assert_num_queries(QUERIES):
        load(cluster)


def test_page_of_five_thousand_nodes_stays_a_few_columns_and_quick(cluster: Cluster) -> None:
    for pool in ("a", "b", "c", "d", "e"):
        nodes(cluster, 1000, pool)
    for number in range(10):
        profile(cluster, f"p{number}", missing=number)
        named(cluster, "web", f"operator/p{number}.json")

    started = time.process_time()
    page = load(cluster)
    assert time.process_time() - started < 5
    assert len(page.columns) == 5
    assert page.references[0].verdict.reason.startswith("Missing on 1 of 5000 nodes")
