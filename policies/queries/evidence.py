"""Load what is known about variants and namespaces: the evidence behind verdicts, in a fixed number of queries."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings

from policies.cluster.gateway import (
    CLUSTER_POLICIES,
    NAMESPACES,
    NATIVE_BINDINGS,
    NATIVE_POLICIES,
    OPEN_REPORTS,
    POLICY_REPORTS,
    VALIDATING_POLICIES,
    WORKLOADS,
)
from policies.domain.enforceability import Obstacle
from policies.domain.judges import Judge
from policies.domain.library import ObjectRole, Target
from policies.domain.readiness import (
    NOBODY_EXEMPT,
    USUAL_REPORTS,
    Barred,
    ClusterEvidence,
    ExemptEvidence,
    NamespaceEvidence,
    NamespaceVerdict,
    PolicyEvidence,
    RehearsalEvidence,
    ReportsEvidence,
    Tally,
    assess_install,
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
    Variant,
)
from policies.queries.engine_reports import load_reports_evidence
from policies.queries.exempted import load_exempt_evidence
from policies.queries.specs import OBJECT_KINDS, current_revisions, last_rewritten, written_judge

POLICY_KINDS: dict[str, tuple[str, ...]] = {
    Target.CLUSTER_POLICY.value: (CLUSTER_POLICIES.full_name,),
    Target.VALIDATING_POLICY.value: (VALIDATING_POLICIES.full_name,),
    Target.NATIVE.value: (NATIVE_POLICIES.full_name, NATIVE_BINDINGS.full_name),
}
"""What a variant's objects are listed as, by target."""
SOURCE = {
    Target.CLUSTER_POLICY.value: "kyverno",
    Target.VALIDATING_POLICY.value: "KyvernoValidatingPolicy",
    Target.NATIVE.value: "ValidatingAdmissionPolicy",
}


AUDITING_ROLES = frozenset({ObjectRole.AUDIT.value, ObjectRole.BINDING.value})
"""Roles of the objects whose change makes older reports and rehearsals tell of another policy."""
HEARD = ""
"""The namespace of the tally that says that a judge was heard."""


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

    def assess_install(self, variant_id: int, namespace: str, *, now: datetime) -> NamespaceVerdict:
        """Draw the verdict on other parameters for one namespace that is enforced."""
        return assess_install(
            self.clusters[variant_id],
            self.policies[variant_id],
            self.namespaces[variant_id, namespace],
            now=now,
        )


def load_evidence(
    *,
    variants: Sequence[Variant],
    namespaces: Collection[str] | None = None,
    judges: Mapping[int, Judge] | None = None,
) -> Evidence:
    """Load the evidence of these variants, for these namespaces or all.

    The variants must come with their cluster (`select_related("cluster")`). `judges`, by variant id, stand in for those
    of what the cluster holds: what would be asked if other parameters were installed.
    """
    cluster_ids = {variant.cluster_id for variant in variants}
    snapshots = _snapshots(cluster_ids)
    reports = load_reports_evidence(cluster_ids)
    observed = list(ObservedPolicy.objects.filter(cluster_id__in=cluster_ids).defer("manifest"))
    revisions = current_revisions(variants)
    rewritten = last_rewritten(variants)
    asked = {v.pk: written_judge(v, revisions.get(v.pk)) for v in variants} | dict(judges or {})
    return Evidence(
        clusters={
            v.pk: _cluster(
                v, snapshots, reports.get((v.cluster_id, SOURCE[v.target]), USUAL_REPORTS)
            )
            for v in variants
        },
        policies={
            v.pk: _policy(v, observed, revisions.get(v.pk), rewritten.get(v.pk)) for v in variants
        },
        namespaces=_namespaces(variants, asked, cluster_ids, namespaces),
    )


def _snapshots(cluster_ids: Collection[int]) -> dict[tuple[int, str], KindSnapshot]:
    rows = KindSnapshot.objects.filter(cluster_id__in=cluster_ids)
    return {(row.cluster_id, row.kind): row for row in rows}


