"""What the last collection read of the engine's settings: versions and flags of Kyverno's controllers."""

from collections.abc import Collection

from policies.domain.engines import Component, ControllerSettings, read_version
from policies.models import Cluster, ObservedController


def controllers_of(cluster: Cluster) -> tuple[ControllerSettings, ...]:
    """Give the controllers of one cluster, in one query."""
    return controllers_by_cluster([cluster.pk]).get(cluster.pk, ())


def controllers_by_cluster(
    cluster_ids: Collection[int],
) -> dict[int, tuple[ControllerSettings, ...]]:
    """Give the controllers of some clusters by cluster id, in one query."""
    found: dict[int, tuple[ControllerSettings, ...]] = {}
    rows = ObservedController.objects.filter(cluster_id__in=cluster_ids)
    for row in rows.order_by("cluster_id", "component", "namespace", "name"):
        settings = ControllerSettings(
            component=Component(row.component),
            namespace=row.namespace,
            name=row.name,
            version=read_version(row.version),
            flags=row.flags,
        )
        found[row.cluster_id] = (*found.get(row.cluster_id, ()), settings)
    return found
