"""Rehearse: send each workload's own pod as a dry-run while the policy warns, and keep the engine's verdict.

Nothing is stored in the cluster. Workloads with the same pod are asked about once.
"""

import logging
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import monotonic
from uuid import UUID

import msgspec
from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Q

from policies import dispatch
from policies.actions import audit
from policies.actions.connections import connected
from policies.actions.engine import ask_pod
from policies.actions.errors import Refused
from policies.actions.storing import content_hash
from policies.cluster.errors import ClusterError, Conflict, Forbidden, Invalid
from policies.cluster.gateway import WORKLOADS, Gateway, Manifest
from policies.domain.answers import AnswerOutcome, PodAnswer
from policies.domain.authority import Act, Actor, require
from policies.domain.library import Target, probe_pods
from policies.domain.objects import WorkloadKind
from policies.domain.ownership import Owned, resolve_tops
from policies.domain.posture import UnreadablePodSpec, pod_of
from policies.models import (
    ObservedNamespace,
    ObservedPolicy,
    Rehearsal,
    RehearsedWorkload,
    Variant,
)
from policies.queries.places import places_of
from policies.queries.specs import current_revisions, written_spec

logger = logging.getLogger(__name__)

LOST_AFTER = timedelta(minutes=5)
"""A rehearsal without a heartbeat for this long has lost its worker."""
SENT_AGAIN_AFTER = timedelta(minutes=1)
HEARTBEAT_EVERY = timedelta(seconds=10)
LATE_SECONDS = 2.5
"""Kyverno's webhooks have 3 seconds, and the API server goes on without an answer where the policy only audits."""
KEPT = 3
"""Rehearsals of a namespace that stay for comparison."""

OUTCOMES = {
    AnswerOutcome.ADMITTED: "admitted",
    AnswerOutcome.WARNED: "refused",
    AnswerOutcome.REFUSED: "refused",
}
"""What an answer means for the workload; every other answer leaves it unjudged."""


@dataclass(frozen=True, slots=True)
class _Candidate:
    """One top-level workload and the pod that it would create."""

    kind: str
    name: str
    pod: Manifest | None
    problem: str = ""


def request_rehearsal(
    *, variant_id: int, namespaces: Collection[str], by: Actor, now: datetime
) -> tuple[Rehearsal, ...]:
    """Queue a rehearsal in each namespace; one that runs already is left to run. Raises Refused."""
    variant = Variant.objects.select_related("cluster").get(pk=variant_id)
    require(by, Act.REHEARSE, at=places_of(variant.cluster, namespaces))
    installed = ObservedPolicy.objects.filter(
        cluster=variant.cluster, kind=variant.target, name=variant.name, role="audit"
    )
    if not installed.exists():
        raise Refused(
            f"{variant.name} is not installed on {variant.cluster.name}: install it first."
        )
    _check_namespaces(variant, namespaces)
    abandon_lost(now=now)
    started = []
    for namespace in sorted(set(namespaces)):
        try:
            with transaction.atomic():
                started.append(_start(variant, namespace, by=by, now=now))
        except IntegrityError:
            continue
    return tuple(started)


def _check_namespaces(variant: Variant, namespaces: Collection[str]) -> None:
    if not namespaces:
        raise Refused("Choose at least one namespace.")
    known = ObservedNamespace.objects.filter(cluster=variant.cluster, name__in=namespaces)
    missing = set(namespaces) - set(known.values_list("name", flat=True))
    if missing:
        raise Refused(f"{variant.cluster.name} has no namespace {', '.join(sorted(missing))}.")


def _start(variant: Variant, namespace: str, *, by: Actor, now: datetime) -> Rehearsal:
    rehearsal = Rehearsal.objects.create(
        variant=variant,
        namespace=namespace,
        state=Rehearsal.State.RUNNING,
        requested_by=by.name,
        started_at=now,
    )
    audit.record(
        "rehearsal.requested",
        by=by,
        now=now,
        cluster=variant.cluster,
        variant=variant.name,
        namespaces=(namespace,),
    )
    dispatch.enqueue(dispatch.REHEARSE, rehearsal_id=str(rehearsal.pk))
    return rehearsal


