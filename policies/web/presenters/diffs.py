"""A unified diff as blocks of lines: what changes with some context, long unchanged stretches folded."""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

CONTEXT = 4
FOLD_FROM = 12
"""Unchanged lines in a row from which on they are folded."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line: its sign, its text, and how it is drawn."""

    sign: str
    text: str
    style: str


@dataclass(frozen=True, slots=True)
class Block:
    """Some lines, shown or folded."""

    lines: tuple[Line, ...]
    is_folded: bool


_STYLES = {"+": "add", "-": "del"}


def diff_blocks(lines: Iterable[str]) -> tuple[Block, ...]:
    """Cut the lines of a unified diff (its three head lines left out) into blocks."""
    shown = [_line(text) for text in lines if not text.startswith(("---", "+++", "@@"))]
    runs: list[list[Line]] = []
    for line in shown:
        if runs and (runs[-1][0].style == "") == (line.style == ""):
            runs[-1].append(line)
        else:
            runs.append([line])
    blocks: list[Block] = []
    for number, run in enumerate(runs):
        blocks += _blocks(run, is_first=number == 0, is_last=number == len(runs) - 1)
    return tuple(blocks)


def compared(before: str, after: str) -> tuple[Block, ...]:
    """Compare two texts line by line; nothing when they are the same."""
    old, new = before.splitlines(), after.splitlines()
    context = max(len(old), len(new))
    return diff_blocks(difflib.unified_diff(old, new, lineterm="", n=context))


def _line(text: str) -> Line:
    sign = text[:1]
    return Line(sign, text[1:], _STYLES.get(sign, ""))


def _blocks(run: list[Line], *, is_first: bool, is_last: bool) -> list[Block]:
    if run[0].style or len(run) < FOLD_FROM:
        return [Block(tuple(run), is_folded=False)]
    start = 0 if is_first else CONTEXT
    end = len(run) if is_last else len(run) - CONTEXT
    parts = ((run[:start], False), (run[start:end], True), (run[end:], False))
    return [Block(tuple(lines), is_folded) for lines, is_folded in parts if lines]
