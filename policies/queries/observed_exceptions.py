"""The exceptions that lie on clusters, with what is odd about them; who they skip in reports; and when each was needed."""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings

from policies.domain.exceptions import ExceptionKind, agreed_namespace, exception_name
from policies.models import (
    ExceptionNeed,
    ObservedException,
    ObservedPolicy,
    ObservedResult,
    Variant,
)
from policies.queries.engine_settings import controllers_by_cluster


@dataclass(frozen=True, slots=True)
class FoundException:
    """One PolicyException on a cluster."""

    id: int
    cluster_id: int
    group: ExceptionKind
    namespace: str
    name: str
    policies: tuple[str, ...]
    rules: tuple[str, ...]
    reaches: tuple[str, ...] | None
    """Namespaces in which it exempts; None when that cannot be said: perhaps everywhere."""
    exempts_everything: bool
    """No condition narrows it: every object of its kinds in every namespace."""
    is_elsewhere: bool
    """It does not lie in the namespace that is agreed for exceptions of its kind."""
    about_ours: tuple[str, ...]
    """Variants whose policies it names, sorted."""
    is_expired: bool
    """Its own end has passed, and it is still there."""
    expires_at: datetime | None
    exception_key: str
    """Of ours: names the exception request; empty for others."""
    changed_at: datetime
    manifest: dict[str, Any]

    @property
    def is_ours(self) -> bool:
        return bool(self.exception_key)


def found_exceptions(
    cluster_ids: Collection[int], *, now: datetime, with_manifests: bool = False
) -> tuple[FoundException, ...]:
    """List the exceptions on some clusters by cluster, namespace and name, in three queries.

    Without their manifests, which are empty then: a page of many has no use for them.
    """
    agreed = _agreed(cluster_ids)
    ours = _our_policies(cluster_ids)
    rows = ObservedException.objects.filter(cluster_id__in=cluster_ids)
    if not with_manifests:
        rows = rows.defer("manifest")
    return tuple(
        FoundException(
            id=row.pk,
            cluster_id=row.cluster_id,
            group=ExceptionKind(row.group),
            namespace=row.namespace,
            name=row.name,
            policies=tuple(row.policies),
            rules=tuple(row.rules),
            reaches=None if row.reaches is None else tuple(row.reaches),
            exempts_everything=not row.has_conditions,
            is_elsewhere=row.namespace != agreed[row.cluster_id, ExceptionKind(row.group)],
            about_ours=tuple(
                sorted(
                    {ours[row.cluster_id, p] for p in row.policies if (row.cluster_id, p) in ours}
                )
            ),
            is_expired=row.expires_at is not None and row.expires_at <= now,
            expires_at=row.expires_at,
            exception_key=row.exception_key,
            changed_at=row.changed_at,
            manifest=row.manifest if with_manifests else {},
        )
        for row in rows.order_by("cluster_id", "namespace", "name", "group")
    )


def _agreed(cluster_ids: Collection[int]) -> dict[tuple[int, ExceptionKind], str]:
    controllers = controllers_by_cluster(cluster_ids)
    usual = settings.SECPROF_EXCEPTION_NAMESPACE
    return {
        (cluster_id, kind): agreed_namespace(controllers.get(cluster_id, ()), kind, usual)
        for cluster_id in cluster_ids
        for kind in ExceptionKind
    }


def _our_policies(cluster_ids: Collection[int]) -> dict[tuple[int, str], str]:
    """Give the variant of each policy of ours, by cluster and name."""
    rows = ObservedPolicy.objects.filter(cluster_id__in=cluster_ids).exclude(variant_name="")
    named = rows.values_list("cluster_id", "name", "variant_name")
    return {(cluster_id, name): variant for cluster_id, name, variant in named}


@dataclass(frozen=True, slots=True)
class SkippedWorkload:
    """An object that reports skip because of an exception."""

    namespace: str
    kind: str
    name: str
    at: datetime | None


def skipped_by_exceptions(
    cluster_ids: Collection[int],
) -> dict[tuple[int, str], tuple[SkippedWorkload, ...]]:
    """Say whom reports skip, by cluster and name of the exception, in two queries.

    Only what Audit policies report counts: what a twin said at admission is never judged anew (kyverno-facts 5.22).
    """
    audits = set(
        Variant.objects.filter(cluster_id__in=cluster_ids).values_list("cluster_id", "name")
    )
    rows = (
        ObservedResult.objects.filter(cluster_id__in=cluster_ids, outcome="skip")
        .exclude(exceptions=[])
        .order_by("namespace", "kind", "name", "raw_rule")
        .values_list("cluster_id", "policy", "exceptions", "namespace", "kind", "name", "at")
    )
    found: dict[tuple[int, str], dict[tuple[str, str, str], SkippedWorkload]] = defaultdict(dict)
    for cluster_id, policy, exceptions, namespace, kind, name, at in rows:
        if (cluster_id, policy) in audits:
            for exception in exceptions:
                skipped = SkippedWorkload(namespace, kind, name, at)
                found[cluster_id, exception].setdefault((namespace, kind, name), skipped)
    return {key: tuple(members.values()) for key, members in found.items()}


def still_skipped(
    cluster_ids: Collection[int], keys: Collection[str]
) -> dict[str, tuple[SkippedWorkload, ...]]:
    """Say whom reports skip still, by key of an exception of ours: of one that has ended, nobody may be left."""
    skipped = skipped_by_exceptions(cluster_ids)
    by_name = {exception_name(key): key for key in keys}
    found: dict[str, tuple[SkippedWorkload, ...]] = {}
    for (_, name), workloads in skipped.items():
        if name in by_name:
            found[by_name[name]] = (*found.get(by_name[name], ()), *workloads)
    return found


def last_needed(keys: Collection[str]) -> dict[str, datetime]:
    """Say when any workload of each exception was last seen to need it, in one query; those never needed are left out."""
    found: dict[str, datetime] = {}
    rows = ExceptionNeed.objects.filter(exception_key__in=keys)
    for key, at in rows.values_list("exception_key", "last_needed_at"):
        found[key] = max(at, found.get(key, at))
    return found


def last_needed_by_workload(key: str) -> dict[tuple[str, str], datetime]:
    """Say the same for each workload of one exception, by kind and name."""
    rows = ExceptionNeed.objects.filter(exception_key=key)
    return {
        (kind, name): at for kind, name, at in rows.values_list("kind", "name", "last_needed_at")
    }
