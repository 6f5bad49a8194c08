"""Put the demo's company on real control planes: namespaces and workloads, as their teams would apply them."""

from pathlib import Path

from kubernetes import config, utils
from kubernetes.client import ApiClient

from sandbox.company import Which, manifests

ALREADY_EXISTS = 409
WHICH: Which = "staging"
"""The smaller half: every pod of it is real to the API server, and none will ever run."""


def fill(kubeconfig: Path) -> int:
    """Create what is not there yet, and count it.

    Raises kubernetes' FailToCreateError when the server takes something else amiss.
    """
    client = config.new_client_from_config(config_file=str(kubeconfig))
    with client:
        return sum(_create(client, manifest) for manifest in manifests(WHICH))


def _create(client: ApiClient, manifest: dict[str, object]) -> bool:
    try:
        utils.create_from_dict(client, manifest)
    except utils.FailToCreateError as error:
        if any(failure.status != ALREADY_EXISTS for failure in error.api_exceptions):
            raise
        return False
    return True
