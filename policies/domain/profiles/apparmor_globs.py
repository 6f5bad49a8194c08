"""Whether one AppArmor path pattern covers another: every path that the second matches, the first matches too.

Patterns become small automata over the characters that they name. What cannot be decided counts as not covered.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

MAX_STATES = 300
MAX_STEPS = 60_000
_LITERAL = re.compile(r"[^*?\[{@\\]*")
_OTHER = "\0"
"""Stands for every character that neither pattern names."""
_KNOWN_VARIABLES = {"PROC": "/proc"}


class _Undecided(Exception):
    """The pattern is malformed, or too large to decide about."""


@dataclass(slots=True)
class Budget:
    """How many steps are left for all comparisons of one check: texts come from users."""

    steps: int = MAX_STEPS

    @property
    def is_spent(self) -> bool:
        return self.steps <= 0

    def spend(self, steps: int = 1) -> None:
        """Take some steps, and give up where none are left."""
        if self.is_spent:
            raise _Undecided
        self.steps -= steps


@dataclass(slots=True)
class _Automaton:
    """States from 0; each has moves by a set of characters (or by all but a set), and free moves."""

    moves: list[list[tuple[frozenset[str], bool, int]]] = field(default_factory=list)
    free: list[list[int]] = field(default_factory=list)
    end: int = 0

    def state(self) -> int:
        if len(self.moves) >= MAX_STATES:
            raise _Undecided
        self.moves.append([])
        self.free.append([])
        return len(self.moves) - 1

    def move(self, start: int, characters: str, *, but: bool = False) -> int:
        end = self.state()
        self.moves[start].append((frozenset(characters), but, end))
        return end

    def loop(self, start: int, characters: str, *, but: bool) -> int:
        middle = self.state()
        self.free[start].append(middle)
        self.moves[middle].append((frozenset(characters), but, middle))
        end = self.state()
        self.free[middle].append(end)
        return end

    def closure(self, states: frozenset[int]) -> frozenset[int]:
        found, open_ = set(states), list(states)
        while open_:
            for following in self.free[open_.pop()]:
                if following not in found:
                    found.add(following)
                    open_.append(following)
        return frozenset(found)

    def after(self, states: frozenset[int], character: str) -> frozenset[int]:
        reached = {
            end
            for state in states
            for characters, but, end in self.moves[state]
            if (character in characters) != but
        }
        return self.closure(frozenset(reached))

    def characters(self) -> Iterator[str]:
        for moves in self.moves:
            for characters, _, _ in moves:
                yield from characters


def covers(
    wide: str, narrow: str, variables: dict[str, tuple[str, ...]], budget: Budget | None = None
) -> bool:
    """Say whether every path of `narrow` is one of `wide`; False where it cannot be decided."""
    if wide == narrow:
        return True
    if _differ_at_once(wide, narrow):
        return False
    budget = budget or Budget()
    try:
        first = _compiled(wide, variables, is_open=False)
        second = _compiled(narrow, variables, is_open=True)
        return _includes(first, second, budget)
    except _Undecided:
        return False


def overlaps(
    one: str, other: str, variables: dict[str, tuple[str, ...]], budget: Budget | None = None
) -> bool:
    """Say whether some path matches both; True where it cannot be decided."""
    if _differ_at_once(one, other):
        return False
    budget = budget or Budget()
    try:
        first = _compiled(one, variables, is_open=True)
        second = _compiled(other, variables, is_open=True)
        return any(a and b for a, b in _ends(first, second, budget))
    except _Undecided:
        return True


def _differ_at_once(one: str, other: str) -> bool:
    """Say whether two patterns differ before the first thing in either that is more than itself."""
    first, second = _LITERAL.match(one), _LITERAL.match(other)
    start, begin = first[0] if first else "", second[0] if second else ""
    return not (start.startswith(begin) or begin.startswith(start))


def _includes(wide: _Automaton, narrow: _Automaton, budget: Budget) -> bool:
    ends = _ends(wide, narrow, budget)
    return not any(in_narrow and not in_wide for in_wide, in_narrow in ends)


def _ends(first: _Automaton, second: _Automaton, budget: Budget) -> Iterator[tuple[bool, bool]]:
    """Go through what both can reach together, and say of each whether the first and the second may end there."""
    alphabet = {"/", _OTHER, *first.characters(), *second.characters()}
    start = (first.closure(frozenset({0})), second.closure(frozenset({0})))
    seen, open_ = {start}, [start]
    while open_:
        in_first, in_second = open_.pop()
        yield first.end in in_first, second.end in in_second
        budget.spend(len(alphabet))
        for character in alphabet:
            pair = (first.after(in_first, character), second.after(in_second, character))
            if pair[1] and pair not in seen:
                seen.add(pair)
                open_.append(pair)


def _compiled(pattern: str, variables: dict[str, tuple[str, ...]], *, is_open: bool) -> _Automaton:
    builder = _Builder(pattern, variables, is_open)
    end = builder.sequence(builder.automaton.state(), "", 0)
    if builder.at != len(builder.pattern):
        raise _Undecided
    builder.automaton.end = end
    return builder.automaton


@dataclass(slots=True)
class _Builder:
    pattern: str
    variables: dict[str, tuple[str, ...]]
    is_open: bool
    """Whether a variable that nobody defined stands for anything, or for nothing."""
    automaton: _Automaton = field(default_factory=_Automaton)
    at: int = 0

    def sequence(self, start: int, stops: str, depth: int) -> int:
        if depth > 20:
            raise _Undecided
        state = start
        while self.at < len(self.pattern) and self.pattern[self.at] not in stops:
            state = self.item(state, depth)
        return state

    def item(self, state: int, depth: int) -> int:
        sign = self.pattern[self.at]
        if sign == "*":
            return self.star(state)
        if sign == "[":
            return self.one_of(state)
        if sign == "{":
            return self.alternatives(state, depth)
        if self.pattern.startswith("@{", self.at):
            return self.variable(state, depth)
        self.at += 1
        if sign == "?":
            return self.automaton.move(state, "/", but=True)
        if sign == "\\":
            sign = self.pattern[self.at : self.at + 1]
            self.at += 1
            if not sign:
                raise _Undecided
        return self.automaton.move(state, sign)

    def star(self, state: int) -> int:
        start = self.at
        while self.pattern.startswith("*", self.at):
            self.at += 1
        after_slash = start > 0 and self.pattern[start - 1] == "/"
        # As the parser has it: a star that is a whole step of the path matches at least one character.
        if after_slash and self.pattern[self.at : self.at + 1] in {"", "/"}:
            state = self.automaton.move(state, "/", but=True)
        is_deep = self.at - start > 1
        return self.automaton.loop(state, "" if is_deep else "/", but=True)

    def one_of(self, state: int) -> int:
        end = self.pattern.find("]", self.at + 2)
        if end < 0:
            raise _Undecided
        body = self.pattern[self.at + 1 : end]
        self.at = end + 1
        but = body.startswith("^")
        characters = _characters(body[1:] if but else body)
        return self.automaton.move(state, characters + ("/" if but else ""), but=but)

    def alternatives(self, state: int, depth: int) -> int:
        end = self.automaton.state()
        while True:
            self.at += 1
            last = self.sequence(state, ",}", depth + 1)
            self.automaton.free[last].append(end)
            if self.at >= len(self.pattern):
                raise _Undecided
            if self.pattern[self.at] == "}":
                self.at += 1
                return end

    def variable(self, state: int, depth: int) -> int:
        end = self.pattern.find("}", self.at)
        if end < 0:
            raise _Undecided
        name = self.pattern[self.at + 2 : end]
        values = self.variables.get(name)
        if values is None and name in _KNOWN_VARIABLES:
            values = (_KNOWN_VARIABLES[name],)
        if values is None:
            anything = "/?**" if self.at == 0 else "?**"
            values = (anything,) if self.is_open else ()
        rest, self.at = self.pattern[end + 1 :], 0
        joined = self.automaton.state()
        for value in values:
            self.pattern, self.at = value, 0
            last = self.sequence(state, "", depth + 1)
            self.automaton.free[last].append(joined)
        self.pattern, self.at = rest, 0
        return joined


def _characters(body: str) -> str:
    found, at = "", 0
    while at < len(body):
        if at + 2 < len(body) and body[at + 1] == "-":
            low, high = ord(body[at]), ord(body[at + 2])
            if not 0 <= high - low <= 256:
                raise _Undecided
            found += "".join(map(chr, range(low, high + 1)))
            at += 3
        else:
            found += body[at]
            at += 1
    return found
