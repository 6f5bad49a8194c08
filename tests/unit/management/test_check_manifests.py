"""`check_manifests` as a program: without settings, over whole folders, with the exit that CI acts on."""

import io
import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from policies.domain.objects import WorkloadKind
from policies.management import manifest_files, offline
from tests.unit.domain.apparmor_cases import on_pod
from tests.unit.domain.seccomp_cases import LH, RD, UN, container, pod, wrapped
from tests.unit.management.manifests_tree import write_tree

ROOT = Path(__file__).resolve().parents[3]
GOOD = wrapped(WorkloadKind.POD, on_pod(RD, container("c"), profile=RD))
BAD = wrapped(WorkloadKind.POD, on_pod(RD, container("c", UN)))
LOCALHOST = wrapped(WorkloadKind.POD, on_pod(RD, container("c"), profile=LH))


def run(
    *arguments: str | Path, stdin: bytes = b"", cwd: Path = ROOT
) -> subprocess.CompletedProcess[bytes]:
    """Run the command with an empty environment."""
    return subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), "check_manifests", *map(str, arguments)],
        input=stdin,
        capture_output=True,
        env={"PATH": os.environ["PATH"]},
        cwd=cwd,
        check=False,
    )


def written(folder: Path, name: str, *objects: Any) -> Path:
    file = folder / name
    # By way of JSON, so that no object shares parts with another: the lint follows no aliases.
    file.write_text("---\n".join(yaml.safe_dump(json.loads(json.dumps(o))) for o in objects))
    return file


def judged(ran: subprocess.CompletedProcess[bytes]) -> dict[str, Any]:
    report: dict[str, Any] = json.loads(ran.stdout)
    return report


@pytest.mark.parametrize(("manifest", "code"), [(GOOD, 0), (BAD, 1)], ids=["good", "bad"])
def test_check_without_settings_exits_by_what_fails(
    manifest: Any, code: int, tmp_path: Path
) -> None:
    ran = run(written(tmp_path, "pod.yaml", manifest))

    assert (ran.returncode, ran.stderr) == (code, b"")


def test_check_whole_folder_names_the_broken_files_and_judges_the_rest(tmp_path: Path) -> None:
    files, workloads = write_tree(tmp_path, apps=80)

    ran = run(tmp_path, "--output", "json")

    report = judged(ran)
    assert ran.returncode == 2
    assert [(Path(e["path"]).name, e["line"]) for e in report["errors"]] == [
        ("chart.yaml", 4),
        ("dump.json", 3),
    ]
    assert "render it first" in report["errors"][0]["message"]
    summary = report["summary"]
    assert files > 400
    assert (summary["files"], summary["workloads"]) == (files, workloads)
    assert summary["controls"]["require-seccomp"]["pass"] == 81
    assert summary["controls"]["require-seccomp"]["fail"] == workloads - 81
    assert {row["result"] for row in report["results"]} == {"pass", "fail"}


def test_check_reads_standard_input_and_several_paths(tmp_path: Path) -> None:
    file = written(tmp_path, "pod.yaml", GOOD)

    ran = run(file, "-", "--output", "json", stdin=yaml.safe_dump(BAD).encode())

    paths = {(row["path"], row["result"]) for row in judged(ran)["results"]}
    assert {("-", "fail"), (str(file), "pass")} <= paths


def test_check_only_the_controls_that_are_asked(tmp_path: Path) -> None:
    file = written(tmp_path, "pod.yaml", BAD)

    ran = run(file, "--control", "require-apparmor", "--output", "json")

    assert [row["control"] for row in judged(ran)["results"]] == ["require-apparmor"]
    assert ran.returncode == 0


@pytest.mark.parametrize(("version", "code"), [("1.29", 1), ("v1.30.2", 0)])
def test_check_for_a_version_of_kubernetes(version: str, code: int, tmp_path: Path) -> None:
    ran = run(written(tmp_path, "pod.yaml", GOOD), "--kubernetes", version)

    assert ran.returncode == code


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"seccomp": {"allowed": ["p.json"]}, "controls": ["allowed-profiles"]}, 0),
        ({"seccomp": {"allowed": ["q.json"]}, "controls": ["allowed-profiles"]}, 1),
        ({"seccomp": {"types": ["RuntimeDefault"]}}, 1),
        ({"excluded_labels": {"app": "case"}, "seccomp": {"types": ["RuntimeDefault"]}}, 0),
    ],
)
def test_check_with_the_parameters_of_a_template(
    parameters: Any, code: int, tmp_path: Path
) -> None:
    file = written(tmp_path, "parameters.yaml", parameters)

    ran = run(written(tmp_path, "pod.yaml", LOCALHOST), "--parameters", file)

    assert ran.returncode == code, ran


