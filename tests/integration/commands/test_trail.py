"""`verify_trail`, `sign_trail_head` and `export_trail`: what they answer, and their exit codes."""

import base64
import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from policies.domain.trail import TrailKey
from policies.models import AuditEvent
from tests import factories
from tests.integration.tampering import execute, no_triggers

pytestmark = pytest.mark.django_db

SEED = base64.b64encode(bytes(range(32))).decode()
OTHER = base64.b64encode(bytes(range(1, 33))).decode()


@pytest.fixture(autouse=True)
def key(settings: Settings) -> None:
    settings.SECPROF_TRAIL_KEY = SEED
    settings.SECPROF_INSTALLATION = "secprof.example"


@pytest.fixture(autouse=True)
def trail() -> None:
    for number in range(1, 6):
        factories.event("cluster.tested", cluster="prod", message=f"number {number}")
    factories.event("cluster.added", cluster="old", message="=cmd()")


def call(*words: str, **options: Any) -> str:
    written = io.StringIO()
    call_command(*words, stdout=written, **options)
    return written.getvalue()


def code(*words: str) -> tuple[int, str]:
    """Run it as a shell does: the exit code, and what was said."""
    written = io.StringIO()
    try:
        call_command(*words, stdout=written)
    except SystemExit as ended:
        return int(str(ended.code)), written.getvalue()
    except CommandError as error:
        return error.returncode, str(error)
    return 0, written.getvalue()


def damage() -> None:
    with no_triggers():
        execute("UPDATE policies_auditevent SET actor = 'nobody' WHERE id = 3")


@pytest.fixture
def head(tmp_path: Path) -> Path:
    path = tmp_path / "head.json"
    path.write_text(call("sign_trail_head"))
    return path


def test_whole_trail_exits_with_zero(head: Path) -> None:
    status, said = code("verify_trail", "--head", str(head))

    assert status == 0
    assert said.startswith("whole: 7 rows, the last with hash ")
    assert "2 heads agree" in said


def test_broken_trail_exits_with_one_and_names_the_row() -> None:
    damage()

    status, said = code("verify_trail")
    machine_status, line = code("verify_trail", "--json")

    assert (status, machine_status) == (1, 1)
    assert (
        said
        == "broken: Row 3 was edited: what it says does not fit its hash. 2 rows before it hold.\n"
    )
    answer = json.loads(line)
    assert (answer["whole"], answer["first_broken_row"], answer["fault"]) == (False, 3, "edited")


def test_head_shows_that_the_trail_was_cut_off_with_its_head(head: Path) -> None:
    last = AuditEvent.objects.get(pk=4).hash
    with no_triggers():
        execute("DELETE FROM policies_auditevent WHERE id > 4")
        execute("UPDATE policies_trailhead SET sequence = 4, hash = %s", [last])

    assert code("verify_trail")[0] == 0
    status, said = code("verify_trail", "--head", str(head))

    assert status == 1
    assert "Rows 5 to 7 are missing at the end: the head of " in said


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda text: text.replace('"sequence":7', '"sequence":6'), "does not hold"),
        (lambda _: "nonsense", "This is no head"),
        (lambda _: "", "holds no head"),
        (lambda _: "{}", "no head of a trail"),
    ],
)
def test_head_that_says_nothing_exits_with_two(
    head: Path, change: Callable[[str], str], words: str
) -> None:
    head.write_text(change(head.read_text()))

    status, said = code("verify_trail", "--head", str(head))

    assert status == 2
    assert words in said


def test_files_that_are_not_there_exit_with_two(tmp_path: Path, head: Path) -> None:
    none = str(tmp_path / "none")

    for words in (
        ("--head", none),
        ("--file", none),
        ("--head", str(head), "--public-key", none),
    ):
        assert code("verify_trail", *words) == (2, f"{none} cannot be read.")


def test_key_that_was_rotated_needs_its_public_key(
    tmp_path: Path, head: Path, settings: Settings
) -> None:
    old = tmp_path / "keys.pem"
    old.write_text(call("sign_trail_head", "--public-key"))
    settings.SECPROF_TRAIL_KEY = OTHER

    status, said = code("verify_trail", "--head", str(head))
    assert (status, "is not at hand" in said) == (2, True)
    assert code("verify_trail", "--head", str(head), "--public-key", str(old))[0] == 0


def test_installation_without_key_says_what_to_name(head: Path, settings: Settings) -> None:
    settings.SECPROF_TRAIL_KEY = ""

    status, said = code("verify_trail", "--head", str(head))

    assert (status, "--public-key" in said) == (2, True)
    with pytest.raises(CommandError, match="SECPROF_TRAIL_KEY"):
        call("sign_trail_head")
    with pytest.raises(CommandError, match="SECPROF_TRAIL_KEY"):
        call("sign_trail_head", "--public-key")


