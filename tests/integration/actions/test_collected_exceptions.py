"""Exceptions as a collection keeps them, with the engine's settings, who is skipped, and which are needed still."""

from datetime import timedelta
from typing import Any

import pytest

from policies.cluster.errors import NotFound
from policies.cluster.gateway import CEL_EXCEPTIONS, DEPLOYMENTS, KYVERNO_EXCEPTIONS, Manifest
from policies.domain.engines import Component
from policies.domain.exceptions import ExceptionKind, compile_exception, exception_support
from policies.domain.exemptions import Exemption, WorkloadName
from policies.domain.lifecycle import ExceptionStatus
from policies.domain.objects import WorkloadKind
from policies.models import (
    CollectionRun,
    ExceptionNeed,
    ExceptionRequest,
    KindSnapshot,
    ObservedController,
    ObservedException,
    ObservedResult,
    Variant,
)
from policies.queries.engine_settings import controllers_of
from policies.queries.observed_exceptions import (
    found_exceptions,
    last_needed,
    last_needed_by_workload,
    skipped_by_exceptions,
    still_skipped,
)
from policies.queries.specs import spec_of
from sandbox.faults import Fault
from tests import factories
from tests.integration.actions.conftest import SandboxWorld
from tests.integration.actions.watched import Hand
from tests.world import BAD, deployment

pytestmark = pytest.mark.django_db

KEY = "0123456789ab"
VERSIONS = {"ClusterPolicy": "kyverno.io/v2", "ValidatingPolicy": "policies.kyverno.io/v1"}
ON = ["--enablePolicyException=true", "--exceptionNamespace=kyverno", "--secret=canary"]
RESOURCES = {"ClusterPolicy": KYVERNO_EXCEPTIONS, "ValidatingPolicy": CEL_EXCEPTIONS}


def controller(name: str, args: Any, *, container: str = "kyverno") -> Manifest:
    image = f"reg.kyverno.io/kyverno/{name}:v1.19.1"
    manifest = deployment("kyverno", f"kyverno-{name}", {"name": container, "image": image})
    manifest["metadata"]["labels"] = {"app.kubernetes.io/component": name}
    manifest["spec"]["template"]["spec"]["containers"][0]["args"] = args
    return manifest


def switch_on(world: SandboxWorld, args: Any = ON) -> None:
    world.sandbox.apply_manifest(controller("admission-controller", args))
    reports = controller("reports-controller", args, container="controller")
    world.sandbox.apply_manifest(reports)


def compiled(variant: Variant, *names: str, key: str = KEY) -> Manifest:
    exemption = Exemption(
        key=key,
        namespace="team-a",
        workloads=tuple(WorkloadName(WorkloadKind.DEPLOYMENT, name) for name in sorted(names)),
        controls=spec_of(variant).controls,
        ends_at=factories.timezone.now() + timedelta(days=3),
        approved_by="carol",
        reason="because",
    )
    return compile_exception(
        spec_of(variant),
        exemption,
        api_version=VERSIONS[variant.target],
        namespace="kyverno",
        kyverno=(1, 19, 1),
    ).manifest


def test_exceptions_are_stored_as_they_lie_there(world: SandboxWorld, kyverno_target: str) -> None:
    variant = world.installed(kyverno_target)
    world.sandbox.apply_manifest(compiled(variant, "old-app"))

    run = world.collect()

    assert run.state == CollectionRun.State.COMPLETE
    row = ObservedException.objects.get()
    resource = RESOURCES[kyverno_target]
    assert (row.group, row.namespace, row.name) == (resource.group, "kyverno", f"secprof-{KEY}")
    assert (row.exception_key, row.variant_name) == (KEY, "require-seccomp")
    assert row.reaches == ["team-a"]
    assert row.has_conditions
    assert {"require-seccomp", "require-seccomp-enforce"} < set(row.policies)
    assert (row.expires_at is not None) is (kyverno_target == "ValidatingPolicy")
    assert KindSnapshot.objects.get(kind=resource.full_name).object_count == 1
    assert run.counts[resource.full_name] == 1


