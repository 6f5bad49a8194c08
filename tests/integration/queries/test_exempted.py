"""Exempted workloads in the evidence: neither failing nor passing, at a cost that does not grow."""

from datetime import datetime, timedelta

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from policies.cluster.gateway import EXCEPTION_KINDS
from policies.domain.lifecycle import ExceptionStatus
from policies.domain.readiness import GateId, GateOutcome, NamespaceVerdict, Verdict
from policies.models import (
    Cluster,
    KindSnapshot,
    ObservedController,
    ObservedException,
    PostureTally,
    Rehearsal,
    RehearsedWorkload,
    ResultTally,
    Variant,
)
from policies.queries.evidence import load_evidence
from policies.queries.exemptions import exempt_workloads
from policies.queries.reach import EVERYTHING_SEEN
from policies.queries.verdicts import verdicts
from tests import factories

pytestmark = pytest.mark.django_db

APP = ("Deployment", "old-app")
EVIDENCE = (GateId.REPORTS, GateId.POSTURE, GateId.REHEARSAL)


@pytest.fixture
def cluster() -> Cluster:
    made = factories.cluster()
    factories.namespaces(made, ["shop", "other"])
    return made


@pytest.fixture(params=["ClusterPolicy", "ValidatingPolicy", "ValidatingAdmissionPolicy"])
def variant(request: pytest.FixtureRequest, cluster: Cluster) -> Variant:
    """A variant under which one workload of the namespace fails by all accounts."""
    made = factories.installed(cluster, target=request.param)
    factories.judged(made, ["shop"], failing_count=1)
    row = factories.workload(cluster, "shop", "old-app")
    factories.result(made, row)
    _rehearsed(made, "old-app")
    return made


def _rehearsed(variant: Variant, name: str) -> None:
    RehearsedWorkload.objects.create(
        rehearsal=Rehearsal.objects.get(variant=variant, namespace="shop"),
        kind="Deployment",
        name=name,
        outcome="refused",
        at=timezone.now(),
    )


def verdict(variant: Variant) -> NamespaceVerdict:
    judged = verdicts(variants=[variant], reach=EVERYTHING_SEEN, now=timezone.now())
    return judged[variant.pk, "shop"]


def outcomes(variant: Variant) -> set[GateOutcome]:
    found = verdict(variant)
    return {found.gate(gate).outcome for gate in EVIDENCE if found.asks(gate)}


def test_failing_workload_blocks(variant: Variant) -> None:
    assert outcomes(variant) == {GateOutcome.FAIL}


def test_exempted_workload_blocks_no_longer_and_is_said_to_be_exempted(variant: Variant) -> None:
    factories.in_force(variant, "shop", APP)

    found = verdict(variant)

    assert found.verdict is Verdict.READY
    sentences = [found.gate(gate).sentence for gate in EVIDENCE if found.asks(gate)]
    assert all("1 exempted." in sentence for sentence in sentences)
    # Of four, one is neither good nor bad.
    assert "3 workloads" in found.gate(GateId.POSTURE).sentence
    assert "3 workloads" in found.gate(GateId.REHEARSAL).sentence


@pytest.mark.parametrize(
    "status",
    [
        s
        for s in ExceptionStatus
        if s not in {ExceptionStatus.IN_FORCE, ExceptionStatus.DRAFT, ExceptionStatus.REQUESTED}
    ],
)
def test_only_what_is_in_force_exempts(variant: Variant, status: ExceptionStatus) -> None:
    ends = {"ending_at": timezone.now(), "ending_reason": "expired"}
    fields = ends if status in {ExceptionStatus.ENDING, ExceptionStatus.ENDED} else {}
    factories.in_force(variant, "shop", APP, status=status.value, **fields)

    assert outcomes(variant) == {GateOutcome.FAIL}


def test_exemption_of_another_workload_or_namespace_changes_nothing(variant: Variant) -> None:
    factories.in_force(variant, "shop", ("Deployment", "old-app-2"), ("StatefulSet", "old-app"))
    factories.in_force(variant, "other", APP)

    assert outcomes(variant) == {GateOutcome.FAIL}


def test_exemption_of_another_variant_changes_nothing(cluster: Cluster, variant: Variant) -> None:
    second = factories.installed(cluster, "second", target=variant.target)
    factories.in_force(second, "shop", APP)

    assert outcomes(variant) == {GateOutcome.FAIL}


def test_others_that_fail_block_still(cluster: Cluster, variant: Variant) -> None:
    factories.in_force(variant, "shop", APP)
    Rehearsal.objects.filter(variant=variant).update(refused_count=2)
    PostureTally.objects.filter(cluster=cluster, namespace="shop").update(failing_count=2)
    ResultTally.objects.filter(cluster=cluster, namespace="shop").update(failing_workload_count=2)

    found = verdict(variant)

    assert outcomes(variant) == {GateOutcome.FAIL}
    assert found.gate(GateId.POSTURE).number == 1
    assert found.gate(GateId.REHEARSAL).number == 1
    assert found.gate(GateId.POSTURE).sentence == (
        "1 workload would be refused, idle ones included. 1 exempted."
    )