def test_command_in_this_process_says_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    parameters = written(tmp_path, "p.yaml", {"seccomp": {"types": ["RuntimeDefault"]}})
    pod_file, gone = written(tmp_path, "pod.yaml", LOCALHOST), tmp_path / "gone.yaml"

    left = []
    for arguments in (
        (pod_file, "--parameters", parameters),
        (pod_file, gone, "--control", "require-seccomp"),
        (pod_file, "--parameters", gone),
        (pod_file, "--parameters", written(tmp_path, "list.yaml", ["a"])),
        (pod_file, "--parameters", written(tmp_path, "odd.yaml", {"colour": 1})),
        (pod_file, "--kubernetes", "new"),
    ):
        monkeypatch.setattr(sys, "argv", ["check", *map(str, arguments)])
        with pytest.raises(SystemExit) as exited:
            offline.check_manifests()
        left.append(exited.value.code)

    assert left == [1, 2, 2, 2, 2, 2]
    assert "colour: There is no such parameter" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--parameters", "odd.yaml"), b"seccomp.types: Choose among"),
        (("--parameters", "list.yaml"), b"Write names and values"),
        (("--parameters", "gone.yaml"), b"No such file"),
        (("--parameters", "broken.yaml"), b"broken.yaml"),
        (("--kubernetes", "newest"), b"'newest' is no version"),
        (("--control", "unknown"), b"invalid choice"),
    ],
)
def test_check_with_an_argument_that_is_not_understood_exits_with_2(
    arguments: tuple[str, str], words: bytes, tmp_path: Path
) -> None:
    written(tmp_path, "odd.yaml", {"seccomp": {"types": ["Unconfined"]}})
    written(tmp_path, "list.yaml", ["a"])
    (tmp_path / "broken.yaml").write_text("a: [")

    ran = run("pod.yaml", *arguments, cwd=tmp_path)

    assert ran.returncode == 2
    assert words in ran.stderr


def test_check_of_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    (tmp_path / "linked.yaml").symlink_to(tmp_path / "nowhere.yaml")
    (tmp_path / "folder.yaml").mkdir()

    ran = run(tmp_path, empty, tmp_path / "gone.yaml", "--output", "json")

    messages = {Path(e["path"]).name: e["message"] for e in judged(ran)["errors"]}
    assert messages == {
        "linked.yaml": "It is no file.",
        "empty": "There is no .yaml, .yml, .json file in it.",
        "gone.yaml": "It cannot be read: No such file or directory.",
    }
    assert ran.returncode == 2


def test_read_all_refuses_a_file_that_is_too_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manifest_files, "LARGEST", 4)
    file = tmp_path / "large.yaml"
    file.write_text("a: bc")

    assert list(manifest_files.read_all([str(file)])) == [(str(file), "It has more than 0 MiB.")]


def test_read_all_reads_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a: b")))

    assert list(manifest_files.read_all(["-"])) == [("-", b"a: b")]


def test_read_all_says_what_keeps_it_from_reading(tmp_path: Path) -> None:
    (tmp_path / "linked.yaml").symlink_to(tmp_path / "nowhere.yaml")
    (tmp_path / "notes.txt").write_text("no manifest")
    (tmp_path / "none").mkdir()
    given = [str(tmp_path), str(tmp_path / "gone.yaml"), str(tmp_path / "none")]

    found = dict(manifest_files.read_all(given))

    assert list(found.values()) == [
        "It is no file.",
        "It cannot be read: No such file or directory.",
        "There is no .yaml, .yml, .json file in it.",
    ]


def test_read_all_names_a_folder_that_it_must_not_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object, onerror: Callable[[OSError], None]) -> list[Any]:
        onerror(PermissionError(13, "Permission denied", str(tmp_path / "own")))
        return []

    monkeypatch.setattr(os, "walk", refuse)

    ((path, words),) = manifest_files.read_all([str(tmp_path)])

    assert (path, words) == (str(tmp_path / "own"), "It cannot be read: Permission denied.")


def test_read_all_names_a_file_with_odd_bytes(tmp_path: Path) -> None:
    odd = os.fsencode(tmp_path) + b"/\xff.yaml"
    Path(os.fsdecode(odd)).write_text("a: b")

    ((path, content),) = manifest_files.read_all([str(tmp_path)])

    assert path.endswith("\ufffd.yaml")
    assert content == b"a: b"


@pytest.mark.parametrize("output", ["text", "json", "sarif", "junit"])
def test_check_writes_every_format(output: str, tmp_path: Path) -> None:
    ran = run(written(tmp_path, "pod.yaml", BAD), "--output", output)

    assert ran.returncode == 1
    assert b"RuntimeDefault" in ran.stdout


def test_hooks_name_scripts_that_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    good = written(tmp_path, "pod.yaml", GOOD)

    for hook in hooks:
        assert {"id", "name", "entry", "language", "types_or"} <= set(hook)
        module, _, function = scripts[hook["entry"]].partition(":")
        assert module == offline.__name__
        monkeypatch.setattr(sys, "argv", [hook["entry"], str(good)])
        getattr(offline, function)()


def test_hook_fails_a_commit_with_a_bad_manifest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = written(tmp_path, "pod.yaml", BAD)
    monkeypatch.setattr(sys, "argv", ["secprof-check-manifests", str(bad), str(bad)])

    with pytest.raises(SystemExit) as left:
        offline.check_manifests()

    assert left.value.code == 1
    assert "files: 2" in capsys.readouterr().out


def test_pods_of_a_folder_are_judged_by_their_spec(tmp_path: Path) -> None:
    written(tmp_path, "pods.yaml", GOOD, wrapped(WorkloadKind.POD, pod(container("c"))))

    rows = judged(run(tmp_path, "--control", "require-seccomp", "--output", "json"))["results"]

    assert [(row["document"], row["result"]) for row in rows] == [(1, "pass"), (2, "fail")]
