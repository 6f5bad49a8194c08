"""What happens to a plane's processes and files, with stand-ins for its programs."""

from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pytest

from controlplane import lifecycle, plane, processes, readiness
from controlplane.__main__ import main
from controlplane.kube import Api
from controlplane.parts import PORT_NAMES
from controlplane.processes import Condition, Process
from controlplane.state import Home, State

_PORTS = {name: 20100 + index for index, name in enumerate(PORT_NAMES)}


def _sleeping_plane(home: Home, *, ready: bool) -> Process:
    home.create()
    process = processes.spawn(["/bin/sleep", "60"], {}, home.log("etcd"))
    home.write(State("1.19.1", _PORTS, {"etcd": process}, ready=ready))
    return process


def test_down_ends_processes_and_deletes_files(state_home: Path) -> None:
    home = Home("default")
    process = _sleeping_plane(home, ready=True)

    plane.down("default")

    assert processes.look(process) is Condition.GONE
    assert not home.folder.exists()


def test_down_twice_is_no_error(state_home: Path) -> None:
    plane.down("default")
    plane.down("default")


def test_half_started_plane_is_cleared_away_before_a_new_start(
    state_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home("default")
    process = _sleeping_plane(home, ready=False)
    monkeypatch.setattr(lifecycle, "build", lambda _kyverno: None)
    monkeypatch.setattr(lifecycle, "_prepare_kyverno", lambda *_: None)
    monkeypatch.setattr(lifecycle, "start", lambda *_: None)

    lifecycle.bring_up(home, "1.19.1")

    assert processes.look(process) is Condition.GONE
    state = lifecycle.read(home)
    assert state.ready
    assert not state.processes
    assert home.kubeconfig.stat().st_mode & 0o777 == 0o600


def test_failed_start_ends_what_it_started_and_keeps_the_log(
    state_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home("default")
    started: list[Process] = []

    def start(home: Home, *_: object) -> None:
        started.append(_sleeping_plane(home, ready=False))
        raise readiness.NotReady("etcd ended while starting.")

    monkeypatch.setattr(lifecycle, "build", lambda _kyverno: None)
    monkeypatch.setattr(lifecycle, "start", start)

    with pytest.raises(readiness.NotReady):
        lifecycle.bring_up(home, "1.19.1")

    assert [processes.look(process) for process in started] == [Condition.GONE]
    assert home.log("etcd").exists()


def test_plane_with_another_kyverno_is_refused(
    state_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home("default")
    home.create()
    home.write(State("1.13.4", _PORTS, ready=True))
    monkeypatch.setattr(lifecycle, "build", lambda _kyverno: None)

    with pytest.raises(lifecycle.OtherVersion, match=r"runs Kyverno 1\.13\.4"):
        lifecycle.bring_up(home, "1.19.1")


def test_waiting_ends_when_the_process_ends() -> None:
    with pytest.raises(readiness.NotReady, match="etcd ended while starting"):
        readiness.wait_until(lambda: False, "etcd", 60, alive=lambda: False)


def test_waiting_ends_when_the_time_is_over() -> None:
    def refuse() -> bool:
        raise ConnectionRefusedError

    with pytest.raises(readiness.NotReady, match="etcd was not ready within 0 s"):
        readiness.wait_until(refuse, "etcd", 0)


def test_commands_on_a_missing_plane_fail_in_a_sentence(
    state_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in ("status", "kubeconfig", "restart"):
        assert main([command, "--name", "nobody"]) == 1
        assert "no control plane 'nobody'" in capsys.readouterr().err


def test_lease_older_than_the_start_does_not_count(state_home: Path) -> None:
    class OldLease:
        ok = True

        def get(self, _path: str) -> "OldLease":
            return self

        def json(self) -> dict[str, dict[str, str]]:
            return {"spec": {"renewTime": "2026-01-01T00:00:00.000000Z"}}

    started_at = datetime(2026, 1, 1, 0, 0, 1, tzinfo=UTC)

    assert not readiness.check_of("reports", cast("Api", OldLease()), _PORTS, started_at)()
