"""When the virtual environment is installed again."""

import subprocess
import sys
from pathlib import Path

import pytest

from launch import bootstrap


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a virtual environment will be; making one takes seconds, so the tests share it."""
    return tmp_path_factory.mktemp("venv") / "env"


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    """A lock without packages: pip runs for real and needs no network."""
    path = tmp_path / "requirements.txt"
    path.write_text("# nothing\n")
    return path


def test_refresh_installs_once_and_again_when_the_lock_changed(
    environment: Path, lock: Path
) -> None:
    first = bootstrap.refresh(environment, (lock,))
    second = bootstrap.refresh(environment, (lock,))
    lock.write_text("# nothing, said otherwise\n")
    third = bootstrap.refresh(environment, (lock,))

    assert (first, second, third) == (True, False, True)
    assert subprocess.run([environment / "bin" / "python", "-c", "import pip"]).returncode == 0


def test_refresh_package_that_has_no_hash_is_refused(
    environment: Path, lock: Path, tmp_path: Path
) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "unchecked"\nversion = "1"\n')
    lock.write_text(f"{tmp_path}\n")

    with pytest.raises(bootstrap.BootstrapFailed, match="pip could not install"):
        bootstrap.refresh(environment, (lock,))


def test_refresh_old_python_is_refused_with_its_version(
    tmp_path: Path, lock: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bootstrap, "OLDEST_PYTHON", (sys.version_info.major + 1, 0))

    with pytest.raises(bootstrap.BootstrapFailed, match="needs Python 3.11 or newer"):
        bootstrap.refresh(tmp_path / "env", (lock,))
