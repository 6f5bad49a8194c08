"""Exceptions that are not honoured, not proven, stale or impossible; and previews, which write nothing."""

import secrets
from datetime import timedelta
from typing import cast

import pytest
from pytest_django import Settings

from policies.actions import (
    exception_ends,
    exception_previews,
    exception_rollouts,
    exceptions,
)
from policies.actions.errors import Refused
from policies.actions.exception_support import find_home
from policies.cluster.gateway import CLUSTER_POLICIES, Gateway, Resource
from policies.domain.authority import SYSTEM, NotAllowed
from policies.domain.exceptions import ExceptionKind, exempt_pods
from policies.domain.exemptions import WorkloadName
from policies.domain.lifecycle import ExceptionStatus, FlipVerb, RolloutStatus, WrongState
from policies.domain.objects import WorkloadKind
from policies.domain.parameters import Parameters
from policies.models import AuditEvent, DesiredRevision, ExceptionRequest
from policies.queries.exemption_rows import exemption_of
from policies.queries.specs import spec_of
from sandbox.faults import Fault
from tests.integration.actions.conftest import SandboxWorld
from tests.integration.actions.excepting import (
    FTP,
    MAIL,
    approved,
    asked,
    carry,
    enforced,
    expire,
    heed,
    in_force,
    last_flip,
    owner_of,
    trail,
    wish,
)
from tests.world import BAD, C1_C2

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _heeding(world: SandboxWorld) -> None:
    heed(world)


def unreadable_flags(world: SandboxWorld) -> None:
    """Flags that say nothing for sure, of an engine that heeds no exception."""
    heed(world, "--enablePolicyException=true", "--exceptionNamespace=$(NAMESPACE)")


def test_approval_is_refused_where_the_engine_would_not_honour_it(
    world: SandboxWorld, kyverno_target: str
) -> None:
    variant = enforced(world, kyverno_target)
    row = asked(world, variant)
    heed(world, "--enablePolicyException=false")

    preview = exception_previews.preview_exception(
        exception_id=row.pk, by=world.people.viewer, now=world.now()
    )
    assert preview.honoured is False
    with pytest.raises(Refused, match="Set --enablePolicyException=true in the Deployment") as said:
        approved(world, row)

    assert said.value.message == preview.support
    row.refresh_from_db()
    assert (row.status, row.decided_by, row.flips.count()) == (ExceptionStatus.REQUESTED, None, 0)


def test_exception_that_the_engine_passes_over_is_not_in_force(
    world: SandboxWorld, kyverno_target: str
) -> None:
    variant = enforced(world, kyverno_target)
    row = asked(world, variant)
    unreadable_flags(world)

    row = approved(world, row)
    approval = AuditEvent.objects.get(verb="exception.approved", exception_id=str(row.pk))
    assert "is not known" in approval.details["support"]
    assert carry(world, row) is RolloutStatus.FAILED

    assert (row.status, row.in_force_at) == (ExceptionStatus.FAILED, None)
    assert row.closing_message.startswith(
        "Not proven in team-a within 2 s: the pod of Deployment ftp was refused."
    )
    assert exception_rollouts.due_exceptions(now=world.now() + timedelta(days=1)) == ()
    failed = AuditEvent.objects.get(verb="exception.failed", exception_id=str(row.pk))
    assert (failed.outcome, failed.message) == ("failed", row.closing_message)


def test_what_has_failed_is_tried_again_or_cleaned_up(
    world: SandboxWorld, kyverno_target: str
) -> None:
    variant = enforced(world, kyverno_target)
    unreadable_flags(world)
    rows = [approved(world, asked(world, variant, each)) for each in (FTP,)]
    assert carry(world, rows[0]) is RolloutStatus.FAILED
    other = approved(world, asked(world, variant, MAIL))
    assert carry(world, other) is RolloutStatus.FAILED
    heed(world)

    row = exceptions.try_again(exception_id=rows[0].pk, by=world.people.operator, now=world.now())
    assert carry(world, row) is RolloutStatus.PROVEN
    assert (row.status, row.closing_message) == (ExceptionStatus.IN_FORCE, "")

    exception_ends.end(
        exception_id=other.pk,
        ending="not needed",
        reason="another way",
        override_reason="it was never exempt",
        by=world.people.admin,
        now=world.now(),
    )
    assert carry(world, other) is RolloutStatus.PROVEN
    assert other.status == ExceptionStatus.ENDED
    assert other.in_force_at is None


def test_try_again_takes_what_has_failed_and_the_right_people(world: SandboxWorld) -> None:
    variant = world.installed("ClusterPolicy")
    row = in_force(world, variant)

    with pytest.raises(WrongState):
        exceptions.try_again(exception_id=row.pk, by=world.people.operator, now=world.now())
    ExceptionRequest.objects.filter(pk=row.pk).update(status="failed")
    for by in (world.people.viewer, world.people.approver, owner_of(world, "team-b"), SYSTEM):
        with pytest.raises(NotAllowed):
            exceptions.try_again(exception_id=row.pk, by=by, now=world.now())
    with pytest.raises(Refused, match="Its end has come"):
        exceptions.try_again(
            exception_id=row.pk,
            by=world.people.operator,
            now=world.now() + timedelta(days=30),
        )
    row = exceptions.try_again(exception_id=row.pk, by=world.people.operator, now=world.now())
    assert row.status == ExceptionStatus.APPROVED
    assert trail(row)[-1] == "exception.tried_again"


