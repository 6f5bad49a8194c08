"""The bytes of files that a command is given: single ones, whole folders, or standard input."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

ENDINGS = (".yaml", ".yml", ".json")
STDIN = "-"
LARGEST = 1 << 30
"""Bytes of one file."""

Source = tuple[str, bytes | str]
"""The path as it was given or found, with the file's content, or with what keeps it from being read."""


def read_all(paths: list[str]) -> Iterator[Source]:
    """Read files in order; a folder gives its manifests, sorted, with those of its folders, hidden ones left out."""
    for path in paths:
        if path == STDIN:
            yield path, _bounded(sys.stdin.buffer.read(LARGEST + 1))
        elif Path(path).is_dir():
            yield from _folder(Path(path))
        else:
            yield _shown(Path(path)), _read(Path(path))


def _folder(folder: Path) -> Iterator[Source]:
    found = False
    problems: list[OSError] = []
    for parent, folders, names in os.walk(folder, onerror=problems.append):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if name.lower().endswith(ENDINGS):
                found = True
                file = Path(parent) / name
                yield _shown(file), _read(file) if file.is_file() else "It is no file."
    for problem in problems:
        yield _shown(Path(problem.filename)), _because(problem)
    if not found and not problems:
        yield _shown(folder), f"There is no {', '.join(ENDINGS)} file in it."


def _shown(file: Path) -> str:
    """Name a file in words that every output can hold, whatever bytes its name has."""
    return os.fsencode(file).decode(errors="replace")


def _read(file: Path) -> bytes | str:
    try:
        with file.open("rb") as opened:
            return _bounded(opened.read(LARGEST + 1))
    except OSError as problem:
        return _because(problem)


def _because(problem: OSError) -> str:
    return f"It cannot be read: {problem.strerror}."


def _bounded(content: bytes) -> bytes | str:
    return f"It has more than {LARGEST >> 20} MiB." if len(content) > LARGEST else content