def test_exception_keeps_the_time_of_its_last_change(world: SandboxWorld) -> None:
    variant = world.installed("ClusterPolicy")
    world.sandbox.apply_manifest(compiled(variant, "one"))
    world.collect()
    first = ObservedException.objects.get().changed_at

    world.late = timedelta(minutes=1)
    same = world.sandbox.get(KYVERNO_EXCEPTIONS, f"secprof-{KEY}", namespace="kyverno")
    world.sandbox.replace({**same, "metadata": {**same["metadata"], "annotations": {"a": "b"}}})
    world.collect()

    row = ObservedException.objects.get()
    assert row.changed_at == first
    assert row.manifest["metadata"]["annotations"] == {"a": "b"}

    world.sandbox.apply_manifest(compiled(variant, "one", "two"))
    world.collect()
    assert ObservedException.objects.get().changed_at > first


def test_exception_that_is_gone_has_no_row(world: SandboxWorld) -> None:
    world.sandbox.apply_manifest(compiled(world.installed("ClusterPolicy"), "one"))
    world.collect()

    world.sandbox.delete(KYVERNO_EXCEPTIONS, f"secprof-{KEY}", namespace="kyverno")
    world.collect()

    assert not ObservedException.objects.exists()


def test_exceptions_that_may_not_be_read_stay_and_leave_verdicts_alone(world: SandboxWorld) -> None:
    variant = world.installed("ClusterPolicy")
    world.sandbox.apply_manifest(compiled(variant, "one"))
    world.collect()
    before = world.verdict(variant, "team-b").verdict

    world.sandbox.set_fault(Fault.FORBIDDEN, target="policyexceptions")
    run = world.collect()

    assert run.state == CollectionRun.State.PARTIAL
    assert ObservedException.objects.count() == 1
    assert KindSnapshot.objects.get(kind=KYVERNO_EXCEPTIONS.full_name).failure
    assert world.verdict(variant, "team-b").verdict == before


def test_cluster_without_exceptions_is_fine(world: SandboxWorld, hand: Hand) -> None:
    def before(_call: str, what: str) -> None:
        if what.startswith("policyexceptions/"):
            raise NotFound("not served")

    hand.before = before

    run = world.collect()

    assert run.state == CollectionRun.State.COMPLETE
    assert not KindSnapshot.objects.get(kind=CEL_EXCEPTIONS.full_name).served
    assert not KindSnapshot.objects.get(kind=KYVERNO_EXCEPTIONS.full_name).served


def test_exceptions_are_read_in_an_older_version(world: SandboxWorld, hand: Hand) -> None:
    world.sandbox.apply_manifest(compiled(world.installed("ValidatingPolicy"), "one"))

    def before(_call: str, what: str) -> None:
        if what == "policyexceptions/v1":
            raise NotFound("no such version")

    hand.before = before

    assert world.collect().state == CollectionRun.State.COMPLETE
    row = ObservedException.objects.get()
    assert row.manifest["apiVersion"] == "policies.kyverno.io/v1beta1"
    assert KindSnapshot.objects.get(kind=CEL_EXCEPTIONS.full_name).served


# The engine's settings


def test_settings_of_controllers_are_kept_without_other_flags(world: SandboxWorld) -> None:
    switch_on(world)

    world.collect()

    assert not ObservedController.objects.filter(flags__icontains="canary").exists()
    controllers = controllers_of(world.cluster)
    assert [each.component for each in controllers] == [Component.ADMISSION, Component.REPORTS]
    assert controllers[0].version == (1, 19, 1)
    support = exception_support(controllers, ExceptionKind.KYVERNO, "kyverno")
    assert (support.honoured, support.in_reports) == (True, True)


def test_settings_that_cannot_be_read_are_unknown(world: SandboxWorld) -> None:
    switch_on(world, ["--enablePolicyException", "true"])

    world.collect()

    assert {row.flags for row in ObservedController.objects.all()} == {None}
    support = exception_support(controllers_of(world.cluster), ExceptionKind.CEL, "kyverno")
    assert support.honoured is None