def abandon_lost(*, now: datetime) -> int:
    """End rehearsals whose worker is gone, and return their number."""
    lost = Rehearsal.objects.filter(
        state=Rehearsal.State.RUNNING, heartbeat_at__lt=now - LOST_AFTER
    )
    return lost.update(
        state=Rehearsal.State.FAILED,
        finished_at=now,
        message="The worker that ran this rehearsal disappeared. Rehearse again.",
    )


def waiting_rehearsals(*, now: datetime) -> tuple[str, ...]:
    """Name the rehearsals whose message must have been lost: they wait although no worker is at any."""
    running = Rehearsal.objects.filter(state=Rehearsal.State.RUNNING)
    if running.filter(heartbeat_at__isnull=False).exists():
        return ()
    waiting = running.filter(started_at__lt=now - SENT_AGAIN_AFTER).order_by("started_at")
    return tuple(str(pk) for pk in waiting.values_list("pk", flat=True))


def rehearse(*, rehearsal_id: UUID, clock: Callable[[], datetime]) -> Rehearsal:
    """Run one rehearsal to its end; harmless when it has ended already or another worker is at it."""
    rehearsal = Rehearsal.objects.select_related("variant__cluster").get(pk=rehearsal_id)
    if not _take_up(rehearsal, clock()):
        return rehearsal
    try:
        with connected(rehearsal.variant.cluster, patience_seconds=15) as gateway:
            answers = _ask_all(gateway, rehearsal, clock)
    except (ClusterError, Refused) as error:
        Rehearsal.objects.filter(pk=rehearsal.pk, state=Rehearsal.State.RUNNING).update(
            state=Rehearsal.State.FAILED, finished_at=clock(), message=error.message
        )
    else:
        _finish(rehearsal, answers, clock())
    rehearsal.refresh_from_db()
    return rehearsal


def _take_up(rehearsal: Rehearsal, now: datetime) -> bool:
    free = Q(heartbeat_at__isnull=True) | Q(heartbeat_at__lt=now - LOST_AFTER)
    rehearsal.heartbeat_at = now
    running = Rehearsal.objects.filter(free, pk=rehearsal.pk, state=Rehearsal.State.RUNNING)
    return bool(running.update(heartbeat_at=now))


def _beat(rehearsal: Rehearsal, now: datetime) -> None:
    if rehearsal.heartbeat_at is None or now - rehearsal.heartbeat_at > HEARTBEAT_EVERY:
        rehearsal.heartbeat_at = now
        Rehearsal.objects.filter(pk=rehearsal.pk).update(heartbeat_at=now)


def _ask_all(
    gateway: Gateway, rehearsal: Rehearsal, clock: Callable[[], datetime]
) -> list[RehearsedWorkload]:
    variant = rehearsal.variant
    ours = ObservedPolicy.objects.filter(cluster=variant.cluster, variant_name=variant.name)
    policies = tuple(ours.values_list("name", flat=True))
    bad = probe_pods(written_spec(variant, current_revisions([variant]).get(variant.pk))).bad
    asking = _Asking(gateway, rehearsal.namespace, policies, variant.target == Target.NATIVE)
    asking.check_engine(bad)
    rows = []
    for position, candidate in enumerate(_candidates(gateway, rehearsal.namespace)):
        _beat(rehearsal, clock())
        if position >= settings.SECPROF_REHEARSAL_LIMIT:
            answer = PodAnswer(
                AnswerOutcome.POLICY_ERROR,
                message=f"Not asked: only {settings.SECPROF_REHEARSAL_LIMIT} workloads are rehearsed.",
            )
        else:
            answer = asking.ask(candidate)
        rows.append(
            RehearsedWorkload(
                rehearsal=rehearsal,
                kind=candidate.kind,
                name=candidate.name,
                outcome=OUTCOMES.get(answer.outcome, "unjudged"),
                message=answer.message,
                at=clock(),
            )
        )
    asking.check_engine(bad)
    return rows


