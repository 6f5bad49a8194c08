"""What the last collections read of the engine itself: Kyverno's controllers, its ConfigMap and its webhooks."""

from collections.abc import Collection

from policies.domain.engine_settings import EngineSettings, read_config, read_webhook
from policies.domain.engines import Component, ControllerSettings, read_version
from policies.models import Cluster, EngineState, ObservedController


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
            replicas=row.replicas,
            ready=row.ready,
        )
        found[row.cluster_id] = (*found.get(row.cluster_id, ()), settings)
    return found


def engine_settings_of(cluster: Cluster, state: EngineState | None = None) -> EngineSettings:
    """Give everything that is known of the engine of one cluster, in two queries; one when its state is given."""
    state = state or EngineState.objects.filter(cluster=cluster).first() or EngineState()
    return EngineSettings(
        controllers=controllers_of(cluster),
        config=None if state.config is None else read_config(state.config),
        webhooks=None if state.webhooks is None else tuple(map(read_webhook, state.webhooks)),
        others=tuple(state.others),
        expects_pods=state.expects_pods,
        kubernetes=read_version(cluster.kubernetes_version),
    )
