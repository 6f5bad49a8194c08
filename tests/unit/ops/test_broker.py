"""Which broker the demo takes, and where its socket lies."""

import os
import tempfile
from pathlib import Path

import pytest

from launch import broker


def nothing(name: str) -> str | None:
    return None


def test_choose_redis_url_set_starts_nothing(tmp_path: Path) -> None:
    chosen = broker.choose(tmp_path, {"REDIS_URL": "redis://elsewhere:6379/3"}, find=nothing)

    assert chosen == broker.Broker("redis://elsewhere:6379/3")


@pytest.mark.parametrize(
    ("installed", "expected"),
    [({"redis-server"}, "redis-server"), ({"redis-server", "valkey-server"}, "valkey-server")],
)
def test_choose_server_on_path_is_taken_before_the_packaged_one(
    tmp_path: Path, installed: set[str], expected: str
) -> None:
    chosen = broker.choose(
        tmp_path, {"REDIS_URL": ""}, find=lambda name: f"/bin/{name}" if name in installed else None
    )

    assert chosen.command[0] == f"/bin/{expected}"


def test_choose_no_server_on_path_takes_the_packaged_one(tmp_path: Path) -> None:
    chosen = broker.choose(tmp_path, {}, find=nothing)

    assert chosen.command[0] == broker.packaged_server()
    assert chosen.command[chosen.command.index("--port") + 1] == "0"


def test_choose_nothing_anywhere_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broker, "packaged_server", lambda: None)

    with pytest.raises(broker.NoBroker, match="apt-get install redis-server.*REDIS_URL"):
        broker.choose(tmp_path, {}, find=nothing)


def test_url_quotes_the_path(tmp_path: Path) -> None:
    chosen = broker.choose(Path("/srv/with space"), {}, find=nothing)

    assert chosen.url == "redis+socket:///srv/with%20space/broker.sock"


def test_socket_path_that_fits_lies_beside_the_data() -> None:
    assert broker.socket_path(Path("/srv/demo")) == Path("/srv/demo/broker.sock")


def test_socket_path_too_long_moves_to_a_private_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tempfile.TemporaryDirectory() as short:
        monkeypatch.setattr(tempfile, "tempdir", short)
        path = broker.socket_path(tmp_path / ("ä" * 60))

        assert len(os.fsencode(path)) <= broker.LONGEST_SOCKET_PATH
        assert path.parent.stat().st_mode & 0o077 == 0
        assert path == broker.socket_path(tmp_path / ("ä" * 60))


def test_socket_directory_open_to_others_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tempfile.TemporaryDirectory() as short:
        monkeypatch.setattr(tempfile, "tempdir", short)
        broker.socket_path(tmp_path / ("x" * 120)).parent.chmod(0o755)

        with pytest.raises(broker.NoBroker, match="belongs to somebody else"):
            broker.socket_path(tmp_path / ("x" * 120))


def test_await_answer_nobody_there_says_so(tmp_path: Path) -> None:
    absent = broker.Broker(f"redis+socket://{tmp_path}/none.sock")

    with pytest.raises(broker.NoBroker, match="does not answer"):
        broker.await_answer(absent, seconds=0.1)
