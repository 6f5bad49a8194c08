"""What the credential of a cluster may do there, mode by mode. What secprof's own people may do is `authority`.

Not asked and not answered are the same: unknown, which is never shown as held.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Mode(StrEnum):
    """What a cluster is given to secprof for; each has its manifest in deploy/rbac."""

    READ = "read-only"
    FLIP = "flip"
    PROBE = "probe"
    NEVER = "never"
    """What secprof never uses: to hold it is more than it needs."""


class Held(StrEnum):
    """How a mode stands."""

    HELD = "held"
    LACKING = "lacking"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Asked:
    """One right, and the API server's answer."""

    mode: Mode
    right: str
    """Verb and resource as RBAC names them: `list pods`, `create clusterpolicies.kyverno.io`."""
    answer: bool | None
    """None when it could not be asked."""

    def to_json(self) -> dict[str, Any]:
        return {"mode": self.mode.value, "right": self.right, "answer": self.answer}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Asked":
        return cls(Mode(stored["mode"]), stored["right"], stored["answer"])


@dataclass(frozen=True, slots=True)
class Standing:
    """Whether a mode's rights are all there, and which are not."""

    mode: Mode
    held: Held
    lacking: tuple[str, ...]
    unknown: tuple[str, ...]


def standings(asked: Iterable[Asked]) -> tuple[Standing, ...]:
    """Say how each mode stands, in their order. One right that lacks counts more than one that is unknown."""
    found = tuple(asked)
    return tuple(_standing(mode, found) for mode in Mode if mode is not Mode.NEVER)


def excess(asked: Iterable[Asked]) -> tuple[str, ...]:
    """Name the rights that are held and never used."""
    return tuple(each.right for each in asked if each.mode is Mode.NEVER and each.answer)


def _standing(mode: Mode, asked: tuple[Asked, ...]) -> Standing:
    own = [each for each in asked if each.mode is mode]
    lacking = tuple(each.right for each in own if each.answer is False)
    unknown = tuple(each.right for each in own if each.answer is None)
    return Standing(mode, _held(lacking, unknown, is_asked=bool(own)), lacking, unknown)


def _held(lacking: tuple[str, ...], unknown: tuple[str, ...], *, is_asked: bool) -> Held:
    if lacking:
        return Held.LACKING
    return Held.UNKNOWN if unknown or not is_asked else Held.HELD
