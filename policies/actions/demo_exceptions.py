"""The demo's exceptions: one in force, one that ends soon, one that waits for a decision. Told through the actions, too."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone

from policies.actions import exceptions, rollouts
from policies.actions.errors import Refused
from policies.domain.authority import Actor, Role
from policies.domain.exemptions import ExceptionWish, WorkloadName
from policies.domain.lifecycle import ExceptionStatus
from policies.domain.objects import WorkloadKind
from policies.models import ExceptionRequest, Rollout, Variant

PROOF_PAUSE = 0.01


@dataclass(frozen=True, slots=True)
class DemoException:
    """One exception of the story."""

    cluster: str
    variant: str
    namespace: str
    workload: WorkloadName
    by: Role
    days: int
    reason: str
    compensating_control: str
    ticket: str
    is_agreed: bool = True


STORY = (
    DemoException(
        "prod",
        "require-seccomp",
        "web-edge",
        WorkloadName(WorkloadKind.DAEMON_SET, "edge-proxy"),
        Role.OWNER,
        60,
        "The vendor's sidecar starts only unconfined; its next release brings a profile.",
        "A network policy lets it speak to the storefront alone.",
        "EDGE-412",
    ),
    DemoException(
        "prod",
        "require-apparmor",
        "data-pipelines",
        WorkloadName(WorkloadKind.CRON_JOB, "gdpr-erasure"),
        Role.OPERATOR,
        6,
        "The erasure of this quarter must not fail while its image is rebuilt.",
        "It runs once a week, on a node of its own, watched.",
        "https://tickets.example/DATA-77",
    ),
    DemoException(
        "prod",
        "require-seccomp",
        "web-edge",
        WorkloadName(WorkloadKind.DEPLOYMENT, "bot-filter"),
        Role.OWNER,
        30,
        "It traces system calls to tell bots apart, and loses them under RuntimeDefault.",
        "Behind the edge proxy, without a service account.",
        "EDGE-430",
        is_agreed=False,
    ),
)


def tell_exceptions(people: Mapping[Role, Actor], say: Callable[[str], None]) -> None:
    """Ask for the exceptions of the story, and carry out those that were agreed to; once for each policy."""
    for wanted in STORY:
        variant = Variant.objects.filter(cluster__name=wanted.cluster, name=wanted.variant).first()
        if variant is None or _is_told(variant, wanted):
            continue
        row = _ask(variant, wanted, people[wanted.by])
        if wanted.is_agreed:
            _carry_out(row, people[Role.APPROVER])
        state = "in force" if wanted.is_agreed else "asked for"
        say(f"{wanted.cluster}: exception of {wanted.workload} {state}")


def _is_told(variant: Variant, wanted: DemoException) -> bool:
    rows = ExceptionRequest.objects.filter(variant=variant, namespace=wanted.namespace)
    return any(wanted.workload.to_json() in row.workloads for row in rows)


def _ask(variant: Variant, wanted: DemoException, by: Actor) -> ExceptionRequest:
    now = timezone.now()
    return exceptions.request(
        wish=ExceptionWish(
            variant_id=variant.pk,
            namespace=wanted.namespace,
            workloads=(wanted.workload,),
            controls=tuple(variant.controls),
            reason=wanted.reason,
            compensating_control=wanted.compensating_control,
            ticket=wanted.ticket,
            ends_at=now + timedelta(days=wanted.days),
        ),
        by=by,
        now=now,
    )


def _carry_out(row: ExceptionRequest, approver: Actor) -> None:
    """Agree, and carry out. Raises Refused when it could not be proven."""
    exceptions.approve(
        exception_id=row.pk,
        revision=row.revision,
        comment="Looked at the workload and at what protects it meanwhile.",
        by=approver,
        now=timezone.now(),
    )
    rollouts.run(
        rollout_id=Rollout.objects.get(flip__exception=row).pk,
        worker="demo",
        clock=timezone.now,
        sleep=_short_sleep,
    )
    row.refresh_from_db()
    if row.status != ExceptionStatus.IN_FORCE:
        raise Refused(f"The demo's exception was not proven: {row.closing_message}")


def _short_sleep(seconds: float) -> None:
    time.sleep(min(seconds, PROOF_PAUSE))
