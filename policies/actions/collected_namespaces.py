"""Namespaces: how those that one collection run has read become rows."""

from django.conf import settings
from django.utils import timezone

from policies.actions.collection_work import CollectionWork
from policies.actions.storing import Fields, Key, content_hash, replace_rows
from policies.cluster.gateway import NAMESPACES
from policies.domain.engines import Engine, is_system_namespace
from policies.domain.objects import Namespace
from policies.models import ObservedNamespace


def store_namespaces(
    work: CollectionWork, namespaces: list[Namespace], engines: list[Engine] | None
) -> None:
    """Replace the namespaces; `engines` is None while Deployments cannot be read."""
    own = _engine_namespaces(work, engines)
    rows: dict[Key, Fields] = {}
    for namespace in namespaces:
        meta = namespace.metadata
        fields: Fields = {
            "uid": meta.uid,
            "team": (meta.labels or {}).get(settings.SECPROF_TEAM_LABEL, ""),
            "labels": meta.labels or {},
            "is_system": is_system_namespace(meta.name, own),
            "is_terminating": meta.deletion_timestamp is not None,
        }
        rows[(meta.name,)] = {**fields, "content_hash": content_hash(fields)}
    work.hold(timezone.now())
    replace_rows(
        ObservedNamespace, scope=work.scope, key=("name",), compared=("content_hash",), rows=rows
    )
    work.mark(NAMESPACES)


def _engine_namespaces(work: CollectionWork, engines: list[Engine] | None) -> frozenset[str]:
    """Name the namespaces that the engine runs in: those of before, while Deployments cannot be read."""
    if engines is not None:
        return frozenset(engine.namespace for engine in engines)
    known = ObservedNamespace.objects.filter(cluster=work.cluster, is_system=True)
    return frozenset(known.values_list("name", flat=True))
