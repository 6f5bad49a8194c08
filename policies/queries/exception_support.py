"""What is known of whether a cluster heeds exceptions, and where they have to lie."""

from dataclasses import dataclass

from django.conf import settings

from policies.domain.engines import ControllerSettings, Version, read_version
from policies.domain.exceptions.records import ExceptionKind
from policies.domain.exceptions.support import agreed_namespace, exception_support
from policies.models import Cluster


@dataclass(frozen=True, slots=True)
class Heeded:
    """How one kind of exception fares on one cluster."""

    honoured: bool | None
    namespace: str
    """Where such exceptions are to lie."""
    sentence: str


def support_of(cluster: Cluster, kind: ExceptionKind) -> Heeded:
    """Say whether a cluster heeds exceptions of this kind, by the flags that were collected last."""
    controllers = controllers_of(cluster)
    namespace = agreed_namespace(controllers, kind, settings.SECPROF_EXCEPTION_NAMESPACE)
    support = exception_support(controllers, kind, namespace)
    return Heeded(support.honoured, namespace, support.sentence)


def controllers_of(cluster: Cluster) -> tuple[ControllerSettings, ...]:
    """Give the settings of Kyverno's controllers, as collected last."""
    return ()


def kyverno_version(cluster: Cluster) -> Version | None:
    """Give the version of Kyverno that was seen last, None when unknown."""
    return read_version(cluster.kyverno_version)
