"""What `apparmor_parser` itself says: agreement with the light parser, the proof of a cancelled rule, and limits."""

import hashlib
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from policies.actions import apparmor_check
from policies.actions.apparmor_check import ask_parser
from policies.domain.profiles.apparmor import ParserOutcome, check_apparmor
from policies.domain.profiles.findings import Answer, Question
from tests.unit.domain.profiles import apparmor_texts as texts

pytestmark = pytest.mark.apparmor

ACCEPTED, REFUSED = ParserOutcome.ACCEPTED, ParserOutcome.REFUSED


def light(text: str) -> Answer:
    return check_apparmor(text).answer(Question.VALID)


@pytest.mark.parametrize("text", texts.ACCEPTED)
def test_light_parser_finds_nothing_in_what_the_parser_accepts(text: str) -> None:
    assert ask_parser(text).outcome is ACCEPTED
    assert light(text) is Answer.UNKNOWN


@pytest.mark.parametrize("text", texts.REFUSED)
def test_light_parser_finds_what_the_parser_refuses(text: str) -> None:
    assert ask_parser(text).outcome is REFUSED
    assert light(text) is Answer.NO


@pytest.mark.parametrize("text", texts.NEWER)
def test_syntax_of_apparmor_4_is_called_newer_and_not_invalid(text: str) -> None:
    answer = ask_parser(text)

    wanted = Answer.NEWER if answer.outcome is REFUSED else Answer.YES
    assert check_apparmor(text, answer).answer(Question.VALID) is wanted


def test_cancelled_grants_change_nothing_in_the_compiled_profile() -> None:
    without = "".join(
        line
        for line in texts.SELF_CANCELLING.splitlines(keepends=True)
        if not line.strip().startswith(("/tmp/", "/var/log/"))
    )
    read_alone = texts.SELF_CANCELLING.replace("/tmp/** rw", "/tmp/** r")
    without_deny = texts.SELF_CANCELLING.replace("  deny /** w,\n", "")

    whole = compiled(texts.SELF_CANCELLING)
    assert whole == compiled(read_alone)
    assert whole == compiled(read_alone.replace("  /var/log/** w,\n", ""))
    assert whole != compiled(without)
    assert whole != compiled(without_deny)


def compiled(text: str) -> str:
    parser = shutil.which("apparmor_parser", path="/usr/sbin:/sbin") or ""
    done = subprocess.run([parser, "-Q", "-K", "-S"], input=text.encode(), capture_output=True)
    assert done.returncode == 0
    return hashlib.sha256(done.stdout).hexdigest()


def test_accepted_text_is_told_with_the_names_that_it_loads() -> None:
    answer = ask_parser(texts.SELF_CANCELLING)

    assert answer.names == ("k8s-web-app",)
    assert answer.version


def test_text_without_a_profile_is_refused_although_the_parser_takes_it() -> None:
    answer = ask_parser("# nothing\n")

    assert answer.outcome is REFUSED
    assert "no profile" in answer.message
    assert check_apparmor("# nothing\n", answer).answer(Question.VALID) is Answer.NO


def test_refusal_is_told_with_its_line() -> None:
    answer = ask_parser(texts.profile("/x r,", "capability foo,"))

    assert (answer.outcome, answer.line) == (REFUSED, 3)
    assert "foo" in answer.message


@pytest.mark.parametrize("path", ['"/etc/passwd"', "/etc/passwd", "<../../etc/passwd>"])
def test_include_from_outside_never_reaches_the_parser(path: str) -> None:
    answer = ask_parser(texts.profile(f"include {path}"))

    assert answer.outcome is ParserOutcome.FAILED
    assert "not given" in answer.message


def test_text_that_takes_too_long_is_given_up() -> None:
    greedy = texts.profile(*(f"/**{n}**a**b**c**{n}/*/**{n + 1}* r," for n in range(400)))
    before = time.monotonic()

    answer = ask_parser(greedy)

    assert answer.outcome is ParserOutcome.FAILED
    assert time.monotonic() - before < 5
    assert check_apparmor(greedy, answer).answer(Question.VALID) is Answer.UNKNOWN


@pytest.mark.parametrize(
    ("limit", "value", "rule", "told"),
    [
        ("MEMORY_BYTES", 2 * 1024 * 1024, "/x r,", "out of memory"),
        ("OUTPUT_BYTES", 10, "/x rz,", "said too much"),
    ],
)
def test_parser_that_reaches_a_limit_has_given_no_answer(
    monkeypatch: pytest.MonkeyPatch, limit: str, value: int, rule: str, told: str
) -> None:
    monkeypatch.setattr(apparmor_check, limit, value)

    answer = ask_parser(texts.profile(rule))

    assert answer.outcome is ParserOutcome.FAILED
    assert told in answer.message


def test_machine_without_a_parser_answers_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apparmor_check, "_PLACES", "/nowhere")

    assert ask_parser(texts.SOUND).outcome is ParserOutcome.ABSENT


def test_parser_runs_without_rights_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    secret = tmp_path / "secret"
    secret.write_text("profile stolen { }\n")
    secret.chmod(0o600)
    commands = [apparmor_check._found(name) or "" for name in ("prlimit", "apparmor_parser")]

    code, said = apparmor_check._run(*commands, ("-N",), f'include "{secret}"\n')

    if os.geteuid() == 0:
        assert code == 1
        assert "stolen" not in said
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]
