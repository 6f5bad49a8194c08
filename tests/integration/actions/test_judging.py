"""Evidence per parameters: each variant's workloads, findings and patches are those of what it asks itself."""

from typing import Any

import pytest

from policies.cluster.gateway import ServerVersion
from policies.domain.judges import judge_of
from policies.domain.lifecycle import FlipVerb, RolloutStatus
from policies.domain.readiness import GateId, GateOutcome, Verdict
from policies.models import ObservedNamespace, ObservedWorkload, PostureTally, Variant
from policies.queries.evidence import HEARD
from policies.queries.offenders import offenders
from policies.queries.reach import EVERYTHING_SEEN
from policies.queries.reviews import load_review
from policies.queries.specs import spec_of
from sandbox.gateway import SandboxGateway
from tests.integration.actions.conftest import SandboxWorld
from tests.world import C1_C2, GOOD, Parameters, deployment

pytestmark = pytest.mark.django_db

WEB = {
    "seccompProfile": {"type": "Localhost", "localhostProfile": "profiles/web.json"},
    "appArmorProfile": {"type": "RuntimeDefault"},
}
OTHER = {**WEB, "seccompProfile": {"type": "Localhost", "localhostProfile": "other.json"}}
ALLOWED = {"controls": [*C1_C2, "allowed-profiles"], "seccomp": {"allowed": ["profiles/*.json"]}}


def strict(world: SandboxWorld, target: str, **changes: Any) -> Variant:
    return world.variant(
        target, name="strict", parameters=Parameters.from_json({**ALLOWED, **changes})
    )


def container(context: dict[str, Any]) -> dict[str, Any]:
    return {**GOOD, "securityContext": context}


def test_variants_of_one_cluster_see_their_own_findings_and_patches(
    world: SandboxWorld, kyverno_target: str
) -> None:
    world.sandbox.apply_manifest(deployment("team-a", "other", container(OTHER)))
    usual = world.installed(kyverno_target)
    own = strict(world, kyverno_target)
    world.flip(own, FlipVerb.INSTALL)
    world.collect()
    world.rehearse(own, "team-a", "team-b")

    assert offenders(usual, ["team-a"], reach=EVERYTHING_SEEN) == ()
    (offender,) = offenders(own, ["team-a"], reach=EVERYTHING_SEEN)
    assert (offender.name, [f.control for f in offender.faults]) == ("other", ["allowed-profiles"])
    assert world.verdict(usual, "team-a").verdict is Verdict.READY
    verdict = world.verdict(own, "team-a")
    assert verdict.verdict is Verdict.BLOCKED
    # Report, posture and the engine itself agree on the one workload.
    counts = [verdict.gate(g).number for g in (GateId.REPORTS, GateId.POSTURE, GateId.REHEARSAL)]
    assert counts == [1, 1, 1]
    review = load_review(
        own, ObservedNamespace.objects.get(name="team-a"), reach=EVERYTHING_SEEN, now=world.now()
    )
    (failing,) = review.shown_failing
    assert failing.name == "other"
    assert "localhostProfile" in failing.posture.message or failing.faults
    assert failing.patch
    assert not load_review(
        usual,
        ObservedNamespace.objects.get(name="team-a"),
        reach=EVERYTHING_SEEN,
        now=world.now(),
    ).failing


def test_variant_that_was_not_heard_yet_is_unknown_and_never_without_workloads(
    world: SandboxWorld,
) -> None:
    own = strict(world, "ClusterPolicy")
    gate = world.verdict(own, "team-a").gate(GateId.POSTURE)
    assert (gate.outcome, gate.sentence) == (
        GateOutcome.UNKNOWN,
        "Not judged under these parameters yet: collect again.",
    )
    world.sandbox.make_namespace("empty", labels={"team": "none"})

    world.collect()

    assert PostureTally.objects.filter(namespace=HEARD, judge=judge_of(spec_of(own)).key).exists()
    assert world.verdict(own, "empty").gate(GateId.POSTURE).sentence == "There is no workload here."


def test_judge_that_nobody_asks_for_any_more_is_forgotten(world: SandboxWorld) -> None:
    own = strict(world, "ClusterPolicy")
    world.collect()
    before = judge_of(spec_of(own)).key
    edited = world.edit(own, seccomp={"allowed": ["**"]})

    world.collect()

    keys = set(PostureTally.objects.values_list("judge", flat=True))
    assert before not in keys
    assert judge_of(spec_of(edited)).key in keys


