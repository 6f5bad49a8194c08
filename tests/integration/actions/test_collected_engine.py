"""The engine's settings as a collection keeps them, and what follows for namespaces, policies and verdicts."""

import copy
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from policies.actions.collected_engine import NOT_FOUND
from policies.cluster.errors import Unreachable
from policies.cluster.gateway import DEPLOYMENTS, VALIDATING_WEBHOOKS, Manifest
from policies.domain.enforceability import Barrier
from policies.domain.engines import Component
from policies.domain.readiness import GateId, GateOutcome, Verdict
from policies.models import (
    CollectionRun,
    EngineState,
    KindSnapshot,
    ObservedController,
    ObservedNamespace,
    ObservedPolicy,
    Stage,
    Variant,
)
from policies.queries.cells import CellState, load_situation
from policies.queries.engine_settings import engine_settings_of
from policies.queries.probed import probed_namespaces
from policies.queries.reach import EVERYTHING_SEEN
from policies.queries.verdicts import verdicts
from sandbox.engine import CONFIGURATION, config_map
from sandbox.faults import Fault
from tests import factories
from tests.integration.actions.conftest import SandboxWorld
from tests.integration.actions.test_collected_exceptions import controller
from tests.integration.actions.watched import Hand
from tests.integration.web.test_policies import stored
from tests.unit.domain.test_effective import MIXED, cpol, rule
from tests.world import kyverno

pytestmark = pytest.mark.django_db


def settings_of(world: SandboxWorld, config: Manifest) -> None:
    """Give Kyverno this ConfigMap."""
    world.sandbox.apply_manifest(config, forced=True)


def state_of(world: SandboxWorld) -> EngineState:
    return EngineState.objects.get(cluster=world.cluster)


def barred(name: str) -> list[str]:
    return [each["barrier"] for each in ObservedNamespace.objects.get(name=name).not_enforceable]


def cell(world: SandboxWorld, variant: Variant, name: str) -> tuple[CellState, Verdict]:
    variant = Variant.objects.select_related("cluster").get(pk=variant.pk)
    judged = verdicts(variants=[variant], reach=EVERYTHING_SEEN, now=world.now())
    situation = load_situation([variant], reach=EVERYTHING_SEEN)
    found = situation.cell(variant.pk, judged[variant.pk, name], is_system=False)
    return found.state, found.verdict.verdict


def test_engine_is_noted_with_controllers_config_and_webhooks(world: SandboxWorld) -> None:
    settings_of(world, config_map(filters="[*/*,team-b,*]"))
    secret = controller(
        "reports-controller",
        ["--backgroundScanInterval=2h", "--secret=canary"],
        container="controller",
    )
    secret["status"] = {"replicas": 1, "readyReplicas": 1}
    world.sandbox.apply_manifest(secret, forced=True)
    cleanup = controller("cleanup-controller", [], container="controller")
    world.sandbox.apply_manifest(cleanup, forced=True)
    world.installed("ClusterPolicy")

    run = world.collect()

    assert run.state == CollectionRun.State.COMPLETE
    assert run.counts[VALIDATING_WEBHOOKS.full_name] == 1
    found = engine_settings_of(world.cluster)
    assert found.version == (1, 19, 1)
    assert found.config is not None
    assert "[*/*,team-b,*]" in {each.text for each in found.config.filters}
    assert found.webhooks is not None
    assert found.expects_pods
    assert any(each.asks_about_pods for each in found.webhooks)
    reports = found.of(Component.REPORTS)
    assert reports is not None
    assert (reports.flags, reports.replicas, reports.ready) == (
        {"--backgroundScanInterval": "2h"},
        1,
        1,
    )
    assert found.of(Component.CLEANUP) is not None
    assert "canary" not in str(list(ObservedController.objects.values_list("flags", flat=True)))
    state = state_of(world)
    assert (state.namespace, state.config_name) == ("kyverno", "kyverno")
    assert (state.config_failure, state.webhooks_failure) == ("", "")
    assert state.config_read_at == state.webhooks_read_at == run.started_at
    assert "defaultRegistry" not in (state.config or {})


def test_config_map_of_another_name_is_asked_for_by_that_name(world: SandboxWorld) -> None:
    config = config_map(filters="[*/*,team-b,*]")
    config["metadata"]["name"] = "policies-config"
    manifest = kyverno()
    (container,) = manifest["spec"]["template"]["spec"]["containers"]
    container["env"] = [{"name": "INIT_CONFIG", "value": "policies-config"}]
    world.sandbox.apply_manifest(manifest, forced=True)
    world.sandbox.apply_manifest(config, forced=True)

    world.collect()

    assert state_of(world).config_name == "policies-config"
    assert barred("team-b") == [Barrier.FILTER]


