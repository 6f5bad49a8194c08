"""The review of one namespace for one variant: each workload, and what report, posture and rehearsal say of it."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import yaml

from policies.domain.findings import FINDING_OUTCOMES
from policies.domain.judges import Judge
from policies.models import (
    ObservedNamespace,
    ObservedResult,
    ObservedWorkload,
    Rehearsal,
    RehearsedWorkload,
    Variant,
)
from policies.queries.cells import Cell, load_situation
from policies.queries.evidence import SOURCE
from policies.queries.offenders import Fault, faults_of
from policies.queries.reach import Reach
from policies.queries.specs import written_judges
from policies.queries.verdicts import verdicts

Key = tuple[str, str]
"""Kind and name of a top-level workload."""

PAGE_SIZE = 20
"""Workloads that fail, and as many that pass."""
FAILING = ("fail", "error", "warn", "skip")
"""Outcomes of results, the worst first."""


@dataclass(frozen=True, slots=True)
class Opinion:
    """What one of the three says about one workload."""

    outcome: str
    message: str = ""
    at: datetime | None = None
    first_seen_at: datetime | None = None
    """Of a report that fails: since when it has been known to."""


@dataclass(frozen=True, slots=True)
class ReviewedWorkload:
    """One top-level workload with the three opinions and the patch that makes its faults go away."""

    kind: str
    name: str
    schedule: str
    replicas: int | None
    pod_count: int
    is_suspended: bool
    helm_release: str
    faults: tuple[Fault, ...]
    report: Opinion
    posture: Opinion
    rehearsal: Opinion
    declared: tuple[str, ...] = ()
    """What its containers get, one phrase each; only where it is shown."""
    patch: str = ""
    """Only where it is shown, like `declared`."""

    @property
    def would_fail(self) -> bool:
        """Whether any of the three speaks against it."""
        return (
            self.posture.outcome == "fail"
            or self.report.outcome in {"fail", "warn", "error"}
            or self.rehearsal.outcome == "refused"
        )


@dataclass(frozen=True, slots=True)
class RehearsalLine:
    """The newest rehearsal, whatever its state."""

    state: str
    requested_by: str
    started_at: datetime
    finished_at: datetime | None
    message: str


@dataclass(frozen=True, slots=True)
class Review:
    """Everything on the page of one namespace and variant."""

    cell: Cell
    namespace: str
    team: str
    failing: tuple[ReviewedWorkload, ...]
    """All of them: the exempt ones last."""
    passing: tuple[ReviewedWorkload, ...]
    shown_failing: tuple[ReviewedWorkload, ...]
    """Those of this page, with what they get and the patch."""
    shown_passing: tuple[ReviewedWorkload, ...]
    page: int
    page_count: int
    rehearsal: RehearsalLine | None


def load_review(
    variant: Variant,
    namespace: ObservedNamespace,
    *,
    reach: Reach,
    now: datetime,
    page: int = 1,
    exempt: Collection[Key] = (),
) -> Review:
    """Load one page of the review of one namespace, which must be seen, in a fixed number of queries.

    `exempt` names the workloads that an exception in force exempts.
    """
    judged = verdicts(variants=[variant], reach=reach, now=now, namespaces=[namespace.name])
    situation = load_situation([variant], reach=reach, namespaces=[namespace.name])
    verdict = judged[variant.pk, namespace.name]
    judge = written_judges([variant])[variant.pk]
    workloads = _reviewed_by(judge, variant, namespace.name)
    failing = sorted(
        (w for w in workloads if w.would_fail), key=lambda w: (w.kind, w.name) in exempt
    )
    passing = [w for w in workloads if not w.would_fail]
    pages = max(1, -(-max(len(failing), len(passing)) // PAGE_SIZE))
    page = min(max(1, page), pages)
    part = slice((page - 1) * PAGE_SIZE, page * PAGE_SIZE)
    shown = _with_texts([*failing[part], *passing[part]], judge, variant, namespace.name)
    return Review(
        cell=situation.cell(variant.pk, verdict, is_system=namespace.is_system),
        namespace=namespace.name,
        team=namespace.team,
        failing=tuple(failing),
        passing=tuple(passing),
        shown_failing=tuple(w for w in shown if w.would_fail),
        shown_passing=tuple(w for w in shown if not w.would_fail),
        page=page,
        page_count=pages,
        rehearsal=_newest_rehearsal(variant, namespace.name),
    )


def reviewed_workloads(variant: Variant, namespace: str) -> list[ReviewedWorkload]:
    """List the top-level workloads of a namespace with the three opinions on each, by kind and name."""
    return _reviewed_by(written_judges([variant])[variant.pk], variant, namespace)


def _reviewed_by(judge: Judge, variant: Variant, namespace: str) -> list[ReviewedWorkload]:
    rows: dict[Key, list[ObservedWorkload]] = {}
    # The large columns are read of those that are shown alone.
    for row in (
        ObservedWorkload.objects.filter(cluster_id=variant.cluster_id, namespace=namespace)
        .defer("containers", "hardening", "patches")
        .order_by("top_kind", "top_name", "kind", "name")
    ):
        rows.setdefault((row.top_kind, row.top_name), []).append(row)
    reports = _reports(variant, namespace)
    rehearsed = _rehearsed(variant, namespace)
    keys = sorted({*rows, *reports, *rehearsed})
    return [
        _reviewed(key, rows.get(key, []), reports.get(key), rehearsed.get(key), judge)
        for key in keys
    ]


def _reports(variant: Variant, namespace: str) -> dict[Key, Opinion]:
    found: dict[Key, list[ObservedResult]] = {}
    for row in ObservedResult.objects.filter(
        cluster_id=variant.cluster_id,
        source=SOURCE[variant.target],
        policy=variant.name,
        namespace=namespace,
    ):
        found.setdefault((row.top_kind, row.top_name), []).append(row)
    return {key: _worst(key, results) for key, results in found.items()}


def _worst(key: Key, results: list[ObservedResult]) -> Opinion:
    # Results of pods and ReplicaSets tell of the past: the workload's own count first.
    own = [r for r in results if (r.kind, r.name) == key]
    row = min(own or results, key=lambda r: FAILING.index(r.outcome) if r.outcome in FAILING else 9)
    message = row.message if own else f"{row.kind} {row.name}: {row.message}"
    since = row.first_seen_at if row.outcome in FINDING_OUTCOMES else None
    return Opinion(row.outcome, message, row.at, since)


def _rehearsed(variant: Variant, namespace: str) -> dict[Key, Opinion]:
    rows = RehearsedWorkload.objects.filter(
        rehearsal__variant=variant, rehearsal__namespace=namespace, rehearsal__is_latest=True
    )
    return {(row.kind, row.name): Opinion(row.outcome, row.message, row.at) for row in rows}


def _newest_rehearsal(variant: Variant, namespace: str) -> RehearsalLine | None:
    row = (
        Rehearsal.objects.filter(variant=variant, namespace=namespace)
        .order_by("-started_at")
        .first()
    )
    if row is None:
        return None
    return RehearsalLine(row.state, row.requested_by, row.started_at, row.finished_at, row.message)


def _reviewed(
    key: Key,
    members: list[ObservedWorkload],
    report: Opinion | None,
    rehearsed: Opinion | None,
    judge: Judge,
) -> ReviewedWorkload:
    kind, name = key
    top = next((m for m in members if (m.kind, m.name) == key), None)
    faults = tuple(dict.fromkeys(f for m in members for f in faults_of(m, judge)))
    return ReviewedWorkload(
        kind=kind,
        name=name,
        schedule=top.schedule if top else "",
        replicas=top.replicas if top else None,
        pod_count=top.pod_count if top else 0,
        is_suspended=top.is_suspended if top else False,
        helm_release=top.helm_release if top else "",
        faults=faults,
        report=report or Opinion("quiet"),
        posture=_posture(members, faults, judge),
        rehearsal=rehearsed or Opinion("none"),
    )


def _with_texts(
    workloads: Sequence[ReviewedWorkload], judge: Judge, variant: Variant, namespace: str
) -> tuple[ReviewedWorkload, ...]:
    """Add what the containers get, and the patch."""
    rows = ObservedWorkload.objects.filter(
        cluster_id=variant.cluster_id,
        namespace=namespace,
        name__in=[workload.name for workload in workloads],
    ).only("kind", "name", "containers", "patches")
    tops = {(row.kind, row.name): row for row in rows}
    return tuple(
        replace(
            workload,
            declared=tuple(_declared(c, judge) for c in top.containers),
            patch=patch_of(top.patches, judge),
        )
        if (top := tops.get((workload.kind, workload.name)))
        else workload
        for workload in workloads
    )


def _posture(members: list[ObservedWorkload], faults: tuple[Fault, ...], judge: Judge) -> Opinion:
    if faults:
        return Opinion("fail", faults[0].message)
    if not members:
        return Opinion("none", "Not among the workloads that were collected last.")
    if not any(m.is_applicable for m in members):
        return Opinion("inapplicable", "Windows pods have neither seccomp nor AppArmor.")
    if all(judge.tag in m.exempt_from for m in members):
        return Opinion("inapplicable", "The variant leaves it alone.")
    return Opinion("pass")


def _declared(container: dict[str, Any], judge: Judge) -> str:
    role = "" if container["role"] == "container" else f" ({container['role']})"
    found = [container.get(mechanism.value, {}).get("declared") for mechanism in judge.mechanisms]
    return f"{container['name']}{role}: {', '.join(d or 'nothing set' for d in found)}"


def patch_of(patches: dict[str, str], judge: Judge) -> str:
    """Choose the patch that makes a judge's findings go away; empty when there is nothing to change."""
    return merged_patch(patches, judge.controls) if judge.is_plain else patches.get(judge.key, "")


def merged_patch(patches: dict[str, str], controls: Sequence[str]) -> str:
    """Join the patches of some controls into one; empty when there is nothing to change."""
    texts = list(dict.fromkeys(patches[c] for c in controls if patches.get(c)))
    if len(texts) < 2:
        return texts[0] if texts else ""
    notes = dict.fromkeys(line for text in texts for line in _notes(text))
    merged: Any = {}
    for text in texts:
        merged = _merge(merged, yaml.safe_load(text))
    return "".join(f"{note}\n" for note in notes) + yaml.safe_dump(merged, sort_keys=False)


def _notes(text: str) -> Iterable[str]:
    return (line for line in text.splitlines() if line.startswith("#"))


def _merge(one: Any, other: Any) -> Any:
    if isinstance(one, dict) and isinstance(other, dict):
        return {k: _merge(one.get(k), other[k]) if k in other else one[k] for k in {**one, **other}}
    if isinstance(one, list) and isinstance(other, list):
        by_name = {item["name"]: item for item in one}
        for item in other:
            by_name[item["name"]] = _merge(by_name.get(item["name"]), item)
        return list(by_name.values())
    return one if other is None else other
