"""What it takes to reach one API server: address and credential, checked before it gets here.

Its text never shows a secret. `kubeconfig` makes it from what a user pastes, `credentials` keeps it encrypted.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, repr=False)
class Connection:
    """One API server and the credential for it: a token, a client certificate with its key, or both."""

    server: str
    """`https://host[:port][/path]`, without a slash at its end."""
    ca_pem: str = ""
    """Empty: the certificate authorities of this machine."""
    token: str = ""
    client_certificate_pem: str = ""
    client_key_pem: str = ""
    tls_server_name: str = ""
    """The name that the server's certificate must bear; empty: the host in `server`."""
    allow_loopback: bool = False
    """Whether the server may be this machine itself, under whatever name."""

    def __repr__(self) -> str:
        held = [
            word
            for word, value in (
                ("token", self.token),
                ("client certificate", self.client_certificate_pem),
            )
            if value
        ]
        return f"Connection({self.server!r}, with {' and '.join(held) or 'no credential'})"