def test_signed_head_names_row_installation_and_key(head: Path) -> None:
    said = json.loads(head.read_text())

    assert (said["sequence"], said["hash"]) == (7, AuditEvent.objects.get(pk=7).hash)
    assert (said["installation"], said["key"]) == ("secprof.example", TrailKey(SEED).id)
    assert AuditEvent.objects.get(pk=7).verb == "trail.head_signed"


def test_public_key_is_written_and_nothing_is_signed() -> None:
    assert call("sign_trail_head", "--public-key") == TrailKey(SEED).public_pem
    assert not AuditEvent.objects.filter(verb="trail.head_signed").exists()


def test_export_verifies_offline_and_against_a_head(tmp_path: Path, head: Path) -> None:
    file = tmp_path / "rows.jsonl"
    call("export_trail", "--output", str(file))

    status, said = code("verify_trail", "--file", str(file), "--head", str(head))

    assert status == 0
    assert said.startswith("whole: 7 rows")
    exported = AuditEvent.objects.get(verb="trail.exported")
    assert (exported.actor, exported.pk) == ("system", 8)
    assert exported.details == {"format": "jsonl", "filter": {}}


def test_export_that_was_changed_is_broken_offline(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text(call("export_trail").replace("number 2", "number 9"))

    status, said = code("verify_trail", "--file", str(file))

    assert status == 1
    assert said.startswith("broken: Row 2 was edited")


def test_export_cut_short_is_told_by_a_head_alone(tmp_path: Path, head: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(call("export_trail").splitlines(keepends=True)[:3]))

    status, said = code("verify_trail", "--file", str(file))
    assert (status, "No head says whether rows are missing at the end" in said) == (0, True)
    assert code("verify_trail", "--file", str(file), "--head", str(head))[0] == 1


def test_filtered_export_is_asked_about_and_junk_is_named(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text(call("export_trail", "--cluster", "old"))
    status, said = code("verify_trail", "--file", str(file))
    assert (status, "Is the export unfiltered?" in said) == (1, True)

    file.write_text("junk\n")
    status, said = code("verify_trail", "--file", str(file))
    assert (status, "Row 1 was edited: it cannot be read. It is no JSON." in said) == (1, True)


def test_export_from_stdin_verifies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(call("export_trail")))

    assert code("verify_trail", "--file", "-")[0] == 0


def test_csv_has_a_header_and_runs_no_formula() -> None:
    header, *rows = csv.reader(io.StringIO(call("export_trail", "--format", "csv")))

    assert header[:3] == ["sequence", "at", "actor"]
    assert [row[0] for row in rows] == ["1", "2", "3", "4", "5", "6"]
    assert rows[-1][header.index("message")] == "'=cmd()"


@pytest.mark.parametrize(
    ("words", "count"),
    [
        (("--cluster", "prod"), 5),
        (("--verb", "cluster.added"), 1),
        (("--text", "number 2"), 1),
        (("--since", "2000-01-01T00:00"), 6),
        (("--until", "2000-01-01T00:00"), 0),
        (("--since", "2000-01-01T00:00+02:00", "--actor", "operator"), 6),
    ],
)
def test_export_by_filter(words: tuple[str, ...], count: int) -> None:
    assert len(call("export_trail", *words).splitlines()) == count
    assert AuditEvent.objects.get(verb="trail.exported").details["filter"]


def test_export_says_what_is_wrong_with_its_arguments(tmp_path: Path) -> None:
    status, said = code("export_trail", "--since", "yesterday")
    assert (status, "--since is a time such as" in said) == (2, True)
    status, said = code("export_trail", "--output", str(tmp_path / "none" / "rows"))
    assert (status, "cannot be written" in said) == (1, True)
    assert not AuditEvent.objects.filter(verb="trail.exported").exists()


def test_spoilt_row_is_exported_as_what_no_verification_takes(tmp_path: Path) -> None:
    with no_triggers():
        execute("UPDATE policies_auditevent SET details = '[]' WHERE id = 3")
    file = tmp_path / "rows.jsonl"
    file.write_text(call("export_trail"))

    status, said = code("verify_trail", "--file", str(file))

    assert json.loads(file.read_text().splitlines()[2]) == {"sequence": 3, "unreadable": True}
    assert (status, "Row 3 was edited" in said) == (1, True)
    assert '"3","unreadable"' in call("export_trail", "--format", "csv")
