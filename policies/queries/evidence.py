"""Load what is known about variants and namespaces: the evidence behind verdicts, in a fixed number of queries."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Max, Q

from policies.domain.library import Target
from policies.domain.lifecycle import StepKind, StepStatus
from policies.domain.readiness import (
    ClusterEvidence,
    NamespaceEvidence,
    NamespaceVerdict,
    PolicyEvidence,
    RehearsalEvidence,
    Tally,
    assess_namespace,
)
from policies.models import (
    Cluster,
    DesiredRevision,
    KindSnapshot,
    ObservedNamespace,
    ObservedPolicy,
    PostureTally,
    Rehearsal,
    ResultTally,
    RolloutStep,
    Variant,
)

WORKLOAD_KINDS = (
    "pods",
    "podtemplates",
    "replicationcontrollers",
    "replicasets.apps",
    "deployments.apps",
    "statefulsets.apps",
    "daemonsets.apps",
    "jobs.batch",
    "cronjobs.batch",
)
POLICY_KIND = {
    Target.CLUSTER_POLICY.value: "clusterpolicies.kyverno.io",
    Target.VALIDATING_POLICY.value: "validatingpolicies.policies.kyverno.io",
    Target.NATIVE.value: "validatingadmissionpolicies.admissionregistration.k8s.io",
}
REPORT_KIND = "policyreports.wgpolicyk8s.io"
SOURCE = {
    Target.CLUSTER_POLICY.value: "kyverno",
    Target.VALIDATING_POLICY.value: "KyvernoValidatingPolicy",
    Target.NATIVE.value: "ValidatingAdmissionPolicy",
}


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything known about some variants, ready to be assessed namespace by namespace."""

    clusters: dict[int, ClusterEvidence]
    """By variant id: which kinds are needed depends on the variant."""
    policies: dict[int, PolicyEvidence]
    namespaces: dict[tuple[int, str], NamespaceEvidence]
    """By variant id and name of the namespace."""

    def with_engine(self, variant_id: int, *, state: str, message: str, at: datetime) -> "Evidence":
        """Put a fresh answer of API server and engine in the place of the stored one."""
        fresh = replace(
            self.clusters[variant_id],
            contact_state="ok",
            contact_message="",
            contacted_at=at,
            engine_state=state,
            engine_message=message,
            engine_checked_at=at,
        )
        return replace(self, clusters={**self.clusters, variant_id: fresh})

    def with_policy(self, variant_id: int, *, exists: bool, drifted: bool) -> "Evidence":
        """Put what was just read of the variant's objects in the place of the stored copy."""
        fresh = replace(self.policies[variant_id], exists=exists, drifted=drifted)
        return replace(self, policies={**self.policies, variant_id: fresh})

    def assess(self, variant_id: int, namespace: str, *, now: datetime) -> NamespaceVerdict:
        """Draw the verdict for one namespace."""
        return assess_namespace(
            self.clusters[variant_id],
            self.policies[variant_id],
            self.namespaces[variant_id, namespace],
            now=now,
        )


def load_evidence(
    *, variants: Sequence[Variant], namespaces: Collection[str] | None = None
) -> Evidence:
    """Load the evidence of these variants, for these namespaces or all.

    The variants must come with their cluster (`select_related("cluster")`).
    """
    cluster_ids = {variant.cluster_id for variant in variants}
    wanted = Q(cluster_id__in=cluster_ids)
    if namespaces is not None:
        wanted &= Q(namespace__in=namespaces)
    snapshots = _snapshots(cluster_ids)
    observed = list(ObservedPolicy.objects.filter(cluster_id__in=cluster_ids).defer("manifest"))
    revisions = current_revisions(variants)
    return Evidence(
        clusters={v.pk: _cluster(v, snapshots) for v in variants},
        policies={v.pk: _policy(v, observed, revisions.get(v.pk)) for v in variants},
        namespaces=_namespaces(variants, cluster_ids, namespaces, wanted),
    )


def _snapshots(cluster_ids: Collection[int]) -> dict[tuple[int, str], KindSnapshot]:
    rows = KindSnapshot.objects.filter(cluster_id__in=cluster_ids)
    return {(row.cluster_id, row.kind): row for row in rows}


def needed_kinds(target: str) -> tuple[str, ...]:
    """Name the kinds without which nothing can be said about a variant of this target."""
    return ("namespaces", *WORKLOAD_KINDS, POLICY_KIND[target], REPORT_KIND)


