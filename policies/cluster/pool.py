"""urllib3 as secprof uses it: no proxy, no redirect, no retry of its own, no forbidden address behind a name."""

import socket

from urllib3 import HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPSConnection
from urllib3.exceptions import HTTPError

from policies.cluster import addresses
from policies.cluster.connection import Connection
from policies.cluster.tls import tls_context


class AddressRefused(HTTPError):
    """The server's name leads to an address that may not be called."""


class _GuardedConnection(HTTPSConnection):
    """Looks at the addresses behind a name before the first packet, and at the peer before the first byte."""

    allow_loopback = False

    def _new_conn(self) -> socket.socket:
        self._check(self.host)
        for address in self._resolved():
            self._check(address)
        peer = super()._new_conn()
        try:
            # The name may have been given another address in between.
            self._check(peer.getpeername()[0])
        except AddressRefused:
            peer.close()
            raise
        return peer

    def _resolved(self) -> set[str]:
        try:
            found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        except OSError:
            return set()  # urllib3 meets the same error and words it
        return {str(info[4][0]) for info in found}

    def _check(self, address: str) -> None:
        if reason := addresses.refusal(address, allow_loopback=self.allow_loopback):
            raise AddressRefused(reason)


class _LoopbackConnection(_GuardedConnection):
    allow_loopback = True


class _GuardedPool(HTTPSConnectionPool):
    ConnectionCls = _GuardedConnection


class _LoopbackPool(HTTPSConnectionPool):
    ConnectionCls = _LoopbackConnection


def pool_for(connection: Connection) -> PoolManager:
    """Open a pool; more than one connection is open only while several kinds are watched. Raises TlsFailed."""
    manager = PoolManager(
        maxsize=32,
        retries=False,
        ssl_context=tls_context(connection),
        server_hostname=connection.tls_server_name or None,
    )
    manager.pool_classes_by_scheme = {
        "https": _LoopbackPool if connection.allow_loopback else _GuardedPool
    }
    return manager
