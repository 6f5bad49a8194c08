"""Ask a cluster whether its engine heeds exceptions, and where they have to lie: the flags decide without a word (T35)."""

from dataclasses import dataclass

import msgspec
from django.conf import settings

from policies.actions.errors import Refused
from policies.actions.specs import exception_resource
from policies.cluster.errors import Forbidden, NotFound
from policies.cluster.gateway import DEPLOYMENTS, Gateway
from policies.domain.engines import Component, ControllerSettings, read_settings
from policies.domain.exceptions import (
    EXCEPTION_VERSIONS,
    ExceptionKind,
    Support,
    agreed_namespace,
    exception_support,
)
from policies.models import Cluster, ObservedNamespace


@dataclass(frozen=True, slots=True)
class Home:
    """Where a new exception is written, in which version, and whether it counts there."""

    group: ExceptionKind
    api_version: str
    namespace: str
    support: Support
    kyverno: tuple[int, ...] | None
    """The version that runs; None when unknown."""


def find_home(gateway: Gateway, cluster: Cluster, group: ExceptionKind) -> Home:
    """Find out where exceptions of this kind belong on a cluster. Raises Refused when it has none, ClusterError."""
    api_version = served_version(gateway, group)
    controllers = read_controllers(gateway, cluster)
    namespace = agreed_namespace(controllers, group, settings.SECPROF_EXCEPTION_NAMESPACE)
    running = [each.version for each in controllers if each.component is Component.ADMISSION]
    return Home(
        group=group,
        api_version=api_version,
        namespace=namespace,
        support=exception_support(controllers, group, namespace),
        kyverno=running[0] if running else None,
    )


def served_version(gateway: Gateway, group: ExceptionKind) -> str:
    """Give the newest version of a kind of exceptions that a cluster serves. Raises Refused when there is none."""
    for version in EXCEPTION_VERSIONS[group]:
        if gateway.serves(exception_resource(group, version)):
            return version
    raise Refused(
        f"This cluster serves no PolicyException of {group}: is Kyverno 1.11 or newer installed?"
    )


def read_controllers(gateway: Gateway, cluster: Cluster) -> tuple[ControllerSettings, ...]:
    """Read the command lines of Kyverno's controllers; what may not be read is unknown. Raises ClusterError."""
    namespaces = (
        ObservedNamespace.objects.filter(cluster=cluster, is_system=True)
        .exclude(name__startswith="kube-")
        .order_by("name")
    )
    found: list[ControllerSettings] = []
    for namespace in namespaces.values_list("name", flat=True):
        try:
            for page in gateway.pages(DEPLOYMENTS, namespace=namespace):
                read = (read_settings(msgspec.json.decode(item)) for item in page.items)
                found += [each for each in read if each is not None]
        except (Forbidden, NotFound):
            continue
    return tuple(found)


def address_of(text: str) -> tuple[ExceptionKind, str, str]:
    """Read the address of an exception on a cluster: `group/namespace/name`. Raises Refused."""
    parts = text.split("/")
    if len(parts) != 3 or not all(parts) or parts[0] not in set(ExceptionKind):
        raise Refused(f"{text[:80]!r} names no exception on a cluster.")
    return ExceptionKind(parts[0]), parts[1], parts[2]
