"""One exception in words: how it stands, what each workload would suffer without it, and what may be done now."""

from dataclasses import dataclass
from datetime import datetime

from policies.domain.exemptions import WorkloadName
from policies.domain.lifecycle import EXCEPTION_TRANSITIONS, ExceptionStatus
from policies.queries.exception_pages import Evidence, ExceptionPage
from policies.web.presenters.exceptions import title_of
from policies.web.presenters.readiness import effect_on, workload_meta
from policies.web.words import count_of


@dataclass(frozen=True, slots=True)
class ShownEvidence:
    """One workload of an exception."""

    typed: str
    """`Deployment/ftp`, as forms send it."""
    kind: str
    name: str
    meta: str
    agreed: str
    need: str
    faults: tuple[str, ...]
    effect: str
    is_ticked: bool


@dataclass(frozen=True, slots=True)
class Possible:
    """What its state allows, whoever asks."""

    decide: bool
    edit: bool
    withdraw: bool
    try_again: bool
    end: bool
    change: bool
    """Edit or withdraw: the requester's own business, so nobody else is shown it."""


ENDINGS = (
    ("not needed", "No longer needed", "what it exempted is fixed or gone"),
    ("revoked", "Revoke", "it should not be there any longer"),
)
_SENTENCES = {
    ExceptionStatus.DRAFT: "A draft: nobody but its writer sees it, and nobody decides on it.",
    ExceptionStatus.REQUESTED: "Nothing is written before somebody else has decided.",
    ExceptionStatus.APPROVED: "Agreed to. It is not exempt before the cluster has proven it.",
    ExceptionStatus.IN_FORCE: "In force: a bad pod of each workload was let through, and one beside it was judged as before.",
    ExceptionStatus.FAILED: "Carried out and not proven: what was written may still be on the cluster.",
    ExceptionStatus.ENDING: "It is being taken off the cluster. It counts as exempt until its end is proven.",
    ExceptionStatus.ENDED: "Over: it is off the cluster, and that was proven.",
    ExceptionStatus.DECLINED: "Declined: nothing was written.",
    ExceptionStatus.WITHDRAWN: "Withdrawn: nothing of it is on the cluster.",
    ExceptionStatus.LAPSED: "Nobody decided in time: ask again if it is still wanted.",
}


def page_title(page: ExceptionPage) -> str:
    """Say the exception in one sentence, as agreed, or as asked for while nobody has decided."""
    row = page.row
    return title_of(row.workloads, row.namespace, row.variant, row.ends_at)


def state_sentence(page: ExceptionPage) -> str:
    """Say what its state means."""
    status = page.row.status
    if status is ExceptionStatus.ENDED and page.in_force_at is None:
        return "Over before it came into force: nothing of it is on the cluster."
    return _SENTENCES[status]


def since(page: ExceptionPage) -> tuple[str, datetime]:
    """Say since when its state holds."""
    row = page.row
    word, at = {
        ExceptionStatus.DRAFT: ("begun", row.requested_at),
        ExceptionStatus.REQUESTED: ("asked", row.requested_at),
        ExceptionStatus.APPROVED: ("approved", page.decided_at),
        ExceptionStatus.IN_FORCE: ("proven", page.in_force_at),
        ExceptionStatus.ENDING: ("begun", page.ending_at),
    }.get(row.status, ("ended", page.closed_at))
    return word, at or row.changed_at


def possible(page: ExceptionPage, *, user_id: int | None) -> Possible:
    """Read from the one table of transitions what may come next."""
    status = page.row.status
    following = EXCEPTION_TRANSITIONS[status]
    edit = status is ExceptionStatus.REQUESTED or ExceptionStatus.REQUESTED in following
    withdraw = ExceptionStatus.WITHDRAWN in following
    return Possible(
        decide=status is ExceptionStatus.REQUESTED,
        edit=edit,
        withdraw=withdraw,
        change=(edit or withdraw) and page.row.requested_by_id == user_id,
        try_again=status is ExceptionStatus.FAILED,
        end=ExceptionStatus.ENDING in following,
    )


def shown_evidence(
    page: ExceptionPage, *, ticked: tuple[WorkloadName, ...] | None = None
) -> tuple[ShownEvidence, ...]:
    """Word the workloads; `ticked` is what somebody has chosen before, all of them otherwise."""
    return tuple(_shown(line, page, ticked) for line in page.evidence)


def evidence_summary(page: ExceptionPage) -> str:
    """Count how many still need it."""
    if not page.evidence:
        return ""
    needed = sum(line.need == "failing" for line in page.evidence)
    return f"{needed} of {count_of(len(page.evidence), 'workload')} fail without it"


def _shown(
    line: Evidence, page: ExceptionPage, ticked: tuple[WorkloadName, ...] | None
) -> ShownEvidence:
    name, found = line.workload, line.reviewed
    return ShownEvidence(
        typed=f"{name.kind}/{name.name}",
        kind=name.kind.value,
        name=name.name,
        meta=workload_meta(found) if found else "",
        agreed="yes" if line.is_agreed else "no",
        need=line.need,
        faults=_faults(line),
        effect=_effect(line, page),
        is_ticked=ticked is None or name in ticked,
    )


def _faults(line: Evidence) -> tuple[str, ...]:
    if line.reviewed is None:
        return ("Not among the workloads that were collected last.",)
    return tuple(
        dict.fromkeys(
            f"{fault.container or 'the pod'}: {fault.declared or 'not set'}"
            for fault in line.reviewed.faults
        )
    )


def _effect(line: Evidence, page: ExceptionPage) -> str:
    found = line.reviewed
    if line.need != "failing" or found is None:
        return "nothing" if line.need in {"passing", "gone"} else "not known"
    if page.here.enforced_at is None:
        return "reported again; refused nowhere while it is Audit"
    return effect_on(found.kind, found.replicas, is_suspended=found.is_suspended)


def day_of(at: datetime | None) -> str:
    """Write a day as a form does."""
    return at.date().isoformat() if at else ""


def cover_title(status: ExceptionStatus) -> str:
    """Say what its objects are to the cluster."""
    if status in {ExceptionStatus.DRAFT, ExceptionStatus.REQUESTED, ExceptionStatus.APPROVED}:
        return "What is written for it"
    if status in {ExceptionStatus.IN_FORCE, ExceptionStatus.FAILED, ExceptionStatus.ENDING}:
        return "What was written for it"
    return "What it was about"