def needed_kinds(target: str) -> tuple[str, ...]:
    """Name the kinds without which nothing can be said about a variant of this target."""
    reports = () if target == Target.NATIVE else (POLICY_REPORTS.full_name,)
    workloads = (resource.full_name for resource in WORKLOADS)
    return (NAMESPACES.full_name, *workloads, *POLICY_KINDS[target], *reports)


def _cluster(
    variant: Variant,
    snapshots: dict[tuple[int, str], KindSnapshot],
    reports: ReportsEvidence,
) -> ClusterEvidence:
    cluster: Cluster = variant.cluster
    needed = needed_kinds(variant.target)
    rows = {kind: snapshots.get((cluster.pk, kind)) for kind in needed}
    if POLICY_REPORTS.full_name in rows:
        rows[POLICY_REPORTS.full_name] = _report_snapshot(cluster, snapshots)
    missing = tuple(
        kind for kind, row in rows.items() if row is None or not row.served or row.failure
    )
    times = [row.completed_at for row in rows.values() if row and row.completed_at]
    evidence = ClusterEvidence(
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
        reports=reports,
    )
    return _judging_by_itself(evidence) if variant.target == Target.NATIVE else evidence


def _report_snapshot(
    cluster: Cluster, snapshots: dict[tuple[int, str], KindSnapshot]
) -> KindSnapshot | None:
    """Take the group of the report API that the cluster serves; one that could not be read, of both."""
    found = [
        row
        for kind in (POLICY_REPORTS, OPEN_REPORTS)
        if (row := snapshots.get((cluster.pk, kind.full_name))) is not None
    ]
    worst_first = sorted(found, key=lambda row: (not row.failure, not row.served))
    return worst_first[0] if worst_first else None


def _judging_by_itself(evidence: ClusterEvidence) -> ClusterEvidence:
    """Let the contact stand for the engine: behind a native policy there is only the API server."""
    return replace(
        evidence,
        engine_state="up" if evidence.contact_state == "ok" else "unknown",
        engine_message=evidence.contact_message,
        engine_checked_at=evidence.contacted_at,
    )


def _policy(
    variant: Variant,
    observed: list[ObservedPolicy],
    revision: DesiredRevision | None,
    rewritten: datetime | None,
) -> PolicyEvidence:
    ours = {
        policy.name: policy
        for policy in observed
        if policy.cluster_id == variant.cluster_id
        and policy.kind in OBJECT_KINDS[variant.target]
        and policy.variant_name == variant.name
    }
    drifted = has_drifted({name: p.digest for name, p in ours.items()}, revision)
    changes = (
        # Who is exempt comes and goes in a native policy, and makes no evidence about anybody else older.
        min(p.changed_at, rewritten)
        if rewritten and not drifted and p.role == ObjectRole.AUDIT
        else p.changed_at
        for p in ours.values()
        if p.role in AUDITING_ROLES
    )
    return PolicyEvidence(
        exists=variant.name in ours,
        drifted=drifted,
        changed_at=max(changes, default=None),
        is_native=variant.target == Target.NATIVE,
    )


def has_drifted(digests: dict[str, str], revision: DesiredRevision | None) -> bool:
    """Say whether objects on the cluster (digest by name) differ from what secprof wrote last."""
    wanted = {o["name"]: o["digest"] for o in revision.objects_wanted} if revision else {}
    return digests != wanted


@dataclass(frozen=True, slots=True)
class _Posture:
    """How the workloads of one namespace stand before one judge."""

    workload_count: int
    failing_count: int
    reportable_count: int
    unreadable_count: int


