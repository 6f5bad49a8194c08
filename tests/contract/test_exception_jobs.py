"""An exception's whole life on a real API server with a real Kyverno, for both of its kinds and a native policy.

Asked for by an owner, refused to that owner's own approval, approved in part by somebody else, proven in force, ended
by time and proven to be gone, each step in the trail.
"""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from policies.actions import exception_ends, exceptions
from policies.domain.answers import read_answer
from policies.domain.authority import Actor, Grant, NotAllowed, Role, Scope
from policies.domain.exceptions import exempt_pods
from policies.domain.exemptions import WorkloadName
from policies.domain.library import Target
from policies.domain.lifecycle import ExceptionStatus, FlipVerb, RolloutStatus
from policies.domain.objects import WorkloadKind
from policies.models import AuditEvent, ExceptionRequest, Variant
from policies.queries.exemption_rows import exemption_of
from policies.queries.specs import spec_of
from tests.contract.job import BAD, VIOLATOR, AnswerOutcome, Job, deployment, open_job
from tests.contract.planes import Manifest, Plane, newest
from tests.integration.actions.excepting import (
    FTP,
    approved,
    asked,
    carry,
    expire,
    last_flip,
    trail,
)
from tests.world import People

pytestmark = [pytest.mark.controlplane, pytest.mark.django_db]

MAIL = WorkloadName(WorkloadKind.DEPLOYMENT, "mail")
LISTS = (
    "/apis/kyverno.io/v2/namespaces/kyverno/policyexceptions",
    "/apis/policies.kyverno.io/v1/namespaces/kyverno/policyexceptions",
)


@pytest.fixture
def job(django_user_model: type) -> Iterator[Job]:
    for job in open_job(newest(), People(django_user_model)):
        clear_exceptions(job.raw)
        yield job
        clear_exceptions(job.raw)


def ours(raw: Plane) -> list[tuple[str, Manifest]]:
    return [
        (f"{path}/{item['metadata']['name']}", item)
        for path in LISTS
        for item in raw.send("GET", path).body.get("items", ())
        if item["metadata"]["name"].startswith("secprof-")
    ]


def clear_exceptions(raw: Plane) -> None:
    for path, _ in ours(raw):
        raw.send("DELETE", path)


@pytest.mark.parametrize("target", Target)
def test_exception_is_asked_for_agreed_to_in_part_proven_and_ended_by_time(
    job: Job, target: Target
) -> None:
    for name in (VIOLATOR, "mail"):
        job.raw.create(deployment("team-a", name, BAD), "team-a")
    variant = job.installed(target)
    flipped = job.world.flip(variant, FlipVerb.ENFORCE, "team-a", override="agreed")
    assert flipped is RolloutStatus.PROVEN
    job.world.collect()

    row = check_decision(job, variant)
    check_in_force(job, row)
    check_end(job, row)

    assert [verb for verb in trail(row) if verb.startswith("exception.")] == [
        "exception.requested",
        "exception.approved",
        "exception.in_force",
        "exception.expiry_announced",
        "exception.expired",
        "exception.ended",
    ]
    check_steps_in_trail(row, target)


def check_decision(job: Job, variant: Variant) -> ExceptionRequest:
    """Asked for by the owner, who may not decide, though an approver, too; agreed to in part by somebody else."""
    people = job.world.people
    scope = Scope(job.world.cluster.name, "team-a")
    owner = Actor(
        "owner",
        people.owner.user_id,
        frozenset({Grant(Role.OWNER, scope), Grant(Role.APPROVER, scope)}),
    )
    row = asked(job.world, variant, FTP, MAIL, by=owner)
    with pytest.raises(NotAllowed, match="You asked for this exception"):
        exceptions.approve(
            exception_id=row.pk, revision=1, comment="fine", by=owner, now=job.world.now()
        )
    assert outcomes(job, row)["exempted"] is AnswerOutcome.REFUSED

    row = approved(job.world, row, workloads=[FTP], ends_at=job.world.now() + timedelta(days=20))

    assert (row.approved_workloads, row.status) == ([FTP.to_json()], ExceptionStatus.APPROVED)
    return row


def check_in_force(job: Job, row: ExceptionRequest) -> None:
    assert carry(job.world, row) is RolloutStatus.PROVEN, last_flip(row).closing_message
    assert row.status == ExceptionStatus.IN_FORCE
    assert outcomes(job, row) == {
        "exempted": AnswerOutcome.ADMITTED,
        "neighbour": AnswerOutcome.REFUSED,
    }
    assert len(ours(job.raw)) == (0 if row.variant.target == Target.NATIVE else 1)


def check_end(job: Job, row: ExceptionRequest) -> None:
    """The clock moves; nobody does anything."""
    row.refresh_from_db()
    job.world.late += row.approved_ends_at - timedelta(days=7) - job.world.now()
    assert exception_ends.announce_ends(now=job.world.now()) == 1
    expire(job.world, row)
    assert row.status == ExceptionStatus.ENDING

    assert carry(job.world, row) is RolloutStatus.PROVEN, last_flip(row).closing_message

    assert row.status == ExceptionStatus.ENDED
    assert outcomes(job, row) == {
        "exempted": AnswerOutcome.REFUSED,
        "neighbour": AnswerOutcome.REFUSED,
    }
    assert ours(job.raw) == []


def outcomes(job: Job, row: ExceptionRequest) -> dict[str, AnswerOutcome]:
    """Ask with raw dry-runs what becomes of a pod of ftp, and of one beside it."""
    pods = exempt_pods(spec_of(row.variant), exemption_of(row), FTP)
    found = {}
    for word, pod in (("exempted", pods.exempted), ("neighbour", pods.neighbour)):
        reply = job.raw.create(pod, "team-a", dry_run=True)
        names = (row.variant.name, f"{row.variant.name}-audit", f"{row.variant.name}-enforce")
        answer = read_answer(
            policies=names,
            warnings=reply.warnings,
            raw=reply.text,
        )
        found[word] = answer.outcome
    return found


def check_steps_in_trail(row: ExceptionRequest, target: Target) -> None:
    """Each step of both roll-outs has its row."""
    for flip in row.flips.all():
        steps = list(flip.rollout.steps.order_by("position").values_list("kind", flat=True))
        told = AuditEvent.objects.filter(
            flip_id=str(flip.pk), exception_id=str(row.pk), verb__startswith="rollout."
        ).order_by("pk")
        said = [each.verb for each in told]
        assert said == [
            "rollout.started",
            *(f"rollout.{kind}" for kind in steps),
            "rollout.proven",
        ]
        assert {each.plan_digest for each in told} == {flip.plan_digest}
    assert row.flips.count() == 2
