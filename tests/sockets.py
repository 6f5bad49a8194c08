"""Keep tests on this machine: connections to anything but loopback and Unix sockets raise.

Names under `.invalid` stay unknown, as they are everywhere, so that "no such host" can be tested.
"""

import ipaddress
import socket
from typing import Any

import pytest

_LOOPBACK_NAMES = frozenset({"localhost", "ip6-localhost", ""})


class ConnectionBlocked(AssertionError):
    """A test reached for the network."""


def block(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a guard before connect, connect_ex, sendto and getaddrinfo."""
    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, _guarded(getattr(socket.socket, name)))
    resolve = socket.getaddrinfo

    def getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        text = host.decode() if isinstance(host, bytes) else host
        if text is not None and text.endswith(".invalid"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        if text is not None and not is_local(text):
            raise ConnectionBlocked(f"A test looked up {text}.")
        return resolve(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


def _guarded(original: Any) -> Any:
    def guarded(self: socket.socket, address: Any) -> Any:
        if self.family in {socket.AF_INET, socket.AF_INET6} and not is_local(address[0]):
            raise ConnectionBlocked(f"A test connected to {address[0]}.")
        return original(self, address)

    return guarded


def is_local(host: str) -> bool:
    """Say whether this host is the machine itself."""
    if host in _LOOPBACK_NAMES:
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified
