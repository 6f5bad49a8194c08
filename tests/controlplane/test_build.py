"""Which versions there are, and what makes a build a new one. Builds nothing."""

import shutil
from pathlib import Path

import pytest

from controlplane import available, build


@pytest.fixture
def module(tmp_path: Path) -> Path:
    return Path(shutil.copytree(build.MODULES / build.ETCD, tmp_path / build.ETCD))


def test_kyverno_versions_are_listed_oldest_first() -> None:
    assert build.kyverno_versions() == ("1.13.4", "1.19.1")


def test_unknown_version_is_refused_naming_those_that_exist() -> None:
    with pytest.raises(build.UnknownVersion, match=r"no Kyverno 1\.12\.0.*1\.13\.4, 1\.19\.1"):
        build.build("1.12.0")


@pytest.mark.parametrize(
    "name", [build.ETCD, build.KUBERNETES, build.KUBECTL, "kyverno-1.19.1", "kyverno-1.13.4"]
)
def test_every_module_folder_pins_the_version_in_its_name(name: str) -> None:
    pins = (build.MODULES / name / "go.mod").read_text()

    assert f" v{name.rpartition('-')[2]}" in pins


@pytest.mark.parametrize("name", ["go.mod", "go.sum"])
def test_module_key_of_a_changed_pin_differs(module: Path, name: str) -> None:
    before = build.module_key(module, "go1.26.8")

    (module / name).write_text("changed")

    assert build.module_key(module, "go1.26.8") != before


def test_module_key_of_another_go_differs(module: Path) -> None:
    assert build.module_key(module, "go1.26.8") != build.module_key(module, "go1.27.0")


def test_module_key_of_the_same_pins_is_the_same(module: Path) -> None:
    original = build.MODULES / build.ETCD

    assert build.module_key(module, "go1.26.8") == build.module_key(original, "go1.26.8")


def test_available_without_go_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _name: None)

    assert "no go command" in (available() or "")


def test_available_on_another_system_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "darwin")

    assert "needs Linux" in (available() or "")


def test_build_without_go_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _name: None)

    for ask in (build.build, build.kubectl):
        with pytest.raises(build.BuildFailed, match="no go command"):
            ask()