def _candidates(gateway: Gateway, namespace: str) -> Iterator[_Candidate]:
    """Yield the top-level workloads of a namespace as they are now."""
    manifests: dict[str, tuple[WorkloadKind, Manifest]] = {}
    for resource in WORKLOADS:
        for page in gateway.pages(resource, namespace=namespace):
            for item in page.items:
                manifest: Manifest = msgspec.json.decode(item)
                uid = manifest["metadata"]["uid"]
                manifests[uid] = (WorkloadKind(resource.kind), manifest)
    tops = resolve_tops(
        Owned(uid, kind.value, manifest["metadata"]["name"], _controller_uid(manifest))
        for uid, (kind, manifest) in manifests.items()
    )
    for uid, (kind, manifest) in manifests.items():
        if tops[uid].uid == uid:
            yield _candidate(kind, manifest)


def _controller_uid(manifest: Manifest) -> str:
    for owner in manifest["metadata"].get("ownerReferences") or ():
        if owner.get("controller"):
            return str(owner.get("uid", ""))
    return ""


def _candidate(kind: WorkloadKind, manifest: Manifest) -> _Candidate:
    name = manifest["metadata"]["name"]
    try:
        return _Candidate(kind.value, name, pod_of(kind, manifest, name="secprof-rehearsal"))
    except UnreadablePodSpec as error:
        return _Candidate(kind.value, name, None, str(error))


@dataclass(frozen=True, slots=True)
class _Asking:
    """What the questions of one rehearsal share."""

    gateway: Gateway
    namespace: str
    policies: tuple[str, ...]
    is_native: bool
    known: dict[str, PodAnswer] = field(default_factory=dict)
    """Answers by content of the pod."""

    def check_engine(self, bad: Manifest) -> None:
        """See that the engine judges pods here, before and after: its silence must not pass for admission.

        Raises Refused when a bad pod meets no word of our policy.
        """
        answer = ask_pod(self.gateway, self.namespace, bad, self.policies)
        if OUTCOMES.get(answer.outcome) != "refused":
            said = answer.message or "A bad pod passed without a warning."
            raise Refused(f"The engine does not judge pods here. {said}")

    def ask(self, candidate: _Candidate) -> PodAnswer:
        """Ask about one workload's pod, unless the same pod was asked about already."""
        if candidate.pod is None:
            return PodAnswer(AnswerOutcome.POLICY_ERROR, message=candidate.problem)
        same = content_hash(candidate.pod)
        if same not in self.known:
            try:
                self.known[same] = self._timely(candidate.pod)
            except (Invalid, Forbidden, Conflict) as error:
                # This pod would not come to be at all, whatever the policy says.
                self.known[same] = PodAnswer(AnswerOutcome.REFUSED_BY_OTHER, message=error.message)
        return self.known[same]

    def _timely(self, pod: Manifest) -> PodAnswer:
        """Ask, and take a late admission for no verdict: an engine that takes too long is passed over in silence."""
        started = monotonic()
        answer = ask_pod(self.gateway, self.namespace, pod, self.policies)
        seconds = monotonic() - started
        if self.is_native or answer.outcome is not AnswerOutcome.ADMITTED or seconds < LATE_SECONDS:
            return answer
        message = (
            f"The answer took {seconds:.1f} s: the engine may not have been heard. Rehearse again."
        )
        return PodAnswer(AnswerOutcome.POLICY_ERROR, message=message)


def _finish(rehearsal: Rehearsal, rows: list[RehearsedWorkload], now: datetime) -> None:
    counts = {
        outcome: sum(1 for row in rows if row.outcome == outcome)
        for outcome in ("admitted", "refused", "unjudged")
    }
    siblings = Rehearsal.objects.filter(variant=rehearsal.variant, namespace=rehearsal.namespace)
    with transaction.atomic():
        running = siblings.filter(pk=rehearsal.pk, state=Rehearsal.State.RUNNING)
        if not running.select_for_update().exists():
            return
        siblings.filter(is_latest=True).update(is_latest=False)
        running.update(
            state=Rehearsal.State.DONE,
            finished_at=now,
            workload_count=len(rows),
            admitted_count=counts["admitted"],
            refused_count=counts["refused"],
            unjudged_count=counts["unjudged"],
            is_latest=True,
        )
        RehearsedWorkload.objects.bulk_create(rows, batch_size=500)
        old = siblings.order_by("-started_at").values_list("pk", flat=True)[KEPT:]
        Rehearsal.objects.filter(pk__in=list(old)).delete()
