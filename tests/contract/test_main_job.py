"""From Audit to Enforce and back on a real API server with a real Kyverno, as an operator does it."""

from collections.abc import Iterator

import pytest

import controlplane
from policies.actions import flips
from policies.actions.errors import Refused
from policies.domain.authority import NotAllowed
from policies.domain.lifecycle import FlipStatus, FlipVerb, RolloutStatus
from policies.domain.readiness import Verdict
from policies.models import AuditEvent, ObservedResult, ObservedWorkload, Stage, Variant
from tests.contract.job import (
    BAD,
    GOOD,
    STRATEGIC_PATCH,
    VIOLATOR,
    AnswerOutcome,
    Job,
    deployment,
    open_job,
)
from tests.contract.planes import eventually, newest, oldest
from tests.world import People

pytestmark = [pytest.mark.controlplane, pytest.mark.django_db]


@pytest.fixture(
    params=[(newest, "ClusterPolicy"), (newest, "ValidatingPolicy"), (oldest, "ClusterPolicy")],
    ids=["1.19.1-cpol", "1.19.1-vpol", "1.13.4-cpol"],
)
def engine(request: pytest.FixtureRequest) -> tuple[controlplane.ControlPlane, str]:
    bring_up, target = request.param
    return bring_up(), target


@pytest.fixture
def people(django_user_model: type) -> People:
    return People(django_user_model)


@pytest.fixture
def job(engine: tuple[controlplane.ControlPlane, str], people: People) -> Iterator[Job]:
    yield from open_job(engine[0], people)


@pytest.fixture
def target(engine: tuple[controlplane.ControlPlane, str]) -> str:
    return engine[1]


def test_namespace_goes_from_audit_to_enforce_and_back(job: Job, target: str) -> None:
    job.raw.create(deployment("team-a", VIOLATOR, BAD), "team-a")
    job.raw.create(deployment("team-b", "good", GOOD), "team-b")
    variant = job.installed(target)

    check_audit(job, variant)
    check_flip(job, variant)
    check_enforced(job, variant)
    check_what_violates_stays_editable(job)
    check_rollback(job, variant)


def check_audit(job: Job, variant: Variant) -> None:
    """Audit warns and reports; page, engine and rehearsal say the same."""
    assert job.ask("team-a", BAD, variant.name).outcome is AnswerOutcome.WARNED

    tally = job.awaits_reports(variant, "team-a")

    assert tally.failing_workload_count == 1
    assert ObservedResult.objects.filter(
        policy=variant.name, namespace="team-a", top_kind="Deployment", top_name=VIOLATOR
    ).exists()
    row = ObservedWorkload.objects.get(namespace="team-a", kind="Deployment", name=VIOLATOR)
    finding = row.findings[0]
    assert (finding["container"], finding["path"]) == (
        "app",
        "spec.template.spec.containers[0].securityContext.seccompProfile.type",
    )
    rehearsal = job.rehearsed(variant, "team-a", "team-b")
    assert [(r.namespace, r.refused_count, r.unjudged_count) for r in rehearsal] == [
        ("team-a", 1, 0),
        ("team-b", 0, 0),
    ]
    job.awaits_reports(variant, "team-b")
    assert job.world.verdict(variant, "team-a").verdict is Verdict.BLOCKED
    assert job.world.verdict(variant, "team-b").verdict is Verdict.READY


def check_flip(job: Job, variant: Variant) -> None:
    """Blocked without an override, refused to its own requester, proven after another's approval."""
    with pytest.raises(Refused, match="gates do not pass"):
        job.world.request(variant, FlipVerb.ENFORCE, "team-a")
    flip = job.world.request(variant, FlipVerb.ENFORCE, "team-a", override="agreed with the team")
    with pytest.raises(NotAllowed):
        flips.approve(
            flip_id=flip.pk,
            plan_digest=flip.plan_digest,
            comment="me",
            by=job.world.people.operator,
            now=job.world.now(),
        )

    assert job.world.run(job.world.approve(flip)) is RolloutStatus.PROVEN

    flip.refresh_from_db()
    assert flip.status == FlipStatus.PROVEN
    assert Stage.objects.get(variant=variant, namespace="team-a").value == Stage.Value.ENFORCE


def check_enforced(job: Job, variant: Variant) -> None:
    twin = f"{variant.name}-enforce"
    refused = job.ask("team-a", BAD, twin)
    assert (refused.outcome, refused.policy) == (AnswerOutcome.REFUSED, twin)
    assert job.ask("team-b", BAD, variant.name).outcome is AnswerOutcome.WARNED
    assert job.ask("team-a", GOOD, twin).outcome is AnswerOutcome.ADMITTED
    assert job.ask("team-b", GOOD, twin).outcome is AnswerOutcome.ADMITTED