@pytest.mark.parametrize("target", ["ClusterPolicy", "ValidatingPolicy"])
def test_namespace_that_kyverno_leaves_out_is_not_enforceable(
    world: SandboxWorld, target: str
) -> None:
    settings_of(world, config_map(filters="[*/*,team-b,*]"))
    variant = world.installed(target)

    run = world.collect()

    assert barred("team-a") == []
    assert barred("team-b") == [Barrier.FILTER]
    since = ObservedNamespace.objects.get(name="team-b").not_enforceable_since
    assert since is not None
    assert since <= run.started_at
    state, verdict = cell(world, variant, "team-b")
    assert (state, verdict is Verdict.READY) == (CellState.NOT_ENFORCEABLE, False)
    found = verdicts(
        variants=[Variant.objects.select_related("cluster").get(pk=variant.pk)],
        reach=EVERYTHING_SEEN,
        now=world.now(),
    )
    gate = found[variant.pk, "team-b"].gate(GateId.POLICY)
    assert gate.outcome is GateOutcome.FAIL
    assert "[*/*,team-b,*]" in gate.sentence
    assert "has no effect" in gate.sentence
    assert cell(world, variant, "team-a")[0] is not CellState.NOT_ENFORCEABLE
    assert "team-b" not in probed_namespaces(variant).values_list("name", flat=True)


def test_native_policy_judges_where_kyverno_does_not(world: SandboxWorld) -> None:
    settings_of(world, config_map(filters="[*/*,team-b,*]"))
    variant = world.installed("ValidatingAdmissionPolicy")

    world.collect()

    assert barred("team-b") == [Barrier.FILTER]
    assert cell(world, variant, "team-b")[0] is not CellState.NOT_ENFORCEABLE
    assert "team-b" in probed_namespaces(variant).values_list("name", flat=True)


def test_namespace_is_enforceable_again_when_the_settings_let_it_be(world: SandboxWorld) -> None:
    settings_of(world, config_map(left_out=["team-b"]))
    world.collect()
    assert barred("team-b") == [Barrier.SELECTOR]
    first = ObservedNamespace.objects.get(name="team-b").not_enforceable_since

    world.late = timedelta(minutes=1)
    world.collect()
    assert ObservedNamespace.objects.get(name="team-b").not_enforceable_since == first

    world.sandbox.apply_manifest(config_map(), forced=True)
    world.collect()
    row = ObservedNamespace.objects.get(name="team-b")
    assert (row.not_enforceable, row.not_enforceable_since) == ([], None)


def test_proof_that_is_older_than_the_obstacle_does_not_hold_any_more(world: SandboxWorld) -> None:
    settings_of(world, config_map())
    variant = world.installed("ClusterPolicy")
    world.collect()
    factories.enforced(variant, "team-b")
    Stage.objects.update(proven_at=timezone.now())
    world.sandbox.apply_manifest(config_map(filters="[*/*,team-b,*]"), forced=True)
    world.late = timedelta(minutes=1)

    world.collect()

    assert cell(world, variant, "team-b")[0] is CellState.LOST


def test_config_that_may_not_be_read_is_unknown_and_says_which_right_lacks(
    world: SandboxWorld,
) -> None:
    settings_of(world, config_map(filters="[*/*,team-b,*]"))
    world.sandbox.set_fault(Fault.FORBIDDEN, target="configmaps")
    EngineState.objects.all().delete()

    run = world.collect()

    state = state_of(world)
    assert run.state == CollectionRun.State.COMPLETE
    assert state.config is None
    assert "configmaps" in state.config_failure
    assert barred("team-b") == []


def test_settings_that_cannot_be_read_any_more_stay_as_they_were(world: SandboxWorld) -> None:
    settings_of(world, config_map(filters="[*/*,team-b,*]"))
    world.installed("ClusterPolicy")
    before = world.collect()
    world.sandbox.set_fault(Fault.FORBIDDEN, target="configmaps")
    world.sandbox.set_fault(Fault.FORBIDDEN, target="validatingwebhookconfigurations")
    world.late = timedelta(minutes=1)

    world.collect()

    state = state_of(world)
    assert state.config_read_at == state.webhooks_read_at == before.started_at
    assert state.config
    assert state.webhooks
    assert "validatingwebhookconfigurations" in state.webhooks_failure
    assert barred("team-b") == [Barrier.FILTER]
    snapshot = KindSnapshot.objects.get(kind=VALIDATING_WEBHOOKS.full_name)
    assert snapshot.failure