def test_exception_is_planned_anew_when_the_ground_has_moved_and_not_for_ever(
    world: SandboxWorld, target: str
) -> None:
    row = approved(world, asked(world, enforced(world, target)))

    for attempt in (1, 2):
        spoil(world, row)
        assert carry(world, row) is RolloutStatus.STALE
        assert (row.status, row.attempt_count) == (ExceptionStatus.APPROVED, attempt)
        assert "was changed" in row.closing_message
        assert exception_rollouts.due_exceptions(now=world.now()) == ()
        world.late += timedelta(minutes=5)
        exception_rollouts.carry_out(exception_id=row.pk, now=world.now())
    spoil(world, row)
    assert carry(world, row) is RolloutStatus.STALE

    assert (row.status, row.flips.count()) == (ExceptionStatus.FAILED, 3)


def spoil(world: SandboxWorld, row: ExceptionRequest) -> None:
    """Let somebody write what the plan under way is about to write, each time in another way."""
    planned = next(o for o in last_flip(row).plan["objects"] if o["verb"] != "keep")
    word = f"other-{secrets.token_hex(2)}"
    spec = dict(planned["wanted"]["spec"])
    if "exceptions" in spec:
        spec["exceptions"] = [*spec["exceptions"], {"policyName": word, "ruleNames": ["any"]}]
    else:
        spec["matchConditions"] = [{**each, "name": word} for each in spec["matchConditions"][:1]]
    world.sandbox.apply_manifest({**planned["wanted"], "spec": spec}, forced=True)


def test_exception_of_a_policy_that_is_not_installed_is_refused(
    world: SandboxWorld, target: str
) -> None:
    variant = world.variant(target)
    row = asked(world, variant)

    with pytest.raises(Refused, match="is not installed on prod"):
        approved(world, row)


def test_exception_where_the_policy_leaves_everybody_alone_is_refused(
    world: SandboxWorld,
) -> None:
    variant = world.installed(
        "ClusterPolicy",
        parameters=Parameters(controls=C1_C2, excluded_namespaces=("team-a",)),
    )
    row = asked(world, variant)

    with pytest.raises(Refused, match="leaves team-a alone"):
        approved(world, row)


def test_exception_whose_namespace_is_not_there_is_refused(
    world: SandboxWorld, kyverno_target: str, settings: Settings
) -> None:
    settings.SECPROF_EXCEPTION_NAMESPACE = "exceptions"
    variant = world.installed(kyverno_target)
    heed(world, "--enablePolicyException=true", "--exceptionNamespace=exceptions")
    row = asked(world, variant)

    with pytest.raises(Refused, match="belong into the namespace exceptions"):
        approved(world, row)


def test_single_control_is_exempted_and_the_other_still_judged(world: SandboxWorld) -> None:
    variant = enforced(world, "ClusterPolicy")

    row = in_force(world, variant, controls=["require-seccomp"])

    (planned,) = last_flip(row).plan["objects"]
    rules = {rule for each in planned["wanted"]["spec"]["exceptions"] for rule in each["ruleNames"]}
    assert rules == {
        "require-seccomp",
        "autogen-require-seccomp",
        "autogen-cronjob-require-seccomp",
    }


def test_bare_pod_that_runs_is_exempted_and_ended(world: SandboxWorld, target: str) -> None:
    pod = WorkloadName(WorkloadKind.POD, "probe")
    variant = world.installed(target)
    world.sandbox.apply_manifest(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "probe", "namespace": "team-a"},
            "spec": {"containers": [BAD]},
        },
        forced=True,
    )
    world.collect()

    row = in_force(world, variant, pod)
    expire(world, row)

    assert carry(world, row) is RolloutStatus.PROVEN
    assert row.status == ExceptionStatus.ENDED


# Previews


def test_preview_of_a_wish_plans_and_writes_nothing(world: SandboxWorld, target: str) -> None:
    variant = enforced(world, target)

    preview = exception_previews.preview_exception(
        wish=wish(variant, FTP, WorkloadName(WorkloadKind.DEPLOYMENT, "gone"), now=world.now()),
        by=owner_of(world, "team-a"),
        now=world.now(),
    )

    assert preview.plan.title == (
        "Exempt Deployment ftp, Deployment gone from require-seccomp in team-a on prod"
    )
    assert [str(each) for each in preview.not_there] == ["Deployment gone"]
    assert preview.also_covers == ()
    assert len(preview.plan.changes) == 1
    assert not ExceptionRequest.objects.exists()
    assert DesiredRevision.objects.count() == 2