def check_what_violates_stays_editable(job: Job) -> None:
    """Labels, scaling and deletion go on; a bad debug container and a new image do not (V4, V6, V8)."""
    violator = deployment("team-a", VIOLATOR, BAD)
    labelled = job.raw.patch(violator, {"metadata": {"labels": {"touched": "yes"}}}, "team-a")
    assert labelled.ok, labelled.text
    scaled = job.raw.patch(violator, {"spec": {"replicas": 2}}, "team-a")
    assert scaled.ok, scaled.text
    new_image = {
        "spec": {"template": {"spec": {"containers": [{**BAD, "image": "x.invalid/a:2"}]}}}
    }
    changed = job.raw.patch(violator, new_image, "team-a")
    assert not changed.ok
    assert "require-seccomp-enforce" in changed.text
    running = eventually(
        lambda: job.raw.send("GET", "/api/v1/namespaces/team-a/pods").body["items"],
        bool,
    )[0]
    running_pod = {"apiVersion": "v1", "kind": "Pod", "metadata": running["metadata"]}
    debug = {"spec": {"ephemeralContainers": [{"name": "debug", "image": "x.invalid/debug:1"}]}}
    debugged = job.raw.patch(
        running_pod,
        debug,
        "team-a",
        subresource="ephemeralcontainers",
        content_type=STRATEGIC_PATCH,
    )
    assert not debugged.ok
    assert "require-seccomp-enforce" in debugged.text
    assert job.raw.delete(running_pod, "team-a").ok
    assert job.raw.delete(violator, "team-a").ok


def check_rollback(job: Job, variant: Variant) -> None:
    assert job.world.roll_back(variant, "team-a") is RolloutStatus.PROVEN

    assert job.ask("team-a", BAD, variant.name).outcome is AnswerOutcome.WARNED
    assert job.live_names(variant) == {variant.name}
    assert Stage.objects.get(variant=variant, namespace="team-a").value == Stage.Value.AUDIT
    verbs = set(AuditEvent.objects.values_list("verb", flat=True))
    assert verbs >= {
        "cluster.added",
        "variant.created",
        "flip.requested",
        "flip.approved",
        "flip.rolled_back",
        "rehearsal.requested",
        "rollout.started",
        "rollout.check",
        "rollout.dry-run",
        "rollout.apply",
        "rollout.read-back",
        "rollout.prove-refused",
        "rollout.prove-admitted",
        "rollout.prove-neighbour",
        "rollout.prove-warned",
        "rollout.proven",
    }


def test_engine_stopped_refuses_only_where_enforced_and_holds_up_flips(
    job: Job, target: str
) -> None:
    variant = job.installed(target)
    assert (
        job.world.flip(variant, FlipVerb.ENFORCE, "team-a", override="an empty namespace")
        is RolloutStatus.PROVEN
    )
    twin = f"{variant.name}-enforce"
    job.plane.stop("kyverno")
    try:
        down = eventually(
            lambda: job.ask("team-a", GOOD, twin),
            lambda a: a.outcome is AnswerOutcome.ENGINE_DOWN,
        )
        assert twin in down.raw
        assert job.ask("team-b", BAD, twin).outcome is AnswerOutcome.ADMITTED
        job.world.collect()
        job.world.cluster.refresh_from_db()
        assert job.world.cluster.engine_state == "down"
        assert "ngine down" in job.world.cluster.engine_message
        with pytest.raises(Exception, match="ngine down"):
            job.world.request(variant, FlipVerb.ENFORCE, "team-b", override="now")
    finally:
        job.plane.start("kyverno")
        eventually(
            lambda: job.ask("team-a", BAD, twin),
            lambda a: a.outcome is AnswerOutcome.REFUSED,
            seconds=60,
            in_a_row=3,
        )
    assert job.world.roll_back(variant, "team-a") is RolloutStatus.PROVEN


def test_policy_edited_between_plan_and_apply_is_stale_and_nothing_is_written(
    job: Job, target: str
) -> None:
    variant = job.installed(target)
    flip = job.world.approve(
        job.world.request(variant, FlipVerb.ENFORCE, "team-a", override="an empty namespace")
    )
    audit = job.policy(variant, variant.name)
    edited = job.edit(audit, {"spec": {"webhookConfiguration": {"timeoutSeconds": 9}}})
    assert edited.ok, edited.text

    assert job.world.run(flip) is RolloutStatus.STALE

    flip.refresh_from_db()
    assert f"{variant.target} {variant.name} on the cluster was changed." in flip.closing_message
    assert job.live_names(variant) == {variant.name}


def test_bad_pod_of_another_policy_is_no_proof(job: Job, target: str) -> None:
    """A quota refuses every pod: the flip must not call that proven."""
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "none"},
        "spec": {"hard": {"pods": "0"}},
    }
    variant = job.installed(target)
    assert job.raw.create(quota, "team-a").ok
    eventually(
        lambda: job.ask("team-a", GOOD, variant.name),
        lambda a: a.outcome is AnswerOutcome.REFUSED_BY_OTHER,
    )
    flip = job.world.approve(
        job.world.request(variant, FlipVerb.ENFORCE, "team-a", override="to see the proof fail")
    )

    assert job.world.run(flip) is RolloutStatus.FAILED

    assert not Stage.objects.filter(variant=variant).exists()
    flip.refresh_from_db()
    assert "Not proven in team-a" in flip.closing_message