def test_messages_and_places_make_no_other_judge(world: SandboxWorld) -> None:
    own = strict(world, "ClusterPolicy")
    edited = world.edit(own, message="Ask us.", seccomp={**ALLOWED["seccomp"], "location": "/x"})

    assert judge_of(spec_of(edited)).key == judge_of(spec_of(own)).key


@pytest.mark.parametrize(
    ("template", "asks"),
    [
        ("apparmor", "deny-unconfined-apparmor,require-apparmor"),
        (
            "confined-pods",
            "deny-unconfined-apparmor,deny-unconfined-seccomp,require-apparmor,require-seccomp",
        ),
    ],
)
def test_templates_with_default_parameters_share_the_base_judge(
    world: SandboxWorld, target: str, template: str, asks: str
) -> None:
    confined = deployment("team-b", "good", container(WEB))
    world.sandbox.apply_manifest(confined)
    variant = world.installed(target, name=template, template=template)

    assert judge_of(spec_of(variant)).key == asks
    assert world.verdict(variant, "team-b").verdict is Verdict.READY
    verdict = world.verdict(variant, "team-a")
    assert verdict.verdict is Verdict.BLOCKED
    assert verdict.gate(GateId.REHEARSAL).number == 1
    (offender,) = offenders(variant, ["team-a", "team-b"], reach=EVERYTHING_SEEN)
    assert {f.control for f in offender.faults} == {"require-apparmor"}
    assert world.flip(variant, FlipVerb.ENFORCE, "team-b") is RolloutStatus.PROVEN
    assert world.roll_back(variant, "team-b") is RolloutStatus.PROVEN


def test_excluded_namespace_cannot_be_enforced_and_fails_nothing(
    world: SandboxWorld, target: str
) -> None:
    world.sandbox.apply_manifest(deployment("team-a", "other", container(OTHER)))
    own = strict(world, target, excluded_namespaces=["team-a"])
    world.flip(own, FlipVerb.INSTALL)
    world.collect()

    verdict = world.verdict(own, "team-a")

    gate = verdict.gate(GateId.POLICY)
    assert (gate.outcome, gate.is_hard) == (GateOutcome.FAIL, True)
    assert gate.sentence.startswith("This variant excludes the namespace")
    assert verdict.gate(GateId.POSTURE).outcome is GateOutcome.PASS
    assert offenders(own, ["team-a"], reach=EVERYTHING_SEEN) == ()


def test_workload_with_an_excluded_label_is_left_alone_and_said_so(
    world: SandboxWorld, kyverno_target: str
) -> None:
    left_out = deployment("team-a", "other", container(OTHER))
    left_out["spec"]["template"]["metadata"]["labels"]["legacy"] = "yes"
    world.sandbox.apply_manifest(left_out)
    own = strict(world, kyverno_target, excluded_labels=[["legacy", "yes"]])
    world.flip(own, FlipVerb.INSTALL)
    world.collect()
    world.rehearse(own, "team-a", "team-b")

    assert world.verdict(own, "team-a").verdict is Verdict.READY
    tally = PostureTally.objects.get(namespace="team-a", judge=judge_of(spec_of(own)).key)
    assert (tally.workload_count, tally.not_applicable_count, tally.reportable_count) == (2, 1, 1)
    review = load_review(
        own, ObservedNamespace.objects.get(name="team-a"), reach=EVERYTHING_SEEN, now=world.now()
    )
    posture = {workload.name: workload.posture for workload in review.passing}
    assert (posture["other"].outcome, posture["other"].message) == (
        "inapplicable",
        "The variant leaves it alone.",
    )


def test_version_of_the_cluster_goes_into_the_judgement(
    world: SandboxWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.sandbox.apply_manifest(deployment("team-a", "other", container(OTHER)))
    monkeypatch.setattr(SandboxGateway, "version", lambda _: ServerVersion("v1.29.4"))

    world.collect()

    # That server drops the field before anybody sees it.
    row = ObservedWorkload.objects.get(name="other")
    assert "require-apparmor" in {f["control"] for f in row.findings}


def test_owned_pods_without_findings_of_their_own_have_no_row(world: SandboxWorld) -> None:
    world.rolled_out("web", 2)
    strict(world, "ClusterPolicy")

    world.collect()

    assert not ObservedWorkload.objects.filter(kind__in=["Pod", "ReplicaSet"]).exists()
