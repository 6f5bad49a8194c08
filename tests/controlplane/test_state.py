"""What is written down about a control plane."""

from pathlib import Path

import pytest

from controlplane.processes import Process
from controlplane.state import BadName, Damaged, Home, State, port_lock

_STATE = State("1.19.1", {"etcd": 20100}, {"etcd": Process(7, 42)}, ready=True)


def test_state_written_is_read_again(state_home: Path) -> None:
    home = Home("default")
    home.create()

    home.write(_STATE)

    assert home.read() == _STATE
    assert home.folder == state_home / "default"


def test_no_state_is_none(state_home: Path) -> None:
    assert Home("default").read() is None


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"processes": {"etcd": {"pid": 1}}}', "null"])
def test_damaged_state_is_refused_naming_its_file(state_home: Path, text: str) -> None:
    home = Home("default")
    home.create()
    (home.folder / "state.json").write_text(text)

    with pytest.raises(Damaged, match=r"default/state\.json is damaged"):
        home.read()


@pytest.mark.parametrize("name", ["", "..", "a/b", "Upper", "-a", "a-", ".hidden", "a" * 41])
def test_name_unfit_for_a_folder_is_refused(name: str) -> None:
    with pytest.raises(BadName):
        Home(name)


def test_folder_is_for_its_owner_alone(state_home: Path) -> None:
    home = Home("default")

    home.create()

    assert home.folder.stat().st_mode & 0o777 == 0o700
    assert home.pki.stat().st_mode & 0o777 == 0o700


def test_ports_of_other_planes_are_reserved(state_home: Path) -> None:
    for name, port in (("one", 20100), ("two", 20200)):
        home = Home(name)
        home.create()
        home.write(State("1.19.1", {"etcd": port}))

    with port_lock() as reserved:
        assert reserved == {20100, 20200}
