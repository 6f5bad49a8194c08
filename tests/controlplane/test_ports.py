"""Which ports a control plane gets."""

import socket

import pytest

from controlplane import ports


def test_chosen_ports_are_distinct_and_below_the_ephemeral_range() -> None:
    chosen = ports.choose(8, ())

    assert len(set(chosen)) == 8
    assert max(chosen) < 32768


def test_reserved_ports_are_left_alone() -> None:
    first = ports.choose(4, ())

    assert not set(first) & set(ports.choose(4, first))


@pytest.mark.parametrize("address", ["127.0.0.1", ""])
def test_ports_in_use_are_left_alone(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as listener:
        listener.bind((address, 0))
        listener.listen()
        port = listener.getsockname()[1]
        monkeypatch.setattr(ports, "_FIRST", port)
        monkeypatch.setattr(ports, "_LAST", port + 1)

        with pytest.raises(ports.NoPorts):
            ports.choose(1, ())


def test_reserved_range_is_exhausted() -> None:
    with pytest.raises(ports.NoPorts):
        ports.choose(1, range(32768))