def _cluster(variant: Variant, snapshots: dict[tuple[int, str], KindSnapshot]) -> ClusterEvidence:
    cluster: Cluster = variant.cluster
    needed = needed_kinds(variant.target)
    rows = {kind: snapshots.get((cluster.pk, kind)) for kind in needed}
    missing = tuple(
        kind for kind, row in rows.items() if row is None or not row.served or row.failure
    )
    times = [row.completed_at for row in rows.values() if row and row.completed_at]
    return ClusterEvidence(
        contact_state=cluster.contact_state,
        contact_message=cluster.contact_message,
        contacted_at=cluster.contacted_at,
        engine_state=cluster.engine_state,
        engine_message=cluster.engine_message,
        engine_checked_at=cluster.engine_checked_at,
        collected_at=min(times) if len(times) == len(needed) else None,
        missing_kinds=missing if any(rows.values()) else (),
        stale_after=timedelta(seconds=settings.SECPROF_STALE_AFTER_SECONDS),
        rehearsal_valid=timedelta(seconds=settings.SECPROF_REHEARSAL_VALID_SECONDS),
    )


def current_revisions(variants: Sequence[Variant]) -> dict[int, DesiredRevision]:
    """Find the revision that was last written, or begun to be written, for each variant."""
    written = (
        RolloutStep.objects.filter(
            rollout__variant__in=variants,
            kind=StepKind.APPLY,
            status__in=[StepStatus.RUNNING, StepStatus.DONE],
        )
        .values("rollout__variant_id")
        .annotate(number=Max("rollout__revision__number"))
    )
    latest = {row["rollout__variant_id"]: row["number"] for row in written}
    if not latest:
        return {}
    match = Q()
    for variant_id, number in latest.items():
        match |= Q(variant_id=variant_id, number=number)
    return {r.variant_id: r for r in DesiredRevision.objects.filter(match)}


def _policy(
    variant: Variant, observed: list[ObservedPolicy], revision: DesiredRevision | None
) -> PolicyEvidence:
    ours = {
        policy.name: policy
        for policy in observed
        if policy.cluster_id == variant.cluster_id
        and policy.kind == variant.target
        and policy.variant_name == variant.name
    }
    audit = ours.get(variant.name)
    return PolicyEvidence(
        exists=audit is not None,
        drifted=has_drifted({name: p.digest for name, p in ours.items()}, revision),
        changed_at=audit.changed_at if audit else None,
    )


def has_drifted(digests: dict[str, str], revision: DesiredRevision | None) -> bool:
    """Say whether objects on the cluster (digest by name) differ from what secprof wrote last."""
    wanted = {o["name"]: o["digest"] for o in revision.objects_wanted} if revision else {}
    return digests != wanted


def _namespaces(
    variants: Sequence[Variant],
    cluster_ids: Collection[int],
    names: Collection[str] | None,
    wanted: Q,
) -> dict[tuple[int, str], NamespaceEvidence]:
    observed = ObservedNamespace.objects.filter(cluster_id__in=cluster_ids)
    if names is not None:
        observed = observed.filter(name__in=names)
    tallies = {
        (t.cluster_id, t.source, t.policy, t.namespace): t
        for t in ResultTally.objects.filter(wanted)
    }
    postures = {
        (t.cluster_id, t.control, t.namespace): t for t in PostureTally.objects.filter(wanted)
    }
    rehearsals = last_rehearsals(variants, names)
    by_cluster: dict[int, list[ObservedNamespace]] = {}
    for row in observed:
        by_cluster.setdefault(row.cluster_id, []).append(row)
    found = {}
    for variant in variants:
        source = SOURCE[variant.target]
        control = ",".join(sorted(variant.controls))
        for row in by_cluster.get(variant.cluster_id, []):
            tally = tallies.get((variant.cluster_id, source, variant.name, row.name))
            posture = postures.get((variant.cluster_id, control, row.name))
            rehearsal = rehearsals.get((variant.pk, row.name))
            found[variant.pk, row.name] = NamespaceEvidence(
                namespace=row.name,
                is_system=row.is_system,
                tally=_tally(tally) if tally else None,
                workload_count=posture.workload_count if posture else 0,
                reportable_count=posture.reportable_count if posture else 0,
                posture_failing_count=posture.failing_count if posture else 0,
                rehearsal=_rehearsal(rehearsal) if rehearsal else None,
                unreadable_count=posture.unreadable_count if posture else 0,
            )
    return found


def _tally(row: ResultTally) -> Tally:
    return Tally(**{name: getattr(row, name) for name in Tally.__slots__})


def last_rehearsals(
    variants: Sequence[Variant], names: Collection[str] | None = None
) -> dict[tuple[int, str], Rehearsal]:
    """Find the last finished rehearsal of each variant in each namespace."""
    rows = Rehearsal.objects.filter(variant__in=variants, is_latest=True)
    if names is not None:
        rows = rows.filter(namespace__in=names)
    return {(row.variant_id, row.namespace): row for row in rows}


def _rehearsal(row: Rehearsal) -> RehearsalEvidence:
    return RehearsalEvidence(
        started_at=row.started_at,
        finished_at=row.finished_at or row.started_at,
        workload_count=row.workload_count,
        refused_count=row.refused_count,
        unjudged_count=row.unjudged_count,
    )
