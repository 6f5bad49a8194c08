"""From a variant's rows to its specification: what is wanted now, and what was last written to the cluster.

The two differ from an edit until the next install. Only the written one may be enforced, judged by and rolled back.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from django.db.models import Max, QuerySet

from policies.domain.judges import Judge, judge_of
from policies.domain.library import BINDING_KIND, Target, VariantSpec
from policies.domain.lifecycle import StepKind, StepStatus
from policies.domain.parameters import Parameters
from policies.models import Cluster, DesiredRevision, RolloutStep, Variant, VariantRevision
from policies.queries.reach import Reach

OBJECT_KINDS: dict[str, tuple[str, ...]] = {
    Target.CLUSTER_POLICY.value: (Target.CLUSTER_POLICY.value,),
    Target.VALIDATING_POLICY.value: (Target.VALIDATING_POLICY.value,),
    Target.NATIVE.value: (Target.NATIVE.value, BINDING_KIND),
}
"""Kinds of the objects that a variant of each target consists of."""


def spec_of(variant: Variant) -> VariantSpec:
    """Read what is wanted of a variant now."""
    return _spec(variant, variant)


def seen_parameters(parameters: Parameters, *, cluster_id: int, reach: Reach) -> Parameters:
    """Leave out the excluded namespaces that are out of reach."""
    excluded = parameters.excluded_namespaces
    seen = reach.seen(cluster_id, excluded)
    return parameters if seen == excluded else replace(parameters, excluded_namespaces=seen)


def seen_spec(spec: VariantSpec, *, cluster_id: int, reach: Reach) -> VariantSpec:
    """Give a specification with those of its parameters that are in reach. It is to be shown, never to be compiled."""
    parameters = seen_parameters(spec.parameters, cluster_id=cluster_id, reach=reach)
    return replace(spec, parameters=parameters)


def spec_of_revision(variant: Variant, revision: VariantRevision) -> VariantSpec:
    """Read what was wanted of a variant at one revision."""
    return _spec(variant, revision)


def _spec(variant: Variant, wanted: Variant | VariantRevision) -> VariantSpec:
    return VariantSpec(
        name=variant.name,
        template=variant.template,
        target=Target(wanted.target),
        api_version=wanted.api_version,
        parameters=Parameters.from_json(wanted.parameters),
    )


def current_revisions(variants: Sequence[Variant]) -> dict[int, DesiredRevision]:
    """Find the revision that was last written, or begun to be written, for each variant, with what it came from."""
    found = last_written(variants).select_related("compiled_from")
    return {r.variant_id: r for r in found}


def last_written(variants: Sequence[Variant] | QuerySet[Variant]) -> QuerySet[DesiredRevision]:
    """Give the revision that was last written, or begun to be written, of each variant that has one."""
    written = (
        RolloutStep.objects.filter(
            rollout__variant__in=variants,
            kind=StepKind.APPLY,
            status__in=[StepStatus.RUNNING, StepStatus.DONE],
        )
        .values("rollout__variant_id")
        # A variant's revisions are made one after the other, so the highest id has the highest number.
        .annotate(latest=Max("rollout__revision_id"))
    )
    return DesiredRevision.objects.filter(pk__in=written.values("latest"))


def last_rewritten(variants: Sequence[Variant]) -> dict[int, datetime]:
    """Say when the policy of each native variant was last written for another reason than whom it exempts."""
    native = [v.pk for v in variants if v.target == Target.NATIVE]
    if not native:
        return {}
    steps = (
        RolloutStep.objects.filter(
            rollout__variant__in=native,
            rollout__flip__exception=None,
            kind=StepKind.APPLY,
            status=StepStatus.DONE,
            object_kind=Target.NATIVE.value,
        )
        .values("rollout__variant_id")
        .annotate(at=Max("finished_at"))
    )
    return {row["rollout__variant_id"]: row["at"] for row in steps}


def written_spec(variant: Variant, current: DesiredRevision | None) -> VariantSpec:
    """Read what the cluster holds of a variant; what is wanted, while nothing was written yet."""
    return spec_of_revision(variant, current.compiled_from) if current else spec_of(variant)


def written_judge(variant: Variant, current: DesiredRevision | None) -> Judge:
    """Give the judge that stands for what the cluster holds of a variant."""
    return judge_of(written_spec(variant, current))


def written_judges(variants: Sequence[Variant]) -> dict[int, Judge]:
    """Give that judge for each variant, in two queries."""
    current = current_revisions(variants)
    return {v.pk: written_judge(v, current.get(v.pk)) for v in variants}


def judges_on(cluster: Cluster) -> tuple[Judge, ...]:
    """Give every judge that stands for a variant of this cluster, as it is wanted and as it was last written."""
    variants = list(Variant.objects.filter(cluster=cluster))
    wanted = (judge_of(spec_of(variant)) for variant in variants)
    return tuple(
        {judge.key: judge for judge in (*wanted, *written_judges(variants).values())}.values()
    )