def test_settings_of_look_alikes_elsewhere_are_not_taken(world: SandboxWorld) -> None:
    other = controller("reports-controller", ON, container="controller")
    other["metadata"]["namespace"] = "team-a"
    world.sandbox.apply_manifest(other)

    world.collect()

    assert not ObservedController.objects.filter(namespace="team-a").exists()


def test_settings_stay_while_deployments_cannot_be_read(world: SandboxWorld) -> None:
    switch_on(world)
    world.collect()

    world.sandbox.set_fault(Fault.FORBIDDEN, target=DEPLOYMENTS.plural)
    world.collect()

    assert ObservedController.objects.count() == 2


# Who is skipped


def test_results_name_the_exception_that_skipped(world: SandboxWorld, kyverno_target: str) -> None:
    switch_on(world)
    variant = world.installed(kyverno_target)
    world.sandbox.apply_manifest(deployment("team-a", "old-app", BAD))
    world.sandbox.apply_manifest(compiled(variant, "old-app"))

    world.collect()

    skips = ObservedResult.objects.filter(name="old-app", policy=variant.name)
    assert {row.outcome for row in skips} == {"skip"}
    assert all(row.exceptions == [f"secprof-{KEY}"] for row in skips)
    skipped = skipped_by_exceptions([world.cluster.pk])[world.cluster.pk, f"secprof-{KEY}"]
    assert [(each.namespace, each.kind, each.name) for each in skipped] == [
        ("team-a", "Deployment", "old-app")
    ]
    assert set(still_skipped([world.cluster.pk], [KEY, "f" * 12])) == {KEY}


def test_results_say_fail_where_only_reports_are_switched_off(world: SandboxWorld) -> None:
    switch_on(world)
    off = controller("reports-controller", [], container="controller")
    world.sandbox.apply_manifest(off)
    variant = world.installed("ClusterPolicy")
    world.sandbox.apply_manifest(compiled(variant, "old-app"))
    answer = world.sandbox.apply_manifest(deployment("team-a", "old-app", BAD))

    world.collect()

    assert not [text for text in answer.warnings if variant.name in text]
    assert ObservedResult.objects.filter(name="old-app", outcome="fail").exists()
    assert skipped_by_exceptions([world.cluster.pk]) == {}


def test_inert_exception_changes_nothing_and_draws_a_warning(
    world: SandboxWorld, kyverno_target: str
) -> None:
    variant = world.installed(kyverno_target)  # the engine's flags are at their defaults

    answer = world.sandbox.apply_manifest(compiled(variant, "old-app"))
    refused = world.sandbox.apply_manifest(deployment("team-a", "old-app", BAD))

    assert "PolicyException resources would not be processed until it is enabled." in (
        answer.warnings
    )
    assert [text for text in refused.warnings if variant.name in text]


@pytest.mark.parametrize(
    ("namespace", "warning"),
    [
        (None, "The exceptionNamespace flag is not set"),
        ("other", "PolicyException resource namespace must match the defined namespace."),
        ("kyverno", None),
        ("*", None),
    ],
)
def test_exception_in_a_namespace_that_does_not_count_draws_a_warning(
    world: SandboxWorld, namespace: str | None, warning: str | None
) -> None:
    args = ["--enablePolicyException=true"]
    switch_on(world, args + ([f"--exceptionNamespace={namespace}"] if namespace else []))
    variant = world.installed("ClusterPolicy")

    answer = world.sandbox.apply_manifest(compiled(variant, "old-app"))
    tried = world.sandbox.apply_manifest(deployment("team-a", "old-app", BAD))

    said = [text for text in answer.warnings if "deprecated" not in text]
    assert said == ([warning] if warning else [])
    assert bool([text for text in tried.warnings if variant.name in text]) is bool(warning)


# What is needed still


def exempted(variant: Variant, *names: str, **fields: Any) -> ExceptionRequest:
    return factories.in_force(
        variant, "team-a", *(("Deployment", name) for name in names), **fields
    )


