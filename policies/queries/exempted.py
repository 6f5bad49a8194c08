"""What of the evidence is about exempted workloads: they neither fail nor pass, and block nothing."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from policies.domain.judges import Judge
from policies.domain.library import Target
from policies.domain.posture import Role
from policies.domain.readiness import ExemptEvidence
from policies.models import ObservedResult, ObservedWorkload, RehearsedWorkload, Variant
from policies.queries.exemptions import (
    Exempt,
    Exempts,
    Key,
    Place,
    exempt_still,
    exempt_workloads,
)
from policies.queries.offenders import faults_of
from policies.queries.specs import written_judges

_FAILING = ("fail", "warn", "error")


def load_exempt_evidence(
    variants: Sequence[Variant],
    judges: Mapping[int, Judge],
    sources: Mapping[str, str],
    namespaces: Collection[str] | None = None,
) -> dict[Place, ExemptEvidence]:
    """Count what of the evidence is about exempted workloads: one query, and seven more if there are any.

    `sources` names who reports on a variant, by its target.
    """
    exempts = exempt_still(variants, namespaces)
    if not exempts:
        return {}
    by_id = {variant.pk: variant for variant in variants}
    failing = _failing(by_id, judges, exempts)
    covered = {
        place: frozenset(
            key
            for key, exempt in here.items()
            if _is_covered(by_id[place[0]], judges[place[0]], exempt, failing[place].get(key))
        )
        for place, here in exempts.items()
    }
    reported = _reported(by_id, sources, covered)
    refused = _refused(covered)
    return {
        place: ExemptEvidence(
            workload_count=sum(1 for key in here if key in failing[place]),
            posture_count=sum(1 for key in covered[place] if failing[place].get(key)),
            report_count=reported[place],
            refused_count=refused[place],
        )
        for place, here in exempts.items()
    }


def _is_covered(
    variant: Variant, judge: Judge, exempt: Exempt, failed: frozenset[str] | None
) -> bool:
    """Say whether an exception covers all that a workload fails: only a ClusterPolicy tells controls apart."""
    if variant.target != Target.CLUSTER_POLICY or set(judge.controls) <= exempt.controls:
        return True
    return bool(failed) and exempt.controls.issuperset(failed or ())


def _failing(
    variants: Mapping[int, Variant], judges: Mapping[int, Judge], exempts: Exempts
) -> dict[Place, dict[Key, frozenset[str]]]:
    """Collect the controls that each exempted workload fails, as `posture_tallies` counts them; none for a good one."""
    by_top: dict[tuple[int, str, str, str], list[ObservedWorkload]] = defaultdict(list)
    for row in _exempt_rows(variants, exempts):
        by_top[row.cluster_id, row.namespace, row.top_kind, row.top_name].append(row)
    found: dict[Place, dict[Key, frozenset[str]]] = {}
    for (variant_id, namespace), here in exempts.items():
        cluster_id, judge = variants[variant_id].cluster_id, judges[variant_id]
        found[variant_id, namespace] = {
            key: frozenset(_lasting(by_top[cluster_id, namespace, *key], judge))
            for key in here
            if (cluster_id, namespace, *key) in by_top
        }
    return found


def _exempt_rows(variants: Mapping[int, Variant], exempts: Exempts) -> Iterable[ObservedWorkload]:
    """Load the rows of exempted workloads and of what they own.

    The same names stand in many namespaces, so that the rows are chosen before their findings are read.
    """
    wanted = {
        (variants[variant_id].cluster_id, namespace, *key)
        for (variant_id, namespace), here in exempts.items()
        for key in here
    }
    named = ObservedWorkload.objects.filter(
        cluster_id__in={cluster_id for cluster_id, *_ in wanted},
        namespace__in={namespace for _, namespace, *_ in wanted},
        top_name__in={name for *_, name in wanted},
    ).values_list("pk", "cluster_id", "namespace", "top_kind", "top_name")
    chosen = [pk for pk, *key in named if tuple(key) in wanted]
    found = ObservedWorkload.objects.filter(pk__in=chosen)
    return found.only("cluster_id", "kind", "namespace", "name", "top_kind", "top_name", "findings")


def _lasting(members: Iterable[ObservedWorkload], judge: Judge) -> Iterator[str]:
    for row in members:
        is_top = (row.kind, row.name) == (row.top_kind, row.top_name)
        for fault in faults_of(row, judge):
            # A debug container of an owned pod is gone with the pod.
            if is_top or fault.role != Role.EPHEMERAL.value:
                yield fault.control


def _reported(
    variants: Mapping[int, Variant],
    sources: Mapping[str, str],
    covered: Mapping[Place, frozenset[Key]],
) -> Counter[Place]:
    """Count covered workloads of which reports still say that they fail: until they are judged anew."""
    rows = ObservedResult.objects.filter(
        cluster_id__in={variants[variant_id].cluster_id for variant_id, _ in covered},
        policy__in={variants[variant_id].name for variant_id, _ in covered},
        namespace__in={namespace for _, namespace in covered},
        outcome__in=_FAILING,
    ).values_list(
        "cluster_id", "source", "policy", "namespace", "kind", "name", "top_kind", "top_name"
    )
    failing: dict[tuple[int, str, str, str], set[Key]] = defaultdict(set)
    for cluster_id, source, policy, namespace, kind, name, top_kind, top_name in rows:
        if (kind, name) == (top_kind, top_name):
            failing[cluster_id, source, policy, namespace].add((kind, name))
    counts: Counter[Place] = Counter()
    for (variant_id, namespace), keys in covered.items():
        variant = variants[variant_id]
        said = failing[variant.cluster_id, sources[variant.target], variant.name, namespace]
        counts[variant_id, namespace] = len(said & keys)
    return counts


def _refused(covered: Mapping[Place, frozenset[Key]]) -> Counter[Place]:
    """Count covered workloads whose pods the last rehearsal saw refused: it was before the exception, or a stranger."""
    rows = RehearsedWorkload.objects.filter(
        rehearsal__variant_id__in={variant_id for variant_id, _ in covered},
        rehearsal__namespace__in={namespace for _, namespace in covered},
        rehearsal__is_latest=True,
        outcome="refused",
    ).values_list("rehearsal__variant_id", "rehearsal__namespace", "kind", "name")
    counts: Counter[Place] = Counter()
    for variant_id, namespace, kind, name in rows:
        if (kind, name) in covered.get((variant_id, namespace), ()):
            counts[variant_id, namespace] += 1
    return counts


def needed_exemptions(cluster_id: int) -> list[tuple[str, str, str]]:
    """Name the exempted workloads of a cluster that would fail without their exception: its key, kind and name."""
    variants = list(Variant.objects.filter(cluster_id=cluster_id))
    exempts = exempt_workloads(variants)
    if not exempts:
        return []
    by_id = {variant.pk: variant for variant in variants}
    failing = _failing(by_id, written_judges(variants), exempts)
    return sorted(
        (exempt.exception_key, *key)
        for place, here in exempts.items()
        for key, exempt in here.items()
        if failing[place].get(key)
    )
