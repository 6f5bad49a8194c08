"""The audit of what is locked: clean only when every package was asked about, and every file has its hash."""

from pathlib import Path
from typing import Any

import pytest

from launch import audit

HASH = "--hash=sha256:00"
FLAW = {"id": "PYSEC-1", "fix_versions": ["2"], "aliases": [], "description": ""}


def asked(name: str, *flaws: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "version": "1", "vulns": list(flaws)}


SKIPPED = {"name": "c", "skip_reason": "not found"}


@pytest.mark.parametrize(
    ("packages", "code", "words"),
    [
        ([asked("a"), asked("b")], audit.CLEAN, "2 packages"),
        ([asked("a"), SKIPPED], audit.UNKNOWN, "1 of 2 packages could not be asked"),
        ([SKIPPED], audit.UNKNOWN, "1 of 1"),
        ([], audit.UNKNOWN, "0 of 0"),
        ([asked("a", FLAW), SKIPPED], audit.VULNERABLE, "a 1: PYSEC-1 (mended in 2)"),
        ([asked("a", {**FLAW, "fix_versions": []})], audit.VULNERABLE, "no version yet"),
    ],
)
def test_judge_takes_nothing_for_clean_that_was_not_asked(
    packages: list[dict[str, Any]], code: int, words: str
) -> None:
    verdict = audit.judge({"dependencies": packages})

    assert verdict.code == code
    assert words in verdict.lines[0]


@pytest.mark.parametrize(
    ("lock", "names"),
    [
        (f"a==1 \\\n    {HASH}\nb[x]==2 ; python_version < '4' \\\n    {HASH}", ()),
        ("a==1\n", ("a==1",)),
        (f"a>=1 \\\n    {HASH}", ("a>=1",)),
        (f"a==1 \\\n    {HASH}\n-e .\n", ("-e",)),
        ("# a comment\n", ()),
    ],
)
def test_unhashed_names_what_has_no_version_or_no_hash(lock: str, names: tuple[str, ...]) -> None:
    assert audit.unhashed(lock) == names


@pytest.mark.parametrize("name", audit.LOCKS)
def test_locks_pin_and_hash_everything(name: str) -> None:
    assert audit.unhashed(Path(audit.ROOT, name).read_text()) == ()


def test_audit_without_a_report_is_unknown(tmp_path: Path) -> None:
    verdict = audit.audit(tmp_path / "no-such-lock.txt")

    assert verdict.code == audit.UNKNOWN
    assert "pip-audit gave no report" in verdict.lines[0]
