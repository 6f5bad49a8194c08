"""Whether clusters heed exceptions, by the flags of their engines as they were collected last."""

from collections.abc import Collection
from dataclasses import dataclass

from django.conf import settings

from policies.domain.engines import Component, ControllerSettings, Version
from policies.domain.exceptions import ExceptionKind
from policies.domain.exceptions.support import agreed_namespace, exception_support
from policies.models import Cluster
from policies.queries.engine_settings import controllers_by_cluster, controllers_of


@dataclass(frozen=True, slots=True)
class Heeded:
    """How one kind of exception fares on one cluster."""

    honoured: bool | None
    """None when a setting is not known."""
    namespace: str
    """Where such an exception has to lie."""
    kyverno: Version | None
    sentence: str
    """What is known, and which setting to change."""


def heeded_by(cluster: Cluster, kind: ExceptionKind) -> Heeded:
    """Say whether a cluster heeds exceptions of this kind, in one query."""
    return _heeded(controllers_of(cluster), kind)


def heeded_by_clusters(
    wanted: Collection[tuple[int, ExceptionKind]],
) -> dict[tuple[int, ExceptionKind], Heeded]:
    """Say it of some clusters, each by its id and a kind, in one query."""
    found = controllers_by_cluster({cluster_id for cluster_id, _ in wanted})
    return {(pk, kind): _heeded(found.get(pk, ()), kind) for pk, kind in wanted}


def _heeded(controllers: tuple[ControllerSettings, ...], kind: ExceptionKind) -> Heeded:
    namespace = agreed_namespace(controllers, kind, settings.SECPROF_EXCEPTION_NAMESPACE)
    support = exception_support(controllers, kind, namespace)
    running = (each.version for each in controllers if each.component is Component.ADMISSION)
    return Heeded(support.honoured, namespace, next(running, None), support.sentence)
