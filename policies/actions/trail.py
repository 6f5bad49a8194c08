"""Look after the audit trail: verify it, sign its head, and note who takes rows away as an export.

Nothing here changes a row; nothing in the product can.
"""

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from django.conf import settings

from policies.actions import audit
from policies.actions.errors import Refused
from policies.domain.authority import Act, Actor, require
from policies.domain.trail import (
    KnownHead,
    SignedHead,
    TrailKey,
    Verification,
    verify,
)
from policies.models import KeptHead, TrailCheck
from policies.queries.trail import TrailFilter
from policies.queries.trail_chain import (
    current_head,
    heads_at_hand,
    last_check,
    last_kept_head,
    rows_in_order,
)

logger = logging.getLogger(__name__)

FORMATS = ("jsonl", "csv")
BROKEN_AGAIN_AFTER = timedelta(hours=1)
"""A broken trail is looked at again sooner: it is said until somebody has acted."""


def trail_key() -> TrailKey | None:
    """Give the key that signs heads, if there is one."""
    return TrailKey(settings.SECPROF_TRAIL_KEY) if settings.SECPROF_TRAIL_KEY else None


def verify_here(heads: Iterable[KnownHead] = ()) -> Verification:
    """Verify all rows in the database against each other, the heads that lie beside them, and those given."""
    at_hand = heads_at_hand(trail_key())
    found = verify(rows_in_order(), (*at_hand.known, *heads))
    return replace(found, broken=at_hand.trouble) if found.is_whole else found


def verify_if_due(
    *, now: datetime, stopwatch: Callable[[], float] = time.monotonic
) -> TrailCheck | None:
    """Verify the trail unless that was done lately, and note how it ended; an error is logged for a broken one."""
    last = last_check()
    if last is not None and now - last.at < _interval(is_broken=last.broken_at is not None):
        return None
    began = stopwatch()
    found = verify_here()
    broken = found.broken
    check = TrailCheck.objects.create(
        at=now,
        seconds=round(stopwatch() - began, 3),
        verified_to=found.count,
        broken_at=broken.sequence if broken else None,
        fault=broken.fault.value if broken else "",
        sentence=broken.sentence if broken else "",
    )
    if broken:
        extra = {"sequence": broken.sequence, "fault": broken.fault.value}
        logger.error("trail.broken", extra={**extra, "sentence": broken.sentence})
    else:
        logger.info("trail.verified", extra={"rows": found.count, "seconds": check.seconds})
    return check


def keep_head_if_due(*, now: datetime) -> KeptHead | None:
    """Keep the head unless that was done lately or nothing came since, and write it to the log, whole."""
    last, head = last_kept_head(), current_head(installation=settings.SECPROF_INSTALLATION, now=now)
    if head is None or head.sequence == 0:
        return None
    if last is not None and (now - last.at < _interval() or last.sequence >= head.sequence):
        return None
    signed = _signed(now)
    kept = KeptHead.objects.create(
        at=now,
        sequence=signed.head.sequence,
        hash=signed.head.hash,
        installation=signed.head.installation,
        key_id=signed.key_id,
        signature=signed.signature,
    )
    logger.info("trail.head", extra={"head": signed.to_text()})
    return kept


def sign_head(*, by: Actor, now: datetime) -> SignedHead:
    """Sign the head for somebody who takes it outside; the head covers the row about that. Raises Refused without a key."""
    require(by, Act.EXPORT_TRAIL)
    if trail_key() is None:
        raise Refused(
            "There is no key to sign with: heads are not signed. Set SECPROF_TRAIL_KEY, see deploy/env.sample."
        )
    audit.record("trail.head_signed", by=by, now=now)
    return _signed(now)


def note_export(*, wanted: TrailFilter, form: str, by: Actor, now: datetime) -> int:
    """Note that somebody takes rows away, and say before which row: the one about this export."""
    require(by, Act.EXPORT_TRAIL)
    if form not in FORMATS:
        raise Refused(f"There is no such format: choose one of {', '.join(FORMATS)}.")
    event = audit.record(
        "trail.exported",
        by=by,
        now=now,
        details={"format": form, "filter": wanted.to_json()},
    )
    return event.pk


def _signed(now: datetime) -> SignedHead:
    """Sign the head as it is, or leave it unsigned without a key. Raises Refused without a head."""
    head = current_head(installation=settings.SECPROF_INSTALLATION, now=now)
    if head is None:
        raise Refused("The trail's head is gone from the database; run `manage.py verify_trail`.")
    key = trail_key()
    return key.sign(head) if key else SignedHead(head)


def _interval(*, is_broken: bool = False) -> timedelta:
    usual = timedelta(seconds=settings.SECPROF_TRAIL_CHECK_SECONDS)
    return min(usual, BROKEN_AGAIN_AFTER) if is_broken else usual
