"""Policies as a collection keeps them: in the version that is served, or as they were."""

import pytest

from policies.cluster.errors import NotFound
from policies.cluster.gateway import VALIDATING_POLICIES
from policies.domain.readiness import Verdict
from policies.models import (
    CollectionRun,
    KindSnapshot,
    ObservedNamespace,
    ObservedPolicy,
)
from sandbox.faults import Fault
from tests.integration.actions.conftest import SandboxWorld
from tests.integration.actions.watched import Hand

pytestmark = pytest.mark.django_db

State = CollectionRun.State


def test_validating_policies_are_read_in_an_older_version(world: SandboxWorld, hand: Hand) -> None:
    world.installed("ValidatingPolicy")

    def before(_call: str, what: str) -> None:
        if what == f"validatingpolicies/{VALIDATING_POLICIES.version}":
            raise NotFound("no such version")

    hand.before = before

    run = world.collect()

    assert run.state == State.COMPLETE
    assert run.counts["validatingpolicies.policies.kyverno.io"] == 1
    assert KindSnapshot.objects.get(kind="validatingpolicies.policies.kyverno.io").served
    assert ObservedPolicy.objects.filter(kind="ValidatingPolicy").exists()


def test_kind_that_is_not_served_is_said_so_and_leaves_verdicts_unknown(
    world: SandboxWorld, hand: Hand
) -> None:
    variant = world.installed("ValidatingPolicy")

    def before(_call: str, what: str) -> None:
        if what.startswith("validatingpolicies/"):
            raise NotFound("not served")

    hand.before = before

    assert world.collect().state == State.COMPLETE

    assert not KindSnapshot.objects.get(kind="validatingpolicies.policies.kyverno.io").served
    verdict = world.verdict(variant, "team-a")
    assert verdict.verdict is Verdict.UNKNOWN
    assert "validatingpolicies" in verdict.reason


def test_policies_that_cannot_be_read_stay_as_they_were(world: SandboxWorld) -> None:
    world.installed("ClusterPolicy")
    world.sandbox.set_fault(Fault.FORBIDDEN, target="clusterpolicies")
    world.sandbox.set_fault(Fault.FORBIDDEN, target="namespaces")

    assert world.collect().state == State.PARTIAL

    assert ObservedPolicy.objects.filter(kind="ClusterPolicy").count() == 1
    assert ObservedNamespace.objects.count() == 3
