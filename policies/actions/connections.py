"""Open the gateway of a cluster: the one place where its credential is decrypted."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings
from django.utils.module_loading import import_string

from policies.cluster.credentials import Keyring
from policies.cluster.gateway import Gateway
from policies.models import Cluster

SANDBOX = "sandbox"


def keyring() -> Keyring:
    """Build the keyring from the settings, newest key first."""
    return Keyring(settings.SECPROF_CREDENTIAL_KEYS)


def sandbox_path(name: str) -> Path:
    """Name the file that holds a sandbox cluster's state."""
    return Path(settings.SECPROF_STATE_DIR) / "sandbox" / f"{name}.sqlite3"


@contextmanager
def connected(cluster: Cluster, *, patience_seconds: float = 60) -> Iterator[Gateway]:
    """Open a gateway to this cluster and close it afterwards.

    `patience_seconds` bounds the wait for one answer. Raises ClusterError as soon as a call fails.
    """
    gateway = open_gateway(cluster, patience_seconds=patience_seconds)
    try:
        yield gateway
    finally:
        gateway.close()


def open_gateway(cluster: Cluster, *, patience_seconds: float = 60) -> Gateway:
    """Open a gateway that the caller closes."""
    gateway_class = import_string(settings.CLUSTER_GATEWAYS[cluster.gateway])
    if cluster.gateway == SANDBOX:
        gateway: Gateway = gateway_class(sandbox_path(cluster.name))
    else:
        connection = keyring().decrypt(cluster.credential)
        gateway = gateway_class(connection, read_timeout_seconds=patience_seconds)
    return gateway
