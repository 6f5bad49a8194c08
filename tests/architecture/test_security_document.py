"""docs/security.md names tests and settings that exist, and speaks of every chapter."""

import ast
import re
from pathlib import Path

import pytest
from django.conf import settings

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "security.md").read_text()
TESTS = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", TEXT)))
SETTINGS = sorted(set(re.findall(r"`settings\.([A-Z_]+)`", TEXT)))
FILES = sorted(set(re.findall(r"`((?:docs|deploy)/[\w./-]+)`", TEXT)))


def test_tests_and_settings_that_are_named_exist() -> None:
    assert len(TESTS) > 60
    assert len(SETTINGS) > 15
    assert len(FILES) > 4


@pytest.mark.parametrize(("path", "name"), TESTS)
def test_test_that_is_named_exists(path: str, name: str) -> None:
    tree = ast.parse((ROOT / path).read_text())
    assert name in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("name", SETTINGS)
def test_setting_that_is_named_is_ours(name: str) -> None:
    assert hasattr(settings, name)
    text = (ROOT / "secprof_site" / "settings.py").read_text()
    assert re.search(rf"\b{name}\b", text), f"{name} is Django's default"


@pytest.mark.parametrize("path", FILES)
def test_file_that_is_named_exists(path: str) -> None:
    assert (ROOT / path).exists()


def test_every_path_of_a_test_is_read_as_one() -> None:
    """A path in another form would not be checked."""
    assert len(re.findall(r"tests/\S+::", TEXT)) == len(
        re.findall(r"`tests/[\w/]+\.py::\w+`", TEXT)
    )


@pytest.mark.parametrize("chapter", range(1, 18))
def test_chapter_is_spoken_of(chapter: int) -> None:
    assert re.search(rf"^(?:\| )?{chapter}\.\d+\.\d+", TEXT, re.MULTILINE)
