"""The people of a team and their exceptions: what tests of exceptions are written with."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from policies.actions import exception_ends, exception_rollouts, exceptions
from policies.actions.rollouts import run as run_rollout
from policies.domain.authority import Actor, Grant, Role, Scope
from policies.domain.exemptions import ExceptionWish, WorkloadName
from policies.domain.lifecycle import FlipVerb, RolloutStatus
from policies.domain.objects import WorkloadKind
from policies.models import AuditEvent, ExceptionRequest, Flip, Rollout, Variant
from tests.world import BAD, World, deployment, kyverno

FTP = WorkloadName(WorkloadKind.DEPLOYMENT, "ftp")
MAIL = WorkloadName(WorkloadKind.DEPLOYMENT, "mail")
FLAGS = ("--enablePolicyException=true", "--exceptionNamespace=kyverno")


def heeding(*flags: str, component: str = "admission-controller") -> dict[str, Any]:
    """One of Kyverno's Deployments with these flags."""
    manifest = kyverno()
    manifest["metadata"]["name"] = f"kyverno-{component}"
    manifest["metadata"]["labels"] = {"app.kubernetes.io/component": component}
    manifest["spec"]["template"]["spec"]["containers"][0]["args"] = list(flags)
    return manifest


def heed(world: Any, *flags: str) -> None:
    """Set the flags of the sandbox's engine."""
    for component in ("admission-controller", "reports-controller"):
        world.sandbox.apply_manifest(heeding(*(flags or FLAGS), component=component))


def violators(world: Any, *names: str) -> None:
    """Deployments of team-a that fail every policy, put there before anything is enforced."""
    for name in names:
        world.sandbox.apply_manifest(deployment("team-a", name, BAD), forced=True)
    world.collect()


def owner_of(world: World, namespace: str, *, role: Role = Role.OWNER) -> Actor:
    """The owner, of one namespace alone."""
    scope = Scope(cluster=world.cluster.name, namespace=namespace)
    return Actor("owner", world.people.owner.user_id, frozenset({Grant(role, scope)}))


def wish(of: Variant, *workloads: WorkloadName, now: datetime, **changes: Any) -> ExceptionWish:
    values: dict[str, Any] = {
        "variant_id": of.pk,
        "namespace": "team-a",
        "workloads": workloads or (FTP,),
        "controls": of.controls,
        "reason": "The vendor ships no profile yet.",
        "compensating_control": "Only the partner network reaches it.",
        "ticket": "OPS-4711",
        "ends_at": now + timedelta(days=30),
    }
    return ExceptionWish(**values | changes)


def asked(
    world: World, of: Variant, *workloads: WorkloadName, by: Actor | None = None, **changes: Any
) -> ExceptionRequest:
    return exceptions.request(
        wish=wish(of, *workloads, now=world.now(), **changes),
        by=by or world.people.operator,
        now=world.now(),
    )


def approved(world: World, row: ExceptionRequest, **part: Any) -> ExceptionRequest:
    return exceptions.approve(
        exception_id=row.pk,
        revision=row.revision,
        comment="Agreed, until the vendor has delivered.",
        by=world.people.approver,
        now=world.now(),
        **part,
    )


def last_flip(row: ExceptionRequest) -> Flip:
    return row.flips.order_by("requested_at").last()


def carry(
    world: World,
    row: ExceptionRequest,
    *,
    worker: str = "worker",
    sleep: Callable[[float], None] = lambda _: None,
) -> RolloutStatus | None:
    """What the workers do next about an exception: begin what is due, and take the roll-out as far as it goes."""
    exception_rollouts.carry_out(exception_id=row.pk, now=world.now())
    rollout = Rollout.objects.filter(flip__exception=row, status__in=["queued", "running"]).first()
    if rollout is None:
        row.refresh_from_db()
        return None
    status = run_rollout(rollout_id=rollout.pk, worker=worker, clock=world.now, sleep=sleep)
    row.refresh_from_db()
    return status


def in_force(
    world: World, of: Variant, *workloads: WorkloadName, **changes: Any
) -> ExceptionRequest:
    row = approved(world, asked(world, of, *workloads, **changes))
    assert carry(world, row) is RolloutStatus.PROVEN, last_flip(row).closing_message
    return row


def expire(world: World, row: ExceptionRequest) -> None:
    """Let its time come."""
    row.refresh_from_db()
    world.late += row.approved_ends_at - world.now()
    exception_ends.end_expired(now=world.now())
    row.refresh_from_db()


def enforced(world: World, target: str) -> Variant:
    """A variant that is enforced in team-a, where ftp and mail fail it."""
    variant = world.installed(target)
    violators(world, "ftp", "mail")
    assert (
        world.flip(variant, FlipVerb.ENFORCE, "team-a", override="agreed with the team")
        is RolloutStatus.PROVEN
    )
    return variant


def trail(row: ExceptionRequest) -> list[str]:
    """What the trail says of it, in order."""
    found = AuditEvent.objects.filter(exception_id=str(row.pk)).order_by("pk")
    return list(found.values_list("verb", flat=True))
