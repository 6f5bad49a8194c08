"""The review: container, field and patch, the three opinions beside each other, and why they differ."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from policies.models import (
    ObservedWorkload,
    Rehearsal,
    RehearsedWorkload,
    Variant,
    VariantRevision,
)
from tests import factories
from tests.integration.web.conftest import HTMX, SandboxWorld
from tests.world import BAD, deployment

pytestmark = pytest.mark.django_db


@pytest.fixture
def variant() -> Variant:
    cluster = factories.cluster()
    factories.namespaces(cluster, ["batch"])
    made = factories.installed(cluster)
    factories.judged(made, ["batch"], failing_count=1)
    return made


@pytest.fixture
def exports(variant: Variant) -> ObservedWorkload:
    return factories.workload(variant.cluster, "batch", "exports", helm_release="exports")


@pytest.fixture
def page(browser: Callable[[str], Client], variant: Variant) -> Callable[[], str]:
    return lambda: browser("operator").get(f"/reviews/{variant.pk}/batch/").text


def test_review_names_container_field_and_patch(
    page: Callable[[], str], exports: ObservedWorkload
) -> None:
    text = page()

    assert "spec.template.spec.containers[0].securityContext.seccompProfile.type" in text
    assert "kubectl -n batch patch deployment/exports --type strategic" in text
    assert "Helm release exports writes this workload" in text


def test_review_bare_pod_gets_no_kubectl_command(page: Callable[[], str], variant: Variant) -> None:
    factories.workload(variant.cluster, "batch", "lonely", kind="Pod", top_kind="Pod")

    text = page()

    assert "kubectl -n" not in text
    assert "A running pod cannot be changed" in text


def test_review_two_controls_on_one_field_are_one_row_and_one_patch(
    page: Callable[[], str], variant: Variant
) -> None:
    row = factories.workload(variant.cluster, "batch", "exports")
    second = {**row.findings[0], "control": "deny-unconfined-seccomp"}
    row.findings = [*row.findings, second]
    row.patches = {**row.patches, "deny-unconfined-seccomp": row.patches["require-seccomp"]}
    row.save()

    text = page()

    assert "require-seccomp, deny-unconfined-seccomp" in text
    assert text.count("kind: Deployment") == 2  # the patch, and the same in the kubectl command


def test_review_all_agree_says_nothing_of_differences(
    page: Callable[[], str], variant: Variant, exports: ObservedWorkload
) -> None:
    factories.result(variant, exports)

    assert "Why they differ" not in page()


def test_review_posture_alone_says_why_reports_may_lag(
    page: Callable[[], str], exports: ObservedWorkload
) -> None:
    text = page()

    assert "Why they differ" in text
    assert "No failing result yet for Deployment exports" in text


def test_review_rehearsal_against_posture_says_so(
    page: Callable[[], str], variant: Variant, exports: ObservedWorkload
) -> None:
    factories.result(variant, exports)
    RehearsedWorkload.objects.create(
        rehearsal=Rehearsal.objects.get(),
        kind="Deployment",
        name="exports",
        outcome="admitted",
        at=timezone.now(),
    )

    assert "The engine admitted Deployment exports" in page()


def test_review_passing_workloads_are_folded(page: Callable[[], str], variant: Variant) -> None:
    factories.workload(variant.cluster, "batch", "fine", findings=[], patches={})

    text = page()

    assert "without a finding" in text
    assert "No workload here speaks against" in text


def test_review_control_that_the_variant_does_not_ask_for_is_left_out(
    page: Callable[[], str], variant: Variant, exports: ObservedWorkload
) -> None:
    VariantRevision.objects.update(parameters={"controls": ["deny-unconfined-seccomp"]})

    assert "No workload here speaks against" in page()


def test_review_rehearsal_under_way_polls_until_it_ends(
    page: Callable[[], str], variant: Variant
) -> None:
    running = Rehearsal.objects.create(
        variant=variant,
        namespace="batch",
        state=Rehearsal.State.RUNNING,
        requested_by="operator",
        started_at=timezone.now(),
    )
    assert "every 2s" in page()

    Rehearsal.objects.filter(pk=running.pk).update(
        state="failed", finished_at=timezone.now() + timedelta(seconds=1), message="No answer."
    )

    text = page()
    assert "every 2s" not in text
    assert "No answer." in text


@pytest.mark.parametrize("count", [3, 300])
def test_review_costs_the_same_whatever_the_size(
    browser: Callable[[str], Client],
    variant: Variant,
    django_assert_num_queries: DjangoAssertNumQueries,
    count: int,
) -> None:
    for number in range(count):
        factories.result(variant, factories.workload(variant.cluster, "batch", f"exports-{number}"))
    client = browser("operator")

    with django_assert_num_queries(32):
        client.get(f"/reviews/{variant.pk}/batch/")


def test_rehearse_button_queues_one_and_the_result_stands_on_the_page(
    world: SandboxWorld, hands: Callable[[str], Client]
) -> None:
    world.sandbox.apply_manifest(deployment("team-b", "careless", BAD))
    variant = world.installed("ClusterPolicy")
    client = hands("operator")

    response = client.post(f"/reviews/{variant.pk}/team-b/rehearse/", headers=HTMX)

    assert "The rehearsal in team-b has begun." in response.text
    world.rehearse(variant, "team-b")
    assert Rehearsal.objects.filter(state="running").count() == 1
    text = client.get(f"/reviews/{variant.pk}/team-b/").text
    assert "Would be refused" in text
    assert "careless" in text


def test_rehearse_viewer_is_refused(browser: Callable[[str], Client], variant: Variant) -> None:
    response = browser("viewer").post(f"/reviews/{variant.pk}/batch/rehearse/")

    assert response.status_code == 403


def test_review_of_a_native_policy_has_no_count_of_reports(
    browser: Callable[[str], Client],
) -> None:
    on = factories.cluster()
    factories.namespaces(on, ["batch"])
    native = factories.installed(on, target="ValidatingAdmissionPolicy")
    factories.judged(native, ["batch"], failing_count=1)

    text = browser("operator").get(f"/reviews/{native.pk}/batch/").content.decode()

    assert "Rehearsal" in text
    assert "No report of this policy here yet" not in text
