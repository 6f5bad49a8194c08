"""The matrix says of each cell what was proven, observed and judged, at a cost that does not grow."""

from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from policies.domain.lifecycle import FlipStatus, RolloutStatus, StepKind, StepStatus
from policies.models import Cluster, KindSnapshot, PostureTally, ResultTally, Variant
from policies.queries.cells import Cell, CellState
from policies.queries.matrix import PAGE_SIZE, Matrix, MatrixFilter, load_matrix
from policies.queries.reach import EVERYTHING_SEEN
from policies.web.presenters.readiness import cell_note
from tests import factories

pytestmark = pytest.mark.django_db

NAMES = ("batch", "fresh", "shop")


@pytest.fixture
def cluster() -> Cluster:
    made = factories.cluster()
    factories.namespaces(made, NAMES)
    factories.namespaces(made, ["kube-system"], is_system=True, team="")
    return made


@pytest.fixture
def variant(cluster: Cluster) -> Variant:
    return factories.installed(cluster)


def load(cluster: Cluster, **wanted: object) -> Matrix:
    return load_matrix(cluster, MatrixFilter(**wanted), reach=EVERYTHING_SEEN, now=timezone.now())


def cell(cluster: Cluster, namespace: str) -> Cell:
    rows = load(cluster, with_system=True).rows
    return next(row for row in rows if row.namespace == namespace).cells[0]


def test_cell_all_gates_pass_is_ready(cluster: Cluster, variant: Variant) -> None:
    factories.judged(variant, ["shop"])

    assert cell(cluster, "shop").state is CellState.READY


def test_cell_failing_workloads_is_blocked(cluster: Cluster, variant: Variant) -> None:
    factories.judged(variant, ["shop"], failing_count=2)

    assert cell(cluster, "shop").state is CellState.BLOCKED


def test_cell_no_results_is_unknown(cluster: Cluster, variant: Variant) -> None:
    assert cell(cluster, "shop").state is CellState.UNKNOWN


def test_cell_proven_stage_is_enforced_since_its_proof(cluster: Cluster, variant: Variant) -> None:
    at = timezone.now() - timedelta(days=12)
    factories.enforced(variant, "shop", proven_at=at)
    factories.observed(variant, "twin", ["shop"])

    found = cell(cluster, "shop")

    assert (found.state, found.proven_at) == (CellState.ENFORCED, at)


def test_cell_twin_without_proof_is_not_called_enforced(cluster: Cluster, variant: Variant) -> None:
    factories.observed(variant, "twin", ["shop"])

    assert cell(cluster, "shop").state is CellState.UNPROVEN


def test_cell_proven_but_gone_from_a_newer_picture_is_lost(
    cluster: Cluster, variant: Variant
) -> None:
    factories.enforced(variant, "shop")
    factories.observed(variant, "twin", [])

    assert cell(cluster, "shop").state is CellState.LOST


def test_cell_proven_after_the_picture_stays_enforced(cluster: Cluster, variant: Variant) -> None:
    factories.enforced(variant, "shop", proven_at=timezone.now())

    assert cell(cluster, "shop").state is CellState.ENFORCED


def test_cell_under_rollout_shows_its_steps(cluster: Cluster, variant: Variant) -> None:
    flip = factories.flip(variant, FlipStatus.ROLLING, "shop")
    factories.rollout(
        flip,
        RolloutStatus.RUNNING,
        (StepKind.APPLY, StepStatus.DONE, ""),
        (StepKind.PROVE_REFUSED, StepStatus.RUNNING, "shop"),
    )

    found = cell(cluster, "shop")

    assert (found.state, found.progress) == (CellState.ROLLING, (1, 2))


def test_cell_with_a_request_keeps_its_verdict_beside_it(
    cluster: Cluster, variant: Variant
) -> None:
    factories.judged(variant, ["shop"])
    flip = factories.flip(variant, FlipStatus.REQUESTED, "shop")

    found = cell(cluster, "shop")

    assert (found.state, found.is_waiting, found.flip_id) == (CellState.READY, True, flip.pk)


