"""What is wrong with a chain of rows: the first row that is not what it was, and how. Reads one row at a time."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum

from policies.domain.trail.records import GENESIS, TrailRecord, Unreadable, hash_of

NEIGHBOURHOOD = 200
"""How far around its place a moved row is looked for."""
UNHASHABLE = (TypeError, ValueError, AttributeError, OverflowError, RecursionError)
"""What a row raises that holds what no row can hold."""


class Fault(StrEnum):
    EDITED = "edited"
    DELETED = "deleted"
    INSERTED = "inserted"
    REORDERED = "reordered"
    TRUNCATED = "truncated"
    REWRITTEN = "rewritten"
    """Made anew with its hash, so that only what came later, or a head, tells."""


@dataclass(frozen=True, slots=True)
class KnownHead:
    """What a row's hash is known to be, and from where."""

    sequence: int
    hash: str
    name: str
    """Such as `the head of 29 Nov 2026, 02:00 UTC`."""


@dataclass(frozen=True, slots=True)
class Broken:
    """The first row that is not what it was."""

    sequence: int
    fault: Fault
    sentence: str


@dataclass(frozen=True, slots=True)
class Verification:
    """How far a chain holds."""

    count: int
    """Rows that hold, from the first on."""
    last_hash: str
    broken: Broken | None = None
    head_count: int = 0
    """Known heads that were met and agree."""

    @property
    def is_whole(self) -> bool:
        return self.broken is None


def verify(
    rows: Iterable[TrailRecord | Unreadable], heads: Iterable[KnownHead] = ()
) -> Verification:
    """Walk along a chain in its order and stop at the first row that is not what it was.

    Without a head that was kept outside, a chain that was made anew from some row to its end looks whole.
    """
    walk = _Walk(deque(sorted(heads, key=lambda head: head.sequence)))
    for row in rows:
        broken = walk.step(row)
        if broken:
            return walk.ended(broken)
    return walk.ended(walk.missing_end())


@dataclass(slots=True)
class _Walk:
    """Where the walk stands; holds few rows, however long the chain is."""

    heads: deque[KnownHead]
    last: TrailRecord | None = None
    good_head: int = 0
    head_count: int = 0
    recent: deque[str] = field(default_factory=lambda: deque(maxlen=NEIGHBOURHOOD))

    @property
    def count(self) -> int:
        return self.last.sequence if self.last else 0

    @property
    def last_hash(self) -> str:
        return self.last.hash if self.last else GENESIS

    def ended(self, broken: Broken | None) -> Verification:
        return Verification(
            # The row before may be the broken one: what came after it told.
            max(0, min(self.count, broken.sequence - 1)) if broken else self.count,
            self.last_hash,
            broken,
            self.head_count,
        )

    def step(self, row: TrailRecord | Unreadable) -> Broken | None:
        """Take the next row. Say what is broken, or None."""
        broken = self._misplaced(row.sequence)
        if broken:
            return broken
        if isinstance(row, Unreadable):
            return Broken(
                row.sequence,
                Fault.EDITED,
                f"Row {row.sequence} was edited: it cannot be read. {row.message}".strip(),
            )
        broken = self._own_fault(row) or self._loose(row)
        if broken:
            return broken
        self.last = row
        self.recent.append(row.hash)
        return self._against_heads(row)

    def missing_end(self) -> Broken | None:
        """Compare the end with what heads say that was there."""
        beyond = [head for head in self.heads if head.sequence > self.count]
        if not beyond:
            return None
        last = beyond[-1]
        first = self.count + 1
        return Broken(
            first,
            Fault.TRUNCATED,
            f"{_rows(first, last.sequence)} missing at the end: {last.name} names row {last.sequence}.",
        )

    def _misplaced(self, sequence: int) -> Broken | None:
        wanted = self.count + 1
        if sequence < wanted:
            words = "stands twice or out of order" if sequence > 0 else "has no place in a chain"
            return Broken(sequence, Fault.INSERTED, f"Row {sequence} {words}.")
        if sequence > wanted:
            after = f"row {self.count}" if self.count else "nothing"
            return Broken(
                wanted,
                Fault.DELETED,
                f"{_rows(wanted, sequence - 1)} missing: row {sequence} follows {after}.",
            )
        return None

    def _own_fault(self, row: TrailRecord) -> Broken | None:
        if fits(row):
            return None
        for written_as in self._places_near(row.sequence):
            if fits(replace(row, sequence=written_as)):
                return self._moved(row, written_as)
        return Broken(
            row.sequence,
            Fault.EDITED,
            f"Row {row.sequence} was edited: what it says does not fit its hash.",
        )

    def _places_near(self, sequence: int) -> Iterable[int]:
        for distance in range(1, NEIGHBOURHOOD + 1):
            yield sequence + distance
            if sequence > distance:
                yield sequence - distance

    def _moved(self, row: TrailRecord, written_as: int) -> Broken:
        here = row.sequence
        if written_as < here and row.hash not in self.recent:
            # Everything before hangs together, so what took this row's place was put in.
            put_in = (
                f"Row {written_as} was"
                if written_as == here - 1
                else f"Rows {written_as} to {here - 1} were"
            )
            return Broken(
                written_as,
                Fault.INSERTED,
                f"{put_in} put in: what was written as row {written_as} stands as row {here}.",
            )
        return Broken(
            here,
            Fault.REORDERED,
            f"Row {here} was moved or replaced: it holds what was written as row {written_as}.",
        )

    def _loose(self, row: TrailRecord) -> Broken | None:
        if row.previous_hash == self.last_hash:
            return None
        if self.last is None:
            return Broken(
                row.sequence,
                Fault.REWRITTEN,
                "Row 1 does not begin the chain: there was a row before it.",
            )
        return Broken(
            self.last.sequence,
            Fault.REWRITTEN,
            f"Row {self.last.sequence} was made anew with its hash, and maybe rows{self._since()} before it:"
            f" row {row.sequence} was written after another one.",
        )

    def _since(self) -> str:
        return f" after {self.good_head}" if self.good_head else ""

    def _against_heads(self, row: TrailRecord) -> Broken | None:
        while self.heads and self.heads[0].sequence <= row.sequence:
            head = self.heads.popleft()
            if head.sequence < row.sequence:
                continue
            if head.hash != row.hash:
                return Broken(
                    row.sequence,
                    Fault.REWRITTEN,
                    f"Row {row.sequence} was made anew, and maybe rows{self._since()} before it:"
                    f" {head.name} names another hash.",
                )
            self.good_head = head.sequence
            self.head_count += 1
        return None


def fits(row: TrailRecord) -> bool:
    """Say whether a row's hash is the one of what it says."""
    try:
        return hash_of(row) == row.hash
    except UNHASHABLE:
        return False


def _rows(first: int, last: int) -> str:
    return f"Row {first} is" if first == last else f"Rows {first} to {last} are"