def _namespaces(
    variants: Sequence[Variant],
    judges: Mapping[int, Judge],
    cluster_ids: Collection[int],
    names: Collection[str] | None,
) -> dict[tuple[int, str], NamespaceEvidence]:
    observed = ObservedNamespace.objects.filter(cluster_id__in=cluster_ids)
    if names is not None:
        observed = observed.filter(name__in=names)
    tallies = _result_tallies(variants, names)
    postures = _posture_tallies(cluster_ids, judges, names)
    rehearsals = last_rehearsals(variants, names)
    exempt = load_exempt_evidence(variants, judges, SOURCE, names)
    by_cluster: dict[int, list[tuple[str, bool, Barred | None]]] = {}
    for cluster_id, name, is_system, obstacles, since in observed.values_list(
        "cluster_id", "name", "is_system", "not_enforceable", "not_enforceable_since"
    ):
        space = (name, is_system, barred_by(obstacles, since))
        by_cluster.setdefault(cluster_id, []).append(space)
    found = {}
    for variant in variants:
        judge = judges[variant.pk]
        of_judge = postures.get((variant.cluster_id, judge.key), {})
        of_policy = tallies.get((variant.cluster_id, SOURCE[variant.target], variant.name), {})
        for name, is_system, barred in by_cluster.get(variant.cluster_id, []):
            place = (variant.pk, name)
            found[place] = _namespace(
                name,
                is_system,
                barred,
                judge,
                of_policy.get(name),
                of_judge,
                rehearsals.get(place),
                exempt.get(place, NOBODY_EXEMPT),
            )
    return found


def _namespace(
    name: str,
    is_system: bool,  # noqa: FBT001 - one of nine that stand in their order
    barred: Barred | None,
    judge: Judge,
    tally: Tally | None,
    postures: Mapping[str, _Posture],
    rehearsal: Rehearsal | None,
    exempt: ExemptEvidence,
) -> NamespaceEvidence:
    posture = postures.get(name)
    return NamespaceEvidence(
        namespace=name,
        is_system=is_system,
        tally=tally,
        workload_count=posture.workload_count if posture else 0,
        reportable_count=posture.reportable_count if posture else 0,
        posture_failing_count=posture.failing_count if posture else 0,
        rehearsal=_rehearsal(rehearsal) if rehearsal else None,
        unreadable_count=posture.unreadable_count if posture else 0,
        is_judged=HEARD in postures,
        is_excluded=judge.excludes(name),
        barred=barred,
        exempt=exempt,
    )


def barred_by(obstacles: Sequence[Any], since: datetime | None) -> Barred | None:
    """Read what of the engine's settings keeps it from judging a namespace: two columns of an ObservedNamespace."""
    return Barred(tuple(map(Obstacle.from_json, obstacles)), since) if obstacles else None


def _result_tallies(
    variants: Sequence[Variant], names: Collection[str] | None
) -> dict[tuple[int, str, str], dict[str, Tally]]:
    """Load the tallies of these variants by (cluster, source, policy), then by namespace."""
    rows = ResultTally.objects.filter(
        cluster_id__in={variant.cluster_id for variant in variants},
        source__in={SOURCE[variant.target] for variant in variants},
        policy__in={variant.name for variant in variants},
    )
    if names is not None:
        rows = rows.filter(namespace__in=names)
    found: dict[tuple[int, str, str], dict[str, Tally]] = {}
    keys = ("cluster_id", "source", "policy", "namespace")
    # Records are made of the columns at once: a filter by verdict reads every namespace of a cluster.
    for cluster_id, source, policy, namespace, *counts in rows.values_list(*keys, *Tally.__slots__):
        found.setdefault((cluster_id, source, policy), {})[namespace] = Tally(*counts)
    return found


def _posture_tallies(
    cluster_ids: Collection[int], judges: Mapping[int, Judge], names: Collection[str] | None
) -> dict[tuple[int, str], dict[str, _Posture]]:
    """Load the tallies of these judges by (cluster, judge), then by namespace; those that say who was heard among them."""
    rows = PostureTally.objects.filter(
        cluster_id__in=cluster_ids, judge__in={judge.key for judge in judges.values()}
    )
    if names is not None:
        rows = rows.filter(namespace__in=[*names, HEARD] if names else ())
    found: dict[tuple[int, str], dict[str, _Posture]] = {}
    keys = ("cluster_id", "judge", "namespace")
    for cluster_id, judge, namespace, *counts in rows.values_list(*keys, *_Posture.__slots__):
        found.setdefault((cluster_id, judge), {})[namespace] = _Posture(*counts)
    return found


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
