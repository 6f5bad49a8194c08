"""The guard that keeps tests on this machine is itself at work."""

import socket

import pytest

from tests.sockets import ConnectionBlocked


def test_connection_elsewhere_is_blocked() -> None:
    with socket.socket() as outside, pytest.raises(ConnectionBlocked):
        outside.connect(("192.0.2.1", 80))


def test_name_elsewhere_is_not_looked_up() -> None:
    with pytest.raises(ConnectionBlocked):
        socket.getaddrinfo("example.com", 80)


def test_invalid_name_stays_unknown() -> None:
    with pytest.raises(socket.gaierror):
        socket.getaddrinfo("cluster.invalid", 443)


def test_loopback_is_open() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname()[:2], timeout=1).close()
