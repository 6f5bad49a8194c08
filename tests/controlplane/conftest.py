"""A state folder that holds no real control plane."""

from pathlib import Path

import pytest


@pytest.fixture
def state_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path / "secprof" / "controlplane"