def test_need_is_noted_while_the_workload_fails(world: SandboxWorld, target: str) -> None:
    variant = world.installed(target)
    world.sandbox.apply_manifest(deployment("team-a", "old-app", BAD), forced=True)
    row = exempted(variant, "old-app", "good", "gone")

    first = world.collect()

    assert last_needed([row.key]) == {row.key: first.started_at}
    assert last_needed_by_workload(row.key) == {("Deployment", "old-app"): first.started_at}

    world.late = timedelta(minutes=2)
    second = world.collect()
    assert last_needed([row.key]) == {row.key: second.started_at}


def test_need_keeps_its_time_when_the_workload_is_mended(world: SandboxWorld) -> None:
    variant = world.installed("ClusterPolicy")
    world.sandbox.apply_manifest(deployment("team-a", "old-app", BAD), forced=True)
    row = exempted(variant, "old-app")
    first = world.collect()

    mended = {**BAD, "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}}}
    world.sandbox.apply_manifest(deployment("team-a", "old-app", mended), forced=True)
    world.late = timedelta(minutes=2)
    world.collect()

    assert last_needed([row.key]) == {row.key: first.started_at}


def test_need_of_what_is_not_in_force_is_not_noted(world: SandboxWorld) -> None:
    variant = world.installed("ClusterPolicy")
    world.sandbox.apply_manifest(deployment("team-a", "old-app", BAD), forced=True)
    exempted(
        variant,
        "old-app",
        status=ExceptionStatus.ENDING.value,
        ending_at=world.now(),
        ending_reason="expired",
    )

    world.collect()

    assert not ExceptionNeed.objects.exists()


def test_need_is_not_noted_from_a_collection_that_broke_off(world: SandboxWorld) -> None:
    variant = world.installed("ClusterPolicy")
    world.sandbox.apply_manifest(deployment("team-a", "old-app", BAD), forced=True)
    world.collect()
    row = exempted(variant, "old-app")
    world.sandbox.set_fault(Fault.FORBIDDEN, target="pods")

    world.collect()

    assert last_needed([row.key]) == {}


# What is odd about them


def test_found_exceptions_say_what_is_odd(world: SandboxWorld) -> None:
    switch_on(world)
    variant = world.installed("ClusterPolicy")
    world.sandbox.apply_manifest(compiled(variant, "old-app"))
    for name, spec in (
        ("everything", {"match": {"any": [{"resources": {"kinds": ["Pod"]}}]}}),
        (
            "one-team",
            {"match": {"any": [{"resources": {"kinds": ["Pod"], "namespaces": ["team-b"]}}]}},
        ),
    ):
        rules = [{"policyName": variant.name, "ruleNames": ["*"]}]
        world.sandbox.apply_manifest(
            {
                "apiVersion": "kyverno.io/v2",
                "kind": "PolicyException",
                "metadata": {"name": name, "namespace": "team-b"},
                "spec": {**spec, "exceptions": rules},
            }
        )
    world.sandbox.apply_manifest(
        {
            "apiVersion": "policies.kyverno.io/v1",
            "kind": "PolicyException",
            "metadata": {"name": "over", "namespace": "kyverno"},
            "spec": {
                "policyRefs": [{"kind": "ValidatingPolicy", "name": "somebody-elses"}],
                "matchConditions": [
                    {"name": "here", "expression": "request.namespace == 'team-b'"}
                ],
                "expiresAt": "2020-01-01T00:00:00Z",
            },
        }
    )
    world.collect()

    found = {e.name: e for e in found_exceptions([world.cluster.pk], now=world.now())}

    everything, one_team, over, ours = (
        found[name] for name in ("everything", "one-team", "over", f"secprof-{KEY}")
    )
    assert (everything.exempts_everything, everything.reaches) == (True, None)
    assert (one_team.exempts_everything, one_team.reaches) == (False, ("team-b",))
    assert everything.is_elsewhere
    assert not everything.is_ours
    assert everything.about_ours == (variant.name,)
    assert (over.is_elsewhere, over.is_expired, over.about_ours) == (False, True, ())
    assert (ours.is_ours, ours.is_elsewhere, ours.exempts_everything) == (True, False, False)
    assert ours.manifest == {}
    whole = found_exceptions([world.cluster.pk], now=world.now(), with_manifests=True)
    assert all(each.manifest["metadata"]["name"] == each.name for each in whole)
