"""Picks loopback ports for a control plane, clear of those that other planes have reserved.

They lie below the range from which the kernel serves outgoing connections, so that a stopped part
finds its port free when it starts again.
"""

import socket
from collections.abc import Collection

from controlplane.errors import ControlPlaneError

_FIRST, _LAST = 20100, 32000


class NoPorts(ControlPlaneError):
    """Every port in the range is taken."""


def choose(count: int, reserved: Collection[int]) -> tuple[int, ...]:
    """Return the lowest ports that nobody reserved and nobody listens on.

    Raises:
        NoPorts: there are not enough of them.
    """
    chosen: list[int] = []
    for port in range(_FIRST, _LAST):
        if len(chosen) == count:
            break
        if port not in reserved and _is_free(port):
            chosen.append(port)
    if len(chosen) < count:
        raise NoPorts(f"No {count} free ports between {_FIRST} and {_LAST}.")
    return tuple(chosen)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As Go listens: a port with connections that are merely dying is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            # On every address: Kyverno before 1.19 cannot be told to listen on loopback alone.
            probe.bind(("", port))
        except OSError:
            return False
    return True
