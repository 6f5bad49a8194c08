"""Which nodes belong together: by what is declared, else by the labels that providers put on the nodes of a pool."""

from policies.domain.inventory.records import Node, Pool

POOL_LABELS = (
    "cloud.google.com/gke-nodepool",
    "eks.amazonaws.com/nodegroup",
    "kubernetes.azure.com/agentpool",
    "karpenter.sh/nodepool",
    "node.kubernetes.io/pool",
    "doks.digitalocean.com/node-pool",
    "pool",
)
CONTROL_PLANE_LABEL = "node-role.kubernetes.io/control-plane"
CONTROL_PLANE = "control plane"
OTHERS = "other nodes"


def pool_of(node: Node, pools: tuple[Pool, ...]) -> str:
    """Name the pool that a node is counted with: the first declared one that holds it, else a provider's."""
    for pool in sorted(pools, key=lambda pool: (not pool.selector, pool.name)):
        if pool.holds(node):
            return pool.name
    if CONTROL_PLANE_LABEL in node.labels:
        return CONTROL_PLANE
    return next((node.labels[key] for key in POOL_LABELS if node.labels.get(key)), OTHERS)