def test_preview_of_a_part_is_of_that_part(world: SandboxWorld) -> None:
    row = asked(world, world.installed("ClusterPolicy"), FTP, MAIL)

    preview = exception_previews.preview_exception(
        exception_id=row.pk, workloads=[FTP], by=world.people.viewer, now=world.now()
    )

    assert preview.plan.exemption is not None
    assert preview.plan.exemption.workloads == (FTP,)
    with pytest.raises(Refused, match="Nobody asked for Deployment gone"):
        exception_previews.preview_exception(
            exception_id=row.pk,
            workloads=[WorkloadName(WorkloadKind.DEPLOYMENT, "gone")],
            by=world.people.viewer,
            now=world.now(),
        )


def test_preview_of_a_draft_is_refused_and_so_is_a_flip_of_that_kind(world: SandboxWorld) -> None:
    variant = world.installed("ClusterPolicy")
    row = exceptions.save_draft(
        wish=wish(variant, now=world.now(), ends_at=None),
        by=world.people.operator,
        now=world.now(),
    )

    with pytest.raises(Refused, match="A draft has no plan yet"):
        exception_previews.preview_exception(
            exception_id=row.pk, by=world.people.operator, now=world.now()
        )
    for verb in (FlipVerb.EXEMPT, FlipVerb.END_EXEMPTION, FlipVerb.REMOVE_EXCEPTION):
        with pytest.raises(Refused, match="by actions of their own"):
            world.plan(variant, verb, "team-a")


def test_preview_takes_who_may_see_it_and_something_to_see(world: SandboxWorld) -> None:
    variant = world.installed("ClusterPolicy")
    with pytest.raises(NotAllowed):
        exception_previews.preview_exception(
            wish=wish(variant, now=world.now()), by=owner_of(world, "team-b"), now=world.now()
        )
    with pytest.raises(Refused, match="Say what to look at"):
        exception_previews.preview_exception(by=world.people.viewer, now=world.now())
    with pytest.raises(Refused, match="Give an end"):
        exception_previews.preview_exception(
            wish=wish(variant, now=world.now(), ends_at=None),
            by=world.people.viewer,
            now=world.now(),
        )


# What a cluster does not say


def test_settings_that_may_not_be_read_leave_it_to_the_proof(
    world: SandboxWorld, kyverno_target: str
) -> None:
    row = asked(world, world.installed(kyverno_target))
    world.sandbox.set_fault(Fault.FORBIDDEN, target="deployments")

    preview = exception_previews.preview_exception(
        exception_id=row.pk, by=world.people.viewer, now=world.now()
    )
    row = approved(world, row)

    assert (preview.honoured, "was not found" in preview.support) == (None, True)
    assert carry(world, row) is RolloutStatus.PROVEN


def test_cluster_that_serves_no_exceptions_is_told(world: SandboxWorld) -> None:
    class Bare:
        def serves(self, _: Resource) -> bool:
            return False

    with pytest.raises(Refused, match="serves no PolicyException of kyverno.io"):
        find_home(cast(Gateway, Bare()), world.cluster, ExceptionKind.KYVERNO)


def test_policy_that_is_gone_from_the_cluster_exempts_nobody(world: SandboxWorld) -> None:
    variant = world.installed("ClusterPolicy")
    row = asked(world, variant)
    world.sandbox.delete(CLUSTER_POLICIES, variant.name)

    with pytest.raises(Refused, match="is gone from the cluster: install it again first"):
        approved(world, row)


def test_control_that_the_policy_asks_no_more_is_told(world: SandboxWorld) -> None:
    variant = world.installed("ClusterPolicy")
    row = asked(world, variant)
    world.collect()
    assert (
        world.flip(world.edit(variant, controls=["deny-unconfined-seccomp"]), FlipVerb.INSTALL)
        is RolloutStatus.PROVEN
    )

    with pytest.raises(Refused, match="does not ask require-seccomp any more"):
        approved(world, row)


def test_pod_that_runs_under_the_name_of_a_probe_proves_nothing(world: SandboxWorld) -> None:
    variant = world.installed("ClusterPolicy")
    row = asked(world, variant)
    pods = exempt_pods(spec_of(variant), exemption_of(row), FTP)
    world.sandbox.apply_manifest(
        {**pods.exempted, "metadata": {**pods.exempted["metadata"], "namespace": "team-a"}},
        forced=True,
    )

    row = approved(world, row)
    assert carry(world, row) is RolloutStatus.FAILED

    assert "exists already" in row.closing_message


def test_exemption_without_an_end_is_none(world: SandboxWorld) -> None:
    row = ExceptionRequest(namespace="team-a", workloads=[], controls=[])

    with pytest.raises(ValueError, match="has no end"):
        exemption_of(row)


def test_approval_of_what_no_pod_could_prove_by_now_is_refused(world: SandboxWorld) -> None:
    row = asked(world, world.installed("ClusterPolicy"))
    ExceptionRequest.objects.filter(pk=row.pk).update(controls=["deny-unconfined-seccomp"])

    with pytest.raises(Refused, match="No pod fails deny-unconfined-seccomp and nothing else"):
        approved(world, row)
