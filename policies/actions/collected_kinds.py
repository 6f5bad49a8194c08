"""The order in which a collection reads its kinds, and stores them. The run itself is in `collection.py`."""

from collections.abc import Mapping

import msgspec
from django.utils import timezone

from policies.actions.collected_engine import note_engine_settings
from policies.actions.collected_exceptions import (
    note_needs,
    read_exceptions,
    store_controllers,
    store_exceptions,
)
from policies.actions.collected_namespaces import store_namespaces
from policies.actions.collected_policies import read_policies, store_policies
from policies.actions.collected_reports import read_reports, store_results
from policies.actions.collected_workloads import read_workloads, store_workloads
from policies.actions.collection_work import CollectionWork
from policies.actions.engine import VERSION_LENGTH, note_contact, note_engine
from policies.actions.judging import Panel, panel_of
from policies.actions.snapshots import Snapshot
from policies.cluster.gateway import NAMESPACES, ServerVersion
from policies.domain.engines import Engine
from policies.domain.facts import TYPICAL, ClusterFacts
from policies.domain.objects import Namespace
from policies.domain.ownership import Top
from policies.queries.specs import judges_on


def read_and_store(work: CollectionWork) -> tuple[Snapshot, Mapping[str, Top]]:
    """Read every kind, then store what was read to its end; give the workloads that were read, and their tops.

    Raises ClusterError when the first call fails already, RunLost.
    """
    version = work.gateway.version()
    note_contact(work.cluster, version=version.git_version, now=timezone.now())
    panel = _panel(work, version)
    namespaces = work.read_kind(NAMESPACES, msgspec.json.Decoder(Namespace).decode)
    policies = read_policies(work)
    snapshot, engines = read_workloads(work, panel)
    tops = snapshot.tops()
    results = read_reports(work, tops)
    exceptions = read_exceptions(work)

    if namespaces is not None:
        store_namespaces(work, namespaces, engines.found if engines else None)
    for resource, records in policies.items():
        if records is not None:
            store_policies(work, resource, records)
    store_workloads(work, snapshot, tops, panel)
    if results is not None and snapshot.is_whole:
        store_results(work, results)
    store_exceptions(work, exceptions)
    if snapshot.is_whole:
        note_needs(work)
    if engines is not None:
        _note_kyverno(work, engines.found)
        store_controllers(work, engines)
    note_engine_settings(work, engines)
    if work.broken_by is None:
        note_engine(work.gateway, work.cluster, now=timezone.now())
    return snapshot, tops


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
