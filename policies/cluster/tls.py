"""The TLS context of one connection: its CA, its client certificate, and no file on any disk. Linux only."""

import os
import ssl

from policies.cluster.connection import Connection
from policies.cluster.errors import TlsFailed


def tls_context(connection: Connection) -> ssl.SSLContext:
    """Build a context that trusts the connection's CA alone, or this machine's CAs if it names none.

    Raises:
        TlsFailed: OpenSSL does not accept the CA, the client certificate or its key.
    """
    try:
        context = ssl.create_default_context(cadata=connection.ca_pem or None)
        if connection.client_certificate_pem:
            _load_identity(context, connection)
    except (ssl.SSLError, ValueError) as error:
        raise TlsFailed(
            "The CA or the client certificate of this connection cannot be used; enter the kubeconfig again."
        ) from error
    return context


def _load_identity(context: ssl.SSLContext, connection: Connection) -> None:
    # OpenSSL wants a path; a file that lives in memory has one too.
    pem = f"{connection.client_certificate_pem}\n{connection.client_key_pem}\n"
    with os.fdopen(os.memfd_create("secprof-identity", os.MFD_CLOEXEC), "wb") as file:
        file.write(pem.encode("ascii"))
        file.flush()
        context.load_cert_chain(f"/proc/self/fd/{file.fileno()}")
