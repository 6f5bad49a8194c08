"""What is said of manifests: a row for each object and control at least, and what was not understood."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec

from policies.domain.controls import Control
from policies.domain.facts import ClusterFacts
from policies.domain.posture import Result

RESULTS = (Result.PASS, Result.FAIL, Result.NOT_APPLICABLE, Result.UNKNOWN)


class NotUnderstood(ValueError):
    """Some input is no manifest that could be judged; `line` counts from 1 within its file, 0 where none is known."""

    def __init__(self, message: str, line: int = 0) -> None:
        super().__init__(message)
        self.message = message
        self.line = line


class Row(msgspec.Struct, frozen=True, gc=False):
    """What one control says of one object, or of one container of it."""

    path: str
    document: int
    """Within its file, from 1."""
    kind: str
    namespace: str
    name: str
    control: str
    result: str
    container: str = ""
    """Empty when the whole object is meant."""
    field: str = ""
    message: str = ""
    fix: str = ""


class Misread(msgspec.Struct, frozen=True, gc=False):
    """Input that was not understood."""

    path: str
    document: int
    line: int
    message: str


class Object(Protocol):
    """What a document or an item of a List holds, before its kind is known to be one that is judged."""

    api_version: str
    kind: str
    """Empty where none is written."""

    def items(self) -> Sequence["Object"]:
        """Give what a List holds. Raises NotUnderstood."""
        ...

    def check(self) -> None:
        """Raise NotUnderstood when a key stands twice."""
        ...

    def decode(self, shape: type[msgspec.Struct]) -> msgspec.Struct:
        """Read the fields that are judged. Raises NotUnderstood."""
        ...

    def plain(self) -> Any:
        """Give the whole as maps, lists and values; nothing where it holds no containers anyway."""
        ...

    def line_of(self, field: str) -> int:
        """Give the line of a field, or of the nearest thing around it."""
        ...


@dataclass(slots=True)
class Tally:
    """How much was seen."""

    files: int = 0
    documents: int = 0
    workloads: int = 0
    """Objects that were judged."""
    not_evaluated: int = 0
    """Objects of other kinds that hold a pod template."""
    skipped: int = 0
    """Objects that are no workloads."""


@dataclass(slots=True)
class Report:
    """Everything that is said, in the order of the input."""

    controls: tuple[Control, ...]
    facts: ClusterFacts
    rows: list[Row] = field(default_factory=list)
    lines: dict[int, int] = field(default_factory=dict)
    """The line of each row that is no pass, by its index."""
    misread: list[Misread] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)
    results: dict[Control, dict[Result, int]] = field(init=False)
    """How many objects, by control and result."""

    def __post_init__(self) -> None:
        self.results = {control: dict.fromkeys(RESULTS, 0) for control in self.controls}

    @property
    def exit_code(self) -> int:
        """0: nothing fails; 1: something fails; 2: some input was not understood."""
        if self.misread:
            return 2
        return int(any(counts[Result.FAIL] for counts in self.results.values()))