def test_cluster_without_a_config_map_passes_nothing_over(world: SandboxWorld) -> None:
    world.collect()

    assert state_of(world).config == {}
    assert barred("kyverno") == [Barrier.ENGINE]
    assert barred("team-a") == []


def test_cluster_without_kyverno_says_so(world: SandboxWorld) -> None:
    world.sandbox.delete(DEPLOYMENTS, "kyverno-admission-controller", namespace="kyverno")

    world.collect()

    state = state_of(world)
    assert (state.config, state.config_failure) == (None, NOT_FOUND)
    assert engine_settings_of(world.cluster).controllers == ()


def test_engine_that_cannot_be_looked_for_is_where_it_was(world: SandboxWorld) -> None:
    settings_of(world, config_map())
    world.collect()
    world.sandbox.set_fault(Fault.FORBIDDEN, target="deployments")
    world.sandbox.apply_manifest(config_map(filters="[*/*,team-b,*]"), forced=True)

    world.collect()

    assert state_of(world).namespace == "kyverno"
    assert barred("team-b") == [Barrier.FILTER]


def test_webhooks_that_somebody_deleted_bar_every_namespace(world: SandboxWorld) -> None:
    settings_of(world, config_map())
    world.installed("ClusterPolicy")
    world.collect()
    assert barred("team-a") == []
    # While the engine is down nobody writes its webhooks again.
    world.sandbox.set_fault(Fault.ENGINE_DOWN)
    world.sandbox.delete(VALIDATING_WEBHOOKS, CONFIGURATION)

    world.collect()

    assert barred("team-a") == [Barrier.NO_WEBHOOK]


def test_connection_that_breaks_at_the_webhooks_leaves_the_run_partial(world: SandboxWorld) -> None:
    settings_of(world, config_map())
    world.installed("ClusterPolicy")
    world.collect()
    world.sandbox.set_fault(Fault.BROKEN_PAGE, target="validatingwebhookconfigurations", amount=1)

    run = world.collect()

    assert run.state == CollectionRun.State.PARTIAL
    assert state_of(world).webhooks


def test_connection_that_breaks_at_the_config_map_asks_for_no_webhooks(
    world: SandboxWorld, hand: Hand
) -> None:
    settings_of(world, config_map())
    world.collect()
    before = state_of(world).webhooks_read_at

    def cut(call: str, what: str) -> None:
        if (call, what) == ("get", "kyverno"):
            raise Unreachable("The connection was cut.")

    hand.before = cut
    run = world.collect()

    state = state_of(world)
    assert run.state == CollectionRun.State.PARTIAL
    assert state.config_failure == state.webhooks_failure == "The connection was cut."
    assert state.webhooks_read_at == before


def test_connection_that_broke_before_leaves_everything_as_it_was(world: SandboxWorld) -> None:
    settings_of(world, config_map())
    world.collect()
    before = state_of(world).config_read_at
    world.sandbox.set_fault(Fault.BROKEN_PAGE, target="policyreports", amount=1)

    world.collect()

    assert state_of(world).config_read_at == before
    assert state_of(world).config_failure == ""


def foreign(world: SandboxWorld, name: str, manifest: dict[str, Any]) -> None:
    row = stored(world.cluster, name, copy.deepcopy(manifest))
    row.save()


def test_policies_of_others_are_marked_inconsistent_where_they_are(
    world: SandboxWorld,
) -> None:
    settings_of(world, config_map())
    # The sandbox runs none of others: the picture has them from elsewhere.
    world.sandbox.set_fault(Fault.FORBIDDEN, target="clusterpolicies")
    override = copy.deepcopy(MIXED)
    override["spec"]["validationFailureActionOverrides"][0]["namespaces"] = ["team-a"]
    foreign(world, "two-ways", override)
    foreign(world, "plain", cpol(rule(failureAction="Audit")))

    world.collect()

    found = dict(ObservedPolicy.objects.values_list("name", "is_inconsistent"))
    assert (found["two-ways"], found["plain"]) == (True, False)

    world.sandbox.apply_manifest(config_map(filters="[*/*,team-a,*]"), forced=True)
    world.collect()
    assert not ObservedPolicy.objects.get(name="two-ways").is_inconsistent
