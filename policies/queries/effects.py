"""What a policy that secprof did not write does, namespace by namespace. Nothing of it is stored but whether it is inconsistent."""

from collections import Counter
from dataclasses import dataclass

from policies.domain.effective import SEVEREST, Effect, Engine, Outcome, effects, has_effects
from policies.domain.lint import Policy
from policies.domain.overrides import Place
from policies.models import ObservedNamespace, ObservedPolicy
from policies.queries.engine_settings import engine_settings_of
from policies.queries.evidence import barred_by
from policies.queries.reach import Reach

PAGE_SIZE = 25
NAME_LABEL = "kubernetes.io/metadata.name"


@dataclass(frozen=True, slots=True)
class EffectFilter:
    """Which namespaces to show; empty values do not filter."""

    outcome: str = ""
    text: str = ""
    page: int = 1


ALL_SPACES = EffectFilter()


@dataclass(frozen=True, slots=True)
class EffectList:
    """One page of namespaces, with what the policy does in each."""

    rows: tuple[Effect, ...]
    """What is inconsistent first, then by name."""
    counts: tuple[tuple[Outcome, int], ...]
    """Over all namespaces that are seen, before the filter."""
    total_count: int
    """Those that the filter lets through."""
    page: int
    page_count: int


def policy_effects(
    found: ObservedPolicy, wanted: EffectFilter, *, reach: Reach
) -> EffectList | None:
    """Say what a policy (with its cluster) does in each namespace in view, in three queries.

    None for our own, and for kinds whose action nobody can tell by the policy alone.
    """
    policy = Policy(found.manifest)
    if found.variant_name or not has_effects(policy):
        return None
    settings = engine_settings_of(found.cluster)
    spaces = reach.namespaces().filter(cluster=found.cluster).order_by("name")
    engine = Engine(settings.version, settings.webhooks)
    every = effects(policy, map(_place, spaces), engine)
    found_in = Counter(each.outcome for each in every)
    chosen = [
        each
        for each in every
        if wanted.outcome in ("", each.outcome) and wanted.text.lower() in each.namespace
    ]
    pages = max(1, -(-len(chosen) // PAGE_SIZE))
    number = min(max(1, wanted.page), pages)
    start = (number - 1) * PAGE_SIZE
    chosen.sort(key=lambda each: SEVEREST.index(each.outcome))
    return EffectList(
        rows=tuple(chosen[start : start + PAGE_SIZE]),
        counts=tuple((outcome, count) for outcome in Outcome if (count := found_in[outcome])),
        total_count=len(chosen),
        page=number,
        page_count=pages,
    )


def _place(row: ObservedNamespace) -> Place:
    barred = barred_by(row.not_enforceable, row.not_enforceable_since)
    labels = {NAME_LABEL: row.name, **row.labels}
    return Place(row.name, labels, barred.sentence if barred else "")
