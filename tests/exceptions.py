"""Rows of exceptions for tests: one in any state, asked for by the operator and decided on by the approver."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.utils import timezone

from policies.domain.lifecycle import ExceptionStatus
from policies.models import ExceptionRequest, Variant
from tests import factories

FTP = {"kind": "Deployment", "name": "ftp"}
DECIDED = frozenset(
    {
        ExceptionStatus.APPROVED,
        ExceptionStatus.IN_FORCE,
        ExceptionStatus.FAILED,
        ExceptionStatus.ENDING,
        ExceptionStatus.ENDED,
    }
)
PROVEN = frozenset({ExceptionStatus.IN_FORCE, ExceptionStatus.ENDING, ExceptionStatus.ENDED})
CLOSED = frozenset(
    {
        ExceptionStatus.DECLINED,
        ExceptionStatus.WITHDRAWN,
        ExceptionStatus.LAPSED,
        ExceptionStatus.ENDED,
    }
)


def named(*names: str, kind: str = "Deployment") -> list[dict[str, str]]:
    """Stored names of workloads of one kind."""
    return [{"kind": kind, "name": name} for name in names]


def exception(
    of: Variant,
    status: ExceptionStatus = ExceptionStatus.REQUESTED,
    namespace: str = "batch",
    workloads: Iterable[dict[str, str]] = (FTP,),
    **fields: Any,
) -> ExceptionRequest:
    """An exception for some workloads of a namespace, for 30 days."""
    now = timezone.now()
    asked = list(workloads)
    ends_at = fields.get("ends_at", now + timedelta(days=30))
    values: dict[str, Any] = {
        "controls": list(of.controls),
        "reason": "The vendor ships no profile yet.",
        "compensating_control": "Only the partner network reaches it.",
        "ticket": "https://tickets.example/OPS-4711",
        "ends_at": ends_at,
        "requested_by": factories.user("operator"),
        "created_at": now - timedelta(days=2),
    }
    if status is not ExceptionStatus.DRAFT:
        values |= {
            "requested_at": now - timedelta(days=1),
            "lapses_at": now + timedelta(days=6),
        }
    if status in {*DECIDED, ExceptionStatus.DECLINED}:
        values |= {
            "decided_by": factories.user("approver"),
            "decided_at": now - timedelta(hours=5),
            "comment": "Agreed, until the vendor has delivered.",
        }
    if status in DECIDED:
        values |= {"approved_workloads": asked, "approved_ends_at": ends_at}
    if status in PROVEN:
        values["in_force_at"] = now - timedelta(hours=4)
    if status in {ExceptionStatus.ENDING, ExceptionStatus.ENDED}:
        values |= {"ending_at": now - timedelta(hours=1), "ending_reason": "expired"}
    if status in CLOSED:
        values["closed_at"] = now - timedelta(minutes=30)
    return ExceptionRequest.objects.create(
        variant=of,
        namespace=namespace,
        workloads=asked,
        status=status.value,
        **{**values, **fields},
    )