def test_cell_system_namespace_is_not_judged(cluster: Cluster, variant: Variant) -> None:
    assert cell(cluster, "kube-system").state is CellState.SYSTEM


def test_cell_collection_broken_is_unknown(cluster: Cluster, variant: Variant) -> None:
    factories.judged(variant, ["shop"])
    KindSnapshot.objects.filter(kind="pods").update(failure="cut off", failed_at=timezone.now())

    assert cell(cluster, "shop").state is CellState.UNKNOWN


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        ({}, ["batch", "fresh", "shop"]),
        ({"text": "SHO"}, ["shop"]),
        ({"team": "web"}, ["batch", "fresh", "shop"]),
        ({"team": "nobody"}, []),
        ({"verdict": "blocked"}, ["batch"]),
        ({"verdict": "unknown"}, ["fresh"]),
        ({"stage": "enforced"}, ["shop"]),
        ({"stage": "audit"}, ["batch", "fresh"]),
        ({"with_system": True, "text": "kube"}, ["kube-system"]),
    ],
)
def test_matrix_filter_lets_through(
    cluster: Cluster, variant: Variant, wanted: dict[str, object], names: list[str]
) -> None:
    factories.judged(variant, ["batch"], failing_count=1)
    factories.enforced(variant, "shop")
    factories.observed(variant, "twin", ["shop"])

    assert [row.namespace for row in load(cluster, **wanted).rows] == names


def test_matrix_long_list_is_paged(cluster: Cluster, variant: Variant) -> None:
    factories.namespaces(cluster, [f"ns-{number:03}" for number in range(60)])

    found = load(cluster, page=2)

    assert (found.total_count, found.page_count, len(found.rows)) == (63, 2, 63 - PAGE_SIZE)


def test_matrix_page_beyond_the_end_is_the_last(cluster: Cluster, variant: Variant) -> None:
    assert load(cluster, page=99).page == 1


@pytest.mark.parametrize("count", [3, 300])
@pytest.mark.parametrize(
    ("wanted", "queries"), [({}, 20), ({"verdict": "ready"}, 21), ({"stage": "audit"}, 21)]
)
def test_matrix_costs_the_same_whatever_the_size(
    django_assert_num_queries: DjangoAssertNumQueries,
    count: int,
    wanted: dict[str, str],
    queries: int,
) -> None:
    made = factories.cluster()
    names = [f"ns-{number:03}" for number in range(count)]
    factories.namespaces(made, names)
    for name in ("one", "two"):
        variant = factories.installed(made, name)
        factories.judged(variant, names)

    with django_assert_num_queries(queries):
        load(made, **wanted)


def test_cell_of_a_native_policy_is_ready_without_a_report_and_denied_by_its_binding(
    cluster: Cluster,
) -> None:
    native = factories.installed(cluster, target="ValidatingAdmissionPolicy")
    factories.judged(native, ["shop", "batch"])
    ResultTally.objects.all().delete()
    assert cell(cluster, "shop").state is CellState.READY

    factories.observed(native, "twin", ["shop"])

    assert cell(cluster, "shop").state is CellState.UNPROVEN
    # An object that nobody has planned is drift.
    assert cell(cluster, "batch").state is CellState.BLOCKED


def test_cell_of_a_variant_that_was_edited_is_judged_by_what_is_installed(
    cluster: Cluster, variant: Variant
) -> None:
    factories.judged(variant, ["shop"])
    factories.wish(variant, excluded_namespaces=["shop"])

    assert cell(cluster, "shop").state is CellState.READY


def test_cell_of_an_excluded_namespace_says_so(cluster: Cluster) -> None:
    variant = factories.installed(cluster, excluded_namespaces=["shop"])
    factories.judged(variant, ["shop"])

    assert cell_note(cell(cluster, "shop"), now=timezone.now()) == "excluded"


def test_cell_of_a_judge_that_was_not_heard_says_so(cluster: Cluster) -> None:
    variant = factories.installed(cluster, excluded_namespaces=["batch"])
    factories.judged(variant, ["shop"])
    PostureTally.objects.all().delete()

    assert cell_note(cell(cluster, "shop"), now=timezone.now()) == "not judged yet"
