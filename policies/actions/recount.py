"""Count raw reports once more, by other code than the collection's, and compare with what is stored.

Nothing here is shared with the way that numbers are made: raw JSON goes in, plain counters come out. It reads each kind
at the very version that the stored copy has got to, so that it can be asked while the cluster changes.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from policies.actions.connections import connected
from policies.cluster.errors import Gone, NotFound
from policies.cluster.gateway import (
    CLUSTER_POLICY_REPORTS,
    OPEN_CLUSTER_REPORTS,
    OPEN_REPORTS,
    POLICY_REPORTS,
    WORKLOADS,
    Gateway,
    Resource,
)
from policies.models import Cluster, KindSnapshot, ObservedResult, ResultTally

Raw = dict[str, Any]
_Told = tuple[tuple[str, str, str, str], Raw, str, str]
"""Key, result, namespace and kind."""
SHOWN = 20
"""Differences that are told one by one."""
_UNREPORTED = {"PodTemplate", "ReplicationController"}
_REPORTED = {resource.kind for resource in WORKLOADS} - _UNREPORTED
_CORE = {"Pod", "PodTemplate", "ReplicationController"}


@dataclass
class Recount:
    """What was counted, and where the stored numbers differ."""

    reports: int = 0
    results: int = 0
    tallies: int = 0
    rows: int = 0
    differences: list[str] = field(default_factory=list)


@dataclass
class _Cluster:
    """The raw objects that reports may be about: kind and owner by uid."""

    kinds: dict[str, str] = field(default_factory=dict)
    owners: dict[str, str] = field(default_factory=dict)

    def is_known(self, uid: str) -> bool:
        return uid in self.kinds

    def is_owned(self, uid: str) -> bool:
        return self.owners.get(uid, "") in self.kinds


def recount(cluster: Cluster) -> Recount:
    """Read every report and every workload of a cluster, count, and compare. Raises ClusterError."""
    found = Recount()
    with connected(cluster) as gateway:
        objects = _objects(gateway, cluster)
        newest = _newest_results(gateway, cluster, found)
    tallies: dict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
    failing: dict[tuple[str, ...], set[str]] = defaultdict(set)
    judged: dict[tuple[str, ...], set[str]] = defaultdict(set)
    gone: dict[tuple[str, ...], set[str]] = defaultdict(set)
    rows: dict[tuple[str, ...], str] = {}
    for (source, policy, rule, subject), (result, namespace, kind) in newest.items():
        key = (source, policy, namespace)
        outcome = result["result"]
        tallies[key][outcome] += 1
        if outcome not in ("pass", "skip") and not objects.is_owned(subject):
            is_gone = kind in _REPORTED and not objects.is_known(subject)
            (gone if is_gone else failing)[key].add(subject)
        if (
            objects.is_known(subject)
            and not objects.is_owned(subject)
            and objects.kinds[subject] not in _UNREPORTED
        ):
            judged[key].add(subject)
        if outcome != "pass":
            rows[source, policy, rule, subject] = outcome
    found.results = len(newest)
    _compare_tallies(cluster, found, tallies, failing, judged, gone)
    _compare_rows(cluster, found, rows)
    return found


def _items(gateway: Gateway, cluster: Cluster, resource: Resource) -> Iterator[Raw]:
    """Read a kind as it was at the stored version; as it is now where that was forgotten, and nothing happened since."""
    stored = KindSnapshot.objects.filter(cluster=cluster, kind=resource.full_name).first()
    at = stored.resource_version if stored else ""
    try:
        pages = [page.items for page in gateway.pages(resource, at=at)]
    except Gone:
        pages = [page.items for page in gateway.pages(resource)]
    except NotFound:
        return
    for items in pages:
        yield from map(json.loads, items)


def _objects(gateway: Gateway, cluster: Cluster) -> _Cluster:
    objects = _Cluster()
    for resource in WORKLOADS:
        for item in _items(gateway, cluster, resource):
            uid = item["metadata"]["uid"]
            objects.kinds[uid] = resource.kind
            for owner in item["metadata"].get("ownerReferences") or []:
                if owner.get("controller") and _is_workload(owner):
                    objects.owners[uid] = owner["uid"]
    return objects


def _is_workload(owner: Raw) -> bool:
    version = {"Job": "batch/v1", "CronJob": "batch/v1"}.get(owner["kind"], "apps/v1")
    return owner.get("apiVersion") == ("v1" if owner["kind"] in _CORE else version)


def _newest_results(
    gateway: Gateway, cluster: Cluster, found: Recount
) -> dict[tuple[str, str, str, str], tuple[Raw, str, str]]:
    """Keep of each source, policy, rule and object the newest result, with namespace and kind of the object."""
    by_group: dict[str, list[_Told]] = defaultdict(list)
    for resource in (POLICY_REPORTS, CLUSTER_POLICY_REPORTS, OPEN_REPORTS, OPEN_CLUSTER_REPORTS):
        for report in _items(gateway, cluster, resource):
            found.reports += 1
            for result in report.get("results") or []:
                by_group[resource.group] += _told(report, result)
    latest: dict[str, dict[str, int]] = defaultdict(dict)
    for group, told in by_group.items():
        for (source, *_), result, *_ in told:
            latest[source][group] = max(latest[source].get(group, 0), _seconds(result))
    newest: dict[tuple[str, str, str, str], tuple[Raw, str, str]] = {}
    for group, told in by_group.items():
        for key, result, namespace, kind in told:
            groups = latest[key[0]]
            if group != min(groups, key=lambda each: (-groups[each], each)):
                continue
            known = newest.get(key)
            if known is None or _rank(result) > _rank(known[0]):
                newest[key] = result, namespace, kind
    return newest


def _told(report: Raw, result: Raw) -> list[_Told]:
    own = report["metadata"].get("namespace", "")
    source = result.get("source") or report.get("source") or ""
    told = []
    for subject in result.get("resources") or [report.get("scope") or {}]:
        namespace = subject.get("namespace") or own
        named = f"{subject.get('kind', '')} {namespace} {subject.get('name', '')}"
        uid = subject.get("uid") or named
        key = (source[:253], result["policy"][:253], result.get("rule", "")[:253], uid)
        told.append((key, result, namespace, subject.get("kind", "")))
    return told


def _seconds(result: Raw) -> int:
    return int((result.get("timestamp") or {}).get("seconds", 0))


def _rank(result: Raw) -> tuple[int, int]:
    order = ("skip", "pass", "warn", "error", "fail")
    return _seconds(result), order.index(result["result"])


def _compare_tallies(
    cluster: Cluster,
    found: Recount,
    tallies: dict[tuple[str, ...], Counter[str]],
    failing: dict[tuple[str, ...], set[str]],
    judged: dict[tuple[str, ...], set[str]],
    gone: dict[tuple[str, ...], set[str]],
) -> None:
    stored = {
        (row.source, row.policy, row.namespace): row
        for row in ResultTally.objects.filter(cluster=cluster)
    }
    for key in sorted(tallies.keys() | stored.keys()):
        found.tallies += 1
        counted = {
            **{f"{o}_count": tallies[key][o] for o in ("pass", "fail", "warn", "error", "skip")},
            "failing_workload_count": len(failing[key]),
            "judged_workload_count": len(judged[key]),
            "gone_workload_count": len(gone[key]),
        }
        for column, number in counted.items():
            kept = getattr(stored[key], column) if key in stored else 0
            if kept != number:
                found.differences.append(f"{'/'.join(key)}: {column} is {kept}, counted {number}")


def _compare_rows(cluster: Cluster, found: Recount, rows: dict[tuple[str, ...], str]) -> None:
    stored: dict[tuple[str, ...], str] = {
        (row.source, row.policy, row.raw_rule, _subject(row)): row.outcome
        for row in ObservedResult.objects.filter(cluster=cluster).defer("message").iterator()
    }
    found.rows = len(stored)
    for key in sorted(rows.keys() | stored.keys()):
        if rows.get(key) != stored.get(key):
            found.differences.append(
                f"{'/'.join(key)}: stored {stored.get(key)}, counted {rows.get(key)}"
            )


def _subject(row: ObservedResult) -> str:
    has_uid = not row.uid.startswith("unnamed-")
    return row.uid if has_uid else f"{row.kind} {row.namespace} {row.name}"
