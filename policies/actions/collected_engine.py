"""The engine itself: its ConfigMap and its webhooks, and what follows from them for namespaces and for policies of others.

What cannot be read is noted with its reason and leaves the run as complete as it was; what was read before stays.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import msgspec
from django.utils import timezone

from policies.actions.collected_workloads import Engines
from policies.actions.collection_work import ENDS_THE_RUN, CollectionWork
from policies.actions.reading import read_list
from policies.cluster.errors import ClusterError, NotFound
from policies.cluster.gateway import CONFIG_MAPS, VALIDATING_WEBHOOKS
from policies.domain.effective import Engine, asks_about_pods, has_effects, is_inconsistent
from policies.domain.enforceability import obstacles, sentence_of
from policies.domain.engine_settings import EngineSettings, keep_config, keep_webhooks
from policies.domain.engines import USUAL_CONFIG, Component
from policies.domain.library import Target
from policies.domain.lint import Policy
from policies.domain.overrides import Place
from policies.models import EngineState, ObservedNamespace, ObservedPolicy
from policies.queries.engine_settings import engine_settings_of

ENGINE_KINDS = (Target.CLUSTER_POLICY.value, Target.VALIDATING_POLICY.value)
NOT_FOUND = "Kyverno was not found among the Deployments of this cluster."
NOT_LOOKED_FOR = "Kyverno could not be looked for: Deployments were not read to their end."
BATCH_SIZE = 500


def note_engine_settings(work: CollectionWork, engines: Engines | None) -> None:
    """Read the engine's settings, and note what they leave out. `engines` is None while Deployments cannot be read.

    What the cluster does wrong is noted, not raised. Raises RunLost.
    """
    if work.broken_by is not None:
        return
    state, _ = EngineState.objects.get_or_create(cluster=work.cluster)
    _locate(state, engines)
    if state.namespace:
        _read_config(work, state)
    else:
        state.config, state.config_failure = None, NOT_FOUND if engines else NOT_LOOKED_FOR
    _read_webhooks(work, state)
    policies = list(
        ObservedPolicy.objects.filter(cluster=work.cluster, kind__in=ENGINE_KINDS).only(
            "name", "variant_name", "is_ready", "is_inconsistent", "manifest"
        )
    )
    state.expects_pods = any(
        each.is_ready and asks_about_pods(Policy(each.manifest)) for each in policies
    )
    work.hold(timezone.now())
    state.save()
    settings = engine_settings_of(work.cluster, state)
    own = frozenset(each.name for each in policies if each.variant_name)
    places = _note_namespaces(work, settings, own)
    _note_inconsistent(policies, places, settings)


def _locate(state: EngineState, engines: Engines | None) -> None:
    """Find out where the ConfigMap lies; where it lay before, while Deployments cannot be read."""
    if engines is None:
        return
    homes = {each.namespace for each in engines.found}
    admission = (
        each
        for each in engines.controllers
        if each.component is Component.ADMISSION and each.namespace in homes
    )
    found = next(admission, None)
    state.namespace = found.namespace if found else ""
    state.config_name = found.config_name if found else ""


def _read_config(work: CollectionWork, state: EngineState) -> None:
    """Get the one ConfigMap by its name."""
    name = state.config_name or USUAL_CONFIG
    try:
        manifest = work.gateway.get(CONFIG_MAPS, name, namespace=state.namespace)
    except NotFound:
        state.config = {}
    except ClusterError as error:
        state.config_failure = error.message
        _note_break(work, error)
        return
    else:
        state.config = keep_config(manifest.get("data"))
    state.config_read_at, state.config_failure = work.run.started_at, ""


def _read_webhooks(work: CollectionWork, state: EngineState) -> None:
    try:
        if work.broken_by is not None:
            raise work.broken_by
        read = read_list(
            work.gateway, VALIDATING_WEBHOOKS, _decode, work.problems, on_page=work.beat
        )
    except ClusterError as error:
        state.webhooks_failure = error.message
        work.mark_failed(VALIDATING_WEBHOOKS, error.message)
        _note_break(work, error)
        return
    state.webhooks = [webhook for mine, _ in read.items for webhook in mine]
    state.others = sorted({name for _, foreign in read.items for name in foreign})
    state.webhooks_read_at, state.webhooks_failure = work.run.started_at, ""
    work.counts[VALIDATING_WEBHOOKS.full_name] = len(read.items)
    work.mark(VALIDATING_WEBHOOKS)


def _decode(item: bytes) -> tuple[list[dict[str, Any]], list[str]]:
    return keep_webhooks(msgspec.json.decode(item, type=dict[str, Any]))


def _note_break(work: CollectionWork, error: ClusterError) -> None:
    if isinstance(error, ENDS_THE_RUN) and work.broken_by is None:
        work.broken_by = error


def _note_namespaces(
    work: CollectionWork, settings: EngineSettings, own: frozenset[str]
) -> list[Place]:
    """Note of each namespace why nothing is judged there, and since when."""
    places, changed = [], []
    rows = ObservedNamespace.objects.filter(cluster=work.cluster).only(
        "name", "labels", "not_enforceable", "not_enforceable_since"
    )
    for row in rows.order_by("name"):
        found = obstacles(row.name, _labels(row.name, row.labels), settings, own)
        reasons = [each.to_json() for each in found]
        if row.not_enforceable != reasons:
            row.not_enforceable_since = _since(row, reasons, work.run.started_at)
            row.not_enforceable = reasons
            changed.append(row)
        obstacle = sentence_of(found) if found else ""
        places.append(Place(row.name, _labels(row.name, row.labels), obstacle))
    ObservedNamespace.objects.bulk_update(
        changed, ["not_enforceable", "not_enforceable_since"], batch_size=BATCH_SIZE
    )
    return places


def _labels(name: str, labels: Mapping[str, str]) -> Mapping[str, str]:
    """Add the label that every API server sets, in case the picture is older than it."""
    return {"kubernetes.io/metadata.name": name, **labels}


def _since(row: ObservedNamespace, reasons: list[dict[str, str]], now: datetime) -> datetime | None:
    return (row.not_enforceable_since or now) if reasons else None


def _note_inconsistent(
    policies: Iterable[ObservedPolicy], places: list[Place], settings: EngineSettings
) -> None:
    """Note of the policies of others whether the engine contradicts itself about them somewhere."""
    engine = Engine(settings.version, settings.webhooks)
    changed = []
    for row in policies:
        policy = Policy(row.manifest)
        found = (
            not row.variant_name and has_effects(policy) and is_inconsistent(policy, places, engine)
        )
        if found != row.is_inconsistent:
            row.is_inconsistent = found
            changed.append(row)
    ObservedPolicy.objects.bulk_update(changed, ["is_inconsistent"], batch_size=BATCH_SIZE)