def test_exempted_workload_that_is_good_by_now_takes_nothing_off_the_others(
    cluster: Cluster, variant: Variant
) -> None:
    factories.workload(cluster, "shop", "mended", findings=[])
    factories.in_force(variant, "shop", ("Deployment", "mended"))

    found = verdict(variant)

    assert outcomes(variant) == {GateOutcome.FAIL}
    assert found.gate(GateId.POSTURE).number == 1


def test_exemption_from_some_controls_helps_who_fails_only_those(cluster: Cluster) -> None:
    variant = factories.installed(cluster)
    factories.judged(variant, ["shop"], failing_count=1)
    row = factories.workload(cluster, "shop", "old-app")
    factories.result(variant, row)
    _rehearsed(variant, "old-app")
    exception = factories.in_force(variant, "shop", APP, controls=["deny-unconfined-seccomp"])
    assert outcomes(variant) == {GateOutcome.FAIL}

    exception.controls = ["require-seccomp"]
    exception.save(update_fields=["controls"])

    assert outcomes(variant) == {GateOutcome.PASS}


def test_several_exceptions_for_one_workload_count_once_until_the_latest_end(
    variant: Variant,
) -> None:
    now = timezone.now()
    factories.in_force(variant, "shop", APP, controls=["require-seccomp"])
    last = factories.in_force(
        variant,
        "shop",
        APP,
        controls=["deny-unconfined-seccomp"],
        ends_at=now + timedelta(days=60),
        approved_ends_at=now + timedelta(days=50),
    )

    exempt = exempt_workloads([variant])[variant.pk, "shop"][APP]

    assert exempt.until == last.approved_ends_at
    assert exempt.exception_id == last.id
    assert exempt.controls == {"require-seccomp", "deny-unconfined-seccomp"}
    assert "1 exempted." in verdict(variant).gate(GateId.POSTURE).sentence


def lying(variant: Variant, key: str) -> None:
    group = {"ClusterPolicy": "kyverno.io", "ValidatingPolicy": "policies.kyverno.io"}
    ObservedException.objects.create(
        cluster=variant.cluster,
        group=group[variant.target],
        namespace="kyverno",
        name=f"secprof-{key}",
        has_conditions=True,
        exception_key=key,
        changed_at=timezone.now(),
        manifest={},
    )


def read_at(variant: Variant, at: datetime) -> None:
    for kind in EXCEPTION_KINDS:
        KindSnapshot.objects.create(cluster=variant.cluster, kind=kind.full_name, completed_at=at)


def flags(variant: Variant, enabled: str) -> None:
    ObservedController.objects.create(
        cluster=variant.cluster,
        component="admission-controller",
        namespace="kyverno",
        name="kyverno-admission-controller",
        version="1.19.1",
        flags={"--enablePolicyException": enabled, "--exceptionNamespace": "*"},
    )


def test_exception_that_a_later_collection_did_not_find_exempts_nobody(variant: Variant) -> None:
    factories.in_force(variant, "shop", APP)
    read_at(variant, timezone.now())

    is_native = variant.target == "ValidatingAdmissionPolicy"
    assert outcomes(variant) == {GateOutcome.PASS if is_native else GateOutcome.FAIL}


def test_exception_that_came_into_force_since_the_last_collection_exempts(variant: Variant) -> None:
    factories.in_force(variant, "shop", APP)
    read_at(variant, timezone.now() - timedelta(days=2))

    assert outcomes(variant) == {GateOutcome.PASS}


@pytest.mark.parametrize(
    ("enabled", "outcome"), [("true", GateOutcome.PASS), ("false", GateOutcome.FAIL)]
)
def test_exception_exempts_only_while_the_engine_heeds_it(
    variant: Variant, enabled: str, outcome: GateOutcome
) -> None:
    if variant.target == "ValidatingAdmissionPolicy":
        pytest.skip("No engine stands between a native policy and its exceptions.")
    row = factories.in_force(variant, "shop", APP)
    lying(variant, row.key)
    read_at(variant, timezone.now())
    flags(variant, enabled)

    assert outcomes(variant) == {outcome}


@pytest.mark.parametrize("count", [1, 60])
def test_evidence_costs_the_same_however_many_are_exempt(
    cluster: Cluster, django_assert_num_queries: DjangoAssertNumQueries, count: int
) -> None:
    variant = factories.installed(cluster)
    factories.judged(variant, ["shop"])
    for number in range(count):
        factories.workload(cluster, "shop", f"app-{number}")
        factories.in_force(variant, "shop", ("Deployment", f"app-{number}"))

    with django_assert_num_queries(17):
        load_evidence(variants=[variant])
