"""`lint_policies`: what it prints, and with what it exits. It asks no database."""

import io
import json
from pathlib import Path

import pytest
import yaml
from django.core.management import call_command
from django.core.management.base import CommandError

from tests.unit.domain.lint.cases import PLAIN, but
from tests.unit.domain.lint.test_seed import SEED

NEW = ("--kyverno", "1.13.4")


def run(*words: str) -> tuple[int, str]:
    out = io.StringIO()
    try:
        call_command("lint_policies", *words, stdout=out)
    except SystemExit as ended:
        return int(str(ended.code)), out.getvalue()
    return 0, out.getvalue()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "notes.txt").write_text("kind: [", encoding="utf-8")
    (tmp_path / "good.yaml").write_text(yaml.safe_dump(PLAIN), encoding="utf-8")
    return tmp_path


def test_lint_policies_only_notes_exits_with_0(folder: Path) -> None:
    code, text = run(str(folder), *NEW)

    assert code == 0
    assert "1 objects: 0 error, 0 warning, " in text


def test_lint_policies_notes_count_when_asked(folder: Path) -> None:
    assert run(str(folder), *NEW, "--fail-on", "info")[0] == 1


def test_lint_policies_findings_exit_with_1_each_on_its_line() -> None:
    code, text = run(str(SEED / "seccomp.yaml"))

    assert code == 1
    line = next(
        i
        for i, t in enumerate((SEED / "seccomp.yaml").read_text().splitlines(), 1)
        if "template?" in t
    )
    assert f"seccomp.yaml:{line}: error: A key ends in `?`" in text


def test_lint_policies_broken_input_exits_with_2_and_the_rest_is_judged(folder: Path) -> None:
    (folder / "bad.yaml").write_text("a: [\n---\nkind: Deployment\n", encoding="utf-8")

    code, text = run(str(folder))

    assert code == 2
    assert "bad.yaml:2: not understood" in text
    assert "bad.yaml:3: not judged: Deployment" in text
    assert "good.yaml" in text


def test_lint_policies_json_says_it_all(folder: Path) -> None:
    refused = but(PLAIN, "spec/rules/0/validate/failureAction", "audit")
    (folder / "good.yaml").write_text(yaml.safe_dump(refused), encoding="utf-8")

    code, text = run(str(folder), "--output", "json")

    report = json.loads(text)
    (policy,) = report["policies"]
    assert code == 1
    assert policy["findings"][0]["id"] == "refused-action"
    assert policy["findings"][0]["path"] == "spec.rules[0].validate.failureAction"
    assert policy["means"] == [{"control": "require-seccomp", "sureness": "likely"}]
    assert report["summary"]["error"] == 1


def test_lint_policies_reads_stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(yaml.safe_dump(PLAIN)))

    assert run("-", *NEW)[0] == 0


@pytest.mark.parametrize("words", [("/nowhere.yaml",), ("-", "--kyverno", "newest")])
def test_lint_policies_asked_wrongly_exits_with_2(words: tuple[str, ...]) -> None:
    with pytest.raises(CommandError) as refused:
        run(*words)

    assert refused.value.returncode == 2
