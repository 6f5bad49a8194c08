"""Open the gateway of a cluster: the one place where its credential is decrypted."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings
from django.utils.module_loading import import_string

from policies.cluster.connection import Connection
from policies.cluster.credentials import CredentialUnreadable, Keyring
from policies.cluster.errors import Unauthorized
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

    `patience_seconds` bounds the wait for one answer. Raises ClusterError when the credential cannot be used, and as
    soon as a call fails.
    """
    gateway = open_gateway(cluster, patience_seconds=patience_seconds)
    try:
        yield gateway
    finally:
        gateway.close()


def open_gateway(cluster: Cluster, *, patience_seconds: float = 60) -> Gateway:
    """Open a gateway that the caller closes. Raises ClusterError when the credential cannot be used."""
    gateway_class = import_string(settings.CLUSTER_GATEWAYS[cluster.gateway])
    if cluster.gateway == SANDBOX:
        gateway: Gateway = gateway_class(sandbox_path(cluster.name))
    else:
        gateway = gateway_class(_connection(cluster), read_timeout_seconds=patience_seconds)
    return gateway


def _connection(cluster: Cluster) -> Connection:
    try:
        return keyring().decrypt(cluster.credential)
    except CredentialUnreadable as error:
        raise Unauthorized(str(error)) from error
