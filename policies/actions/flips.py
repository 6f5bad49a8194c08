"""Decide: preview, request, approve, decline and withdraw flips, and roll back.

A plan is made anew at each of these points; people approve its digest, and whatever moved meanwhile voids it.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction

from policies.actions import audit
from policies.actions.connections import connected
from policies.actions.errors import Busy, Refused
from policies.actions.exception_removals import plan_anew, plan_removal
from policies.actions.planning import make_plan
from policies.actions.starting import start_rollout, supersede_active_rollout
from policies.domain.authority import SYSTEM, Act, Actor, Place, require
from policies.domain.lifecycle import FlipStatus, FlipVerb, check_flip
from policies.domain.plans import Plan, gates_away, what_moved
from policies.domain.readiness import HARD_GATES
from policies.models import Flip, Variant
from policies.queries.places import flip_places, places_of, places_of_flip

PLANNED_BY_NAMESPACES = frozenset({FlipVerb.INSTALL, FlipVerb.ENFORCE, FlipVerb.ROLLBACK})
WEB_PATIENCE_SECONDS = 10.0
"""How long a person waits for one answer of a cluster."""


def preview(
    *,
    variant_id: int,
    verb: FlipVerb,
    namespaces: Collection[str],
    by: Actor,
    now: datetime,
) -> Plan:
    """Make the plan of a flip and write nothing. Raises Refused, ClusterError."""
    variant = _variant(variant_id)
    require(by, Act.VIEW, at=_places(variant, verb, namespaces))
    if verb not in PLANNED_BY_NAMESPACES:
        raise Refused("Exceptions are asked for, ended and removed by actions of their own.")
    with connected(variant.cluster, patience_seconds=WEB_PATIENCE_SECONDS) as gateway:
        return make_plan(gateway, variant, verb, namespaces, now=now)


def request(
    *,
    variant_id: int,
    verb: FlipVerb,
    namespaces: Collection[str],
    plan_digest: str,
    reason: str,
    override_reason: str,
    by: Actor,
    now: datetime,
) -> Flip:
    """Ask for a flip with the plan that this digest stands for.

    Raises Refused when the plan has moved, when a hard gate is open, or when another gate is open and no reason to
    override it is given; Busy when another flip of the variant is open; ClusterError.
    """
    at = _places(_variant(variant_id), verb, namespaces)
    require(by, Act.REQUEST_FLIP, at=at)
    if verb is FlipVerb.ROLLBACK:
        raise Refused("A rollback needs no request: roll back at once.")
    if not reason.strip():
        raise Refused("Say why: the person who approves will read it.")
    plan = preview(variant_id=variant_id, verb=verb, namespaces=namespaces, by=by, now=now)
    return _ask(variant_id, plan, plan_digest, reason, override_reason, at=at, by=by, now=now)


def _ask(
    variant_id: int,
    plan: Plan,
    plan_digest: str,
    reason: str,
    override_reason: str,
    *,
    at: tuple[Place, ...],
    by: Actor,
    now: datetime,
) -> Flip:
    """Write down a request for a plan, if it is the one that was looked at and its gates allow it."""
    if plan.digest != plan_digest:
        raise Refused("The plan has changed since you looked at it. Look again, then request.")
    check_gates(plan, override_reason)
    if plan.open_gates:
        require(by, Act.OVERRIDE_GATES, at=at)
    try:
        with transaction.atomic():
            flip = _create(
                variant_id, plan, FlipStatus.REQUESTED, reason, override_reason, by=by, now=now
            )
            audit.record(
                "flip.requested",
                by=by,
                now=now,
                flip=flip,
                message=flip.reason,
                details={"override_reason": flip.override_reason},
            )
    except IntegrityError:
        raise Busy("Another flip of this variant is open; decide on that one first.") from None
    return flip


def preview_removal(*, variant_id: int, removes: str, by: Actor, now: datetime) -> Plan:
    """Plan to remove an exception that secprof did not make, and write nothing. Raises Refused, ClusterError."""
    variant = _variant(variant_id)
    require(by, Act.VIEW, at=places_of(variant.cluster, ()))
    with connected(variant.cluster, patience_seconds=WEB_PATIENCE_SECONDS) as gateway:
        return plan_removal(gateway, variant, removes, now=now)


def request_removal(
    *,
    variant_id: int,
    removes: str,
    plan_digest: str,
    reason: str,
    override_reason: str,
    by: Actor,
    now: datetime,
) -> Flip:
    """Ask to remove an exception from the cluster that secprof did not make, as `group/namespace/name`.

    Somebody else approves it like any flip. It may exempt in places that nobody has looked at, and so takes a role on the
    whole cluster. Raises Refused, Busy, ClusterError as `request` does.
    """
    at = places_of(_variant(variant_id).cluster, ())
    require(by, Act.REQUEST_FLIP, at=at)
    if not reason.strip():
        raise Refused("Say why: the person who approves will read it.")
    plan = preview_removal(variant_id=variant_id, removes=removes, by=by, now=now)
    return _ask(variant_id, plan, plan_digest, reason, override_reason, at=at, by=by, now=now)


def check_gates(plan: Plan, override_reason: str) -> None:
    """Raise Refused unless every open gate may be, and is, overridden."""
    hard = [g for g in plan.open_gates if g.gate in HARD_GATES]
    if hard:
        sentences = tuple(dict.fromkeys(g.sentence for g in hard))
        raise Refused(f"This cannot be enforced now. {sentences[0]}", sentences)
    if plan.open_gates and not override_reason.strip():
        details = tuple(f"{g.namespace}: {g.sentence}" for g in plan.open_gates)
        raise Refused("Some gates do not pass. Say why they may be overridden.", details)


def _create(
    variant_id: int,
    plan: Plan,
    status: FlipStatus,
    reason: str,
    override_reason: str,
    *,
    by: Actor,
    now: datetime,
) -> Flip:
    flip = Flip(
        variant_id=variant_id,
        verb=plan.verb.value,
        namespaces=list(plan.namespaces),
        reason=reason.strip(),
        override_reason=override_reason.strip() if plan.open_gates else "",
        plan=plan.to_json(),
        plan_digest=plan.digest,
        status=status.value,
        requested_by_id=by.person_id,
        requested_at=now,
        lapses_at=now + timedelta(seconds=settings.SECPROF_APPROVAL_LAPSES_SECONDS),
    )
    flip.save(force_insert=True)
    return flip


def approve(*, flip_id: UUID, plan_digest: str, comment: str, by: Actor, now: datetime) -> Flip:
    """Approve a flip with this digest, and start its rollout.

    Raises Refused when the digest is not the flip's, or when something does not answer this moment; or, with what
    moved, when the ground has: the flip is then stale for good. Raises WrongState, NotAllowed, ClusterError.
    """
    flip = _decidable(flip_id, FlipStatus.APPROVED, by=by, now=now)
    if flip.plan_digest != plan_digest:
        raise Refused("This is not the plan that you looked at. Look again, then decide.")
    approved = Plan.from_json(flip.plan)
    with connected(flip.variant.cluster, patience_seconds=WEB_PATIENCE_SECONDS) as gateway:
        fresh = plan_anew(gateway, flip.variant, approved, now=now)
    moved = what_moved(approved, fresh)
    if moved:
        mark_stale(flip, moved, by=by, now=now)
        raise Refused("The ground has moved since this was asked for. Plan it again.", moved)
    away = gates_away(approved, fresh)
    if away:
        raise Refused(
            f"Not at this moment: {away[0].sentence} The request stays; approve it when that is over."
        )
    try:
        with transaction.atomic():
            _decide(flip, FlipStatus.APPROVED, comment, by=by, now=now)
            renewed = _renew(flip, fresh)
            audit.record(
                "flip.approved",
                by=by,
                now=now,
                flip=flip,
                message=comment.strip(),
                details=renewed,
            )
            start_rollout(flip, now=now)
    except IntegrityError:
        raise Busy(
            "Another rollout of this variant is under way; approve when it has ended."
        ) from None
    return flip


def _renew(flip: Flip, fresh: Plan) -> dict[str, str]:
    """Carry out what is there now where it differs only in exemptions elsewhere; say so in the trail."""
    if fresh.ground == Plan.from_json(flip.plan).ground:
        return {}
    asked_digest = flip.plan_digest
    flip.plan, flip.plan_digest = fresh.to_json(), fresh.digest
    flip.save(update_fields=["plan", "plan_digest"])
    return {"asked_digest": asked_digest, "renewed": "Exemptions in other namespaces have changed."}


def decline(*, flip_id: UUID, comment: str, by: Actor, now: datetime) -> Flip:
    """Decline a flip, saying why."""
    if not comment.strip():
        raise Refused("Say why you decline: the person who asked will read it.")
    flip = _decidable(flip_id, FlipStatus.DECLINED, by=by, now=now)
    with transaction.atomic():
        _decide(flip, FlipStatus.DECLINED, comment, by=by, now=now)
        audit.record("flip.declined", by=by, now=now, flip=flip, message=comment.strip())
    return flip


def withdraw(*, flip_id: UUID, by: Actor, now: datetime) -> Flip:
    """Take back a flip that nobody has decided on."""
    flip = _find(flip_id)
    at = places_of_flip(flip)
    require(by, Act.WITHDRAW_FLIP, at=at, requested_by_id=flip.requested_by_id)
    check_flip(FlipStatus(flip.status), FlipStatus.WITHDRAWN)
    with transaction.atomic():
        _close(flip, FlipStatus.WITHDRAWN, "", now=now)
        audit.record("flip.withdrawn", by=by, now=now, flip=flip)
    return flip


def roll_back(
    *, variant_id: int, namespaces: Collection[str], reason: str, by: Actor, now: datetime
) -> Flip:
    """Take namespaces back to Audit at once: one person, one reason, no gates, ahead of everything under way.

    Raises Refused when nothing is enforced there or about to be, Busy when a rollback runs already, ClusterError.
    """
    require(by, Act.ROLL_BACK, at=_places(_variant(variant_id), FlipVerb.ROLLBACK, namespaces))
    if not reason.strip():
        raise Refused("Say why: everybody will read it in the trail.")
    plan = preview(
        variant_id=variant_id, verb=FlipVerb.ROLLBACK, namespaces=namespaces, by=by, now=now
    )
    try:
        with transaction.atomic():
            supersede_active_rollout(variant_id, by=by, now=now)
            flip = _create(variant_id, plan, FlipStatus.APPROVED, reason, "", by=by, now=now)
            audit.record("flip.rolled_back", by=by, now=now, flip=flip, message=reason.strip())
            start_rollout(flip, now=now)
    except IntegrityError:
        raise Busy("A rollback of this variant is under way already.") from None
    return flip


def lapse_old_requests(*, now: datetime) -> int:
    """Let requests lapse that nobody decided on in time, and return their number."""
    old = Flip.objects.filter(status=FlipStatus.REQUESTED, lapses_at__lte=now)
    lapsed = 0
    for flip in old.select_related("variant__cluster"):
        with transaction.atomic():
            if _swap(
                flip, FlipStatus.LAPSED, closed_at=now, closing_message="Nobody decided in time."
            ):
                audit.record("flip.lapsed", by=SYSTEM, now=now, flip=flip)
                lapsed += 1
    return lapsed


def mark_stale(flip: Flip, moved: tuple[str, ...], *, by: Actor, now: datetime) -> None:
    """End a flip because what people approved is not there any more."""
    with transaction.atomic():
        _close(flip, FlipStatus.STALE, "\n".join(moved), now=now)
        audit.record(
            "flip.stale",
            by=by,
            now=now,
            flip=flip,
            outcome="refused",
            message="The ground has moved.",
            details={"moved": list(moved)},
        )


def _places(variant: Variant, verb: FlipVerb, namespaces: Collection[str]) -> tuple[Place, ...]:
    """Say where the flip would do something. Raises Refused when that is nowhere."""
    if verb is not FlipVerb.INSTALL and not namespaces:
        raise Refused("Choose at least one namespace.")
    return flip_places(variant.cluster, verb, namespaces)


def _variant(variant_id: int) -> Variant:
    return Variant.objects.select_related("cluster").get(pk=variant_id)


def _find(flip_id: UUID) -> Flip:
    return Flip.objects.select_related("variant__cluster").get(pk=flip_id)


def _decidable(flip_id: UUID, wanted: FlipStatus, *, by: Actor, now: datetime) -> Flip:
    flip = _find(flip_id)
    at = places_of_flip(flip)
    require(by, Act.DECIDE_FLIP, at=at, requested_by_id=flip.requested_by_id)
    check_flip(FlipStatus(flip.status), wanted)
    if flip.lapses_at <= now:
        raise Refused("This request has lapsed: nobody decided in time. Ask for it again.")
    return flip


def _decide(flip: Flip, status: FlipStatus, comment: str, *, by: Actor, now: datetime) -> None:
    closing = {"closed_at": now} if status is FlipStatus.DECLINED else {}
    swapped = _swap(
        flip, status, decided_by_id=by.user_id, decided_at=now, comment=comment.strip(), **closing
    )
    if not swapped:
        raise Busy("Somebody else has just decided on this flip.")


def _close(flip: Flip, status: FlipStatus, message: str, *, now: datetime) -> None:
    if not _swap(flip, status, closed_at=now, closing_message=message):
        raise Busy("Somebody else has just changed this flip.")


def _swap(flip: Flip, status: FlipStatus, **columns: object) -> bool:
    """Change the status if nobody else did meanwhile; say whether it worked."""
    columns["status"] = status.value
    rows = Flip.objects.filter(pk=flip.pk, status=flip.status).update(**columns)
    if rows:
        for name, value in columns.items():
            setattr(flip, name, value)
    return bool(rows)
