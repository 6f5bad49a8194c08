"""The order in which a collection reads its kinds, and stores them. The run itself is in `collection.py`."""

from collections.abc import Mapping
from datetime import timedelta

import msgspec
from django.conf import settings
from django.utils import timezone

from policies.actions.catching_up import ListInstead, catch_up, followed_kinds
from policies.actions.collected_denials import collect_denials
from policies.actions.collected_engine import note_engine_settings
from policies.actions.collected_exceptions import (
    note_needs,
    read_exceptions,
    store_controllers,
    store_exceptions,
)
from policies.actions.collected_namespaces import store_namespaces
from policies.actions.collected_policies import POLICY_KINDS, read_policies, store_policies
from policies.actions.collected_profiles import store_references
from policies.actions.collected_reports import read_reports, store_results
from policies.actions.collected_workloads import Engines, read_workloads, store_workloads
from policies.actions.collection_work import CaughtUp, CollectionWork
from policies.actions.engine import VERSION_LENGTH, note_contact, note_engine
from policies.actions.history import close_day, note_day
from policies.actions.judging import Panel, panel_of
from policies.actions.report_parts import REPORT_KINDS
from policies.cluster.gateway import NAMESPACES, ServerVersion
from policies.domain.engines import Engine
from policies.domain.facts import TYPICAL, ClusterFacts
from policies.domain.objects import Namespace
from policies.domain.ownership import Top
from policies.models import Cluster
from policies.queries.seen import StoredTops
from policies.queries.specs import judges_on


def read_and_store(work: CollectionWork) -> None:
    """Read every kind, and store each that was read to its end.

    Raises ClusterError when the first call fails already, RunLost.
    """
    version = work.gateway.version()
    note_contact(work.cluster, version=version.git_version, now=timezone.now())
    panel = _panel(work, version)
    close_day(work.cluster, now=work.run.started_at)
    work.forget_versions()
    namespaces = work.read_kind(NAMESPACES, msgspec.json.Decoder(Namespace).decode)
    for resource, records in read_policies(work).items():
        if records is not None:
            store_policies(work, resource, records)
    tops, engines = _workloads(work, panel)
    if namespaces is not None:
        store_namespaces(work, namespaces, engines.found if engines else None)
    reports = read_reports(work)
    if reports is not None and tops is not None:
        touched = store_results(work, reports, tops)
        note_day(work.cluster, now=work.run.started_at, keys=touched)
    collect_denials(work, tops or StoredTops(work.cluster.pk))
    store_exceptions(work, read_exceptions(work))
    if tops is not None:
        note_needs(work)
    if engines is not None:
        _note_kyverno(work, engines.found)
        store_controllers(work, engines)
    note_engine_settings(work, engines)
    work.release_versions()
    if work.broken_by is None:
        note_engine(work.gateway, work.cluster, now=timezone.now())


def _workloads(
    work: CollectionWork, panel: Panel
) -> tuple[Mapping[str, Top] | None, Engines | None]:
    """Read and store the workloads, and let go of them: of a large cluster they are much to hold.

    Give the top-level workload of each object, None when not every kind was read to its end.
    """
    snapshot, engines = read_workloads(work, panel)
    if work.broken_by is None:
        work.gateway.read_ahead(REPORT_KINDS[0])
    tops = snapshot.tops()
    store_workloads(work, snapshot, tops, panel)
    if not snapshot.is_whole:
        return None, engines
    store_references(work, snapshot, tops)
    return tops, engines


def follow(work: CollectionWork) -> CaughtUp:
    """Catch up with what happened since the run before. Raises ListInstead, ClusterError, RunLost."""
    before = work.cluster.kubernetes_version
    version = work.gateway.version()
    note_contact(work.cluster, version=version.git_version, now=timezone.now())
    if work.cluster.kubernetes_version != before:
        raise ListInstead("The API server has another version.")
    panel = _panel(work, version)
    since = followed_kinds(work.cluster.pk, panel)
    if since is None:
        raise ListInstead("There is no version to go on from.")
    close_day(work.cluster, now=work.run.started_at)
    caught_up = catch_up(work, panel, since)
    is_time = _is_time_for_the_rest(work.cluster)
    if is_time or caught_up.gone_tallies:
        note_day(work.cluster, now=work.run.started_at, keys=caught_up.gone_tallies)
    if is_time:
        collect_denials(work, StoredTops(work.cluster.pk))
    if is_time or caught_up.touches(_DECIDE_WHERE_IT_WORKS):
        note_engine_settings(work, None)
    if caught_up.counts:
        note_needs(work)
    if is_time and work.broken_by is None:
        note_engine(work.gateway, work.cluster, now=timezone.now())
    return caught_up


_DECIDE_WHERE_IT_WORKS = frozenset(resource.full_name for resource in (NAMESPACES, *POLICY_KINDS))
"""Kinds on which it depends in which namespaces the engine has an effect."""


def _is_time_for_the_rest(cluster: Cluster) -> bool:
    """Say whether what cannot be followed is old: events, the engine's settings, and its answer to a dry-run."""
    since = timedelta(seconds=settings.SECPROF_COLLECT_INTERVAL_SECONDS)
    asked_at = cluster.engine_checked_at
    return asked_at is None or timezone.now() - asked_at >= since


def _panel(work: CollectionWork, version: ServerVersion) -> Panel:
    """Seat the judges of this cluster, with what is known of it."""
    known = version.minor > (0, 0)
    facts = ClusterFacts(kubernetes=version.minor) if known else TYPICAL
    return panel_of(judges_on(work.cluster), facts)


def _note_kyverno(work: CollectionWork, engines: list[Engine]) -> None:
    version = engines[0].version[:VERSION_LENGTH] if engines else ""
    if work.cluster.kyverno_version != version:
        work.cluster.kyverno_version = version
        work.cluster.save(update_fields=["kyverno_version"])
