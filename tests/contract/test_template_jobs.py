"""The short way from Audit to Enforce and back on a real API server, for each template and each kind of policy."""

from collections.abc import Iterator
from typing import Any

import pytest

from policies.domain.library import Target
from policies.domain.lifecycle import FlipVerb, RolloutStatus
from policies.models import ObservedPolicy, Stage, Variant
from tests.contract.job import BAD, VIOLATOR, AnswerOutcome, Job, deployment, open_job
from tests.contract.planes import newest
from tests.world import People

pytestmark = [pytest.mark.controlplane, pytest.mark.django_db]

SECCOMP = {"seccompProfile": {"type": "RuntimeDefault"}}
APPARMOR = {"appArmorProfile": {"type": "RuntimeDefault"}}
CONTEXT = {"seccomp": SECCOMP, "apparmor": APPARMOR, "confined-pods": {**SECCOMP, **APPARMOR}}
"""What a container sets to be good, by template."""
JOBS = [
    ("seccomp", Target.NATIVE),
    *((template, target) for template in ("apparmor", "confined-pods") for target in Target),
]


@pytest.fixture
def job(django_user_model: type) -> Iterator[Job]:
    yield from open_job(newest(), People(django_user_model))


def good(template: str) -> dict[str, Any]:
    return {**BAD, "securityContext": CONTEXT[template]}


@pytest.mark.parametrize(("template", "target"), JOBS)
def test_template_goes_from_audit_to_enforce_and_back(
    job: Job, template: str, target: Target
) -> None:
    job.raw.create(deployment("team-a", VIOLATOR, BAD), "team-a")
    job.raw.create(deployment("team-b", "good", good(template)), "team-b")
    variant = job.installed(target, template=template)
    check_audit(job, variant)

    flipped = job.world.flip(variant, FlipVerb.ENFORCE, "team-a", override="agreed with the team")

    assert flipped is RolloutStatus.PROVEN
    assert Stage.objects.get(variant=variant, namespace="team-a").value == Stage.Value.ENFORCE
    check_enforced(job, variant)
    check_what_violates_stays_editable(job, variant)
    check_rollback(job, variant)


def names(variant: Variant) -> tuple[str, ...]:
    """The objects that may say something about a pod; a native policy speaks by its bindings."""
    return (variant.name, f"{variant.name}-audit", f"{variant.name}-enforce")


def check_audit(job: Job, variant: Variant) -> None:
    """A bad pod is warned of, a good one is not, and the rehearsal tells them apart."""
    assert job.ask("team-a", BAD, *names(variant)).outcome is AnswerOutcome.WARNED
    fine = job.ask("team-a", good(variant.template), *names(variant))
    assert fine.outcome is AnswerOutcome.ADMITTED, fine.raw
    job.world.collect()
    rehearsals = job.rehearsed(variant, "team-a", "team-b")
    assert [(r.namespace, r.refused_count, r.unjudged_count) for r in rehearsals] == [
        ("team-a", 1, 0),
        ("team-b", 0, 0),
    ]


def check_enforced(job: Job, variant: Variant) -> None:
    """Refused by our twin in the one namespace, warned of next door, and a good pod admitted in both."""
    twin = f"{variant.name}-enforce"
    refused = job.ask("team-a", BAD, *names(variant))
    assert (refused.outcome, refused.policy) == (AnswerOutcome.REFUSED, twin), refused.raw
    assert job.ask("team-b", BAD, *names(variant)).outcome is AnswerOutcome.WARNED
    for namespace in ("team-a", "team-b"):
        admitted = job.ask(namespace, good(variant.template), *names(variant))
        assert admitted.outcome is AnswerOutcome.ADMITTED, admitted.raw
    observed = ObservedPolicy.objects.get(cluster=variant.cluster, role="twin")
    assert (observed.name, observed.enforced) == (twin, ["team-a"])


def check_what_violates_stays_editable(job: Job, variant: Variant) -> None:
    """A label goes on, a new image does not: only a changed pod is judged (V4)."""
    violator = deployment("team-a", VIOLATOR, BAD)
    labelled = job.raw.patch(violator, {"metadata": {"labels": {"touched": "yes"}}}, "team-a")
    assert labelled.ok, labelled.text
    containers = [{**BAD, "image": "x.invalid/a:2"}]
    changed = job.raw.patch(
        violator, {"spec": {"template": {"spec": {"containers": containers}}}}, "team-a"
    )
    assert not changed.ok
    assert f"{variant.name}-enforce" in changed.text


def check_rollback(job: Job, variant: Variant) -> None:
    assert job.world.roll_back(variant, "team-a") is RolloutStatus.PROVEN

    assert job.ask("team-a", BAD, *names(variant)).outcome is AnswerOutcome.WARNED
    left = {variant.name}
    if variant.target == Target.NATIVE:
        left.add(f"{variant.name}-audit")
    assert job.live_names(variant) == left
    assert Stage.objects.get(variant=variant, namespace="team-a").value == Stage.Value.AUDIT
