"""Reads the text of AppArmor profiles as far as a light parser can: blocks, names, flags, rules, and what is broken.

Not a compiler: it opens no include, knows no kernel, and leaves mount, dbus, unix, signal and ptrace rules unread.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

from policies.domain.profiles.apparmor_rules import Rule, Trouble, is_whole, read_rule, starts_rule

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 8
MAX_TROUBLES = 100
MAX_RULE = 4096
"""Characters up to which a rule is looked at for a comma that is missing inside it."""

_INCLUDE = re.compile(r'#?include[ \t]+(?:if[ \t]+exists[ \t]+)?(<[^>\n]*>|"[^"\n]*"|[^\s,]+),?')
_VARIABLE = re.compile(r"@\{?(\w+)\}?[ \t]*\+?=[ \t]*([^\n]*)|\$\{?\w+\}?[ \t]*\+?=[^\n]*")
_FLAGS = re.compile(r"(?:flags\s*=\s*)?\(([^)]*)\)\s*$")
_XATTRS = re.compile(r"xattrs\s*=\s*\([^)]*\)")
_NAME = re.compile(r'("[^"]*"|\S+)\s*(.*)', re.DOTALL)
_PAIRS = {"(": ")", "[": "]", "{": "}"}


@dataclass(slots=True)
class Block:
    """A profile, a hat or a child profile; the rules of a condition count as those of its block."""

    name: str
    attachment: str
    flags: tuple[str, ...]
    line: int
    rules: list[Rule] = field(default_factory=list)
    children: list["Block"] = field(default_factory=list)


@dataclass(slots=True)
class ProfileText:
    """What stands in a text, and what is broken in it."""

    profiles: list[Block] = field(default_factory=list)
    includes: list[tuple[str, int]] = field(default_factory=list)
    variables: dict[str, tuple[str, ...]] = field(default_factory=dict)
    preamble: list[Rule] = field(default_factory=list)
    """`abi` and `alias`."""
    has_conditions: bool = False
    troubles: list[Trouble] = field(default_factory=list)

    def blocks(self) -> Iterator[Block]:
        """Go through every profile with its children and hats, in order."""
        open_ = list(reversed(self.profiles))
        while open_:
            block = open_.pop()
            yield block
            open_ += reversed(block.children)


def read_profiles(text: str) -> ProfileText:
    """Read a text; what is broken is listed, never raised."""
    reader = _Reader(text)
    if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        reader.trouble("too-large", 1, "The text is larger than 1 MiB.", "Split it.")
    else:
        reader.read()
    return reader.found


@dataclass(slots=True)
class _Reader:
    text: str
    found: ProfileText = field(default_factory=ProfileText)
    at: int = 0
    line: int = 1
    open: list[Block] = field(default_factory=list)
    """The blocks around; a condition repeats the one that it stands in."""

    def trouble(self, id_: str, line: int, what: str, fix: str) -> None:
        self.note(Trouble(id_, line, what, fix))

    def note(self, trouble: Trouble) -> None:
        """Keep a trouble; after very many the rest of the text is not read."""
        if len(self.found.troubles) < MAX_TROUBLES:
            self.found.troubles.append(trouble)
        else:
            self.at = len(self.text)

    def read(self) -> None:
        while self.skip_blank():
            if self.text[self.at] == "}":
                self.close()
            elif not self.directive():
                self.statement()
        for block in reversed(self.open):
            self.trouble(
                "block-open", block.line, f"The block of {block.name} has no end.", "Add }."
            )

    def advance(self, end: int) -> None:
        self.line += self.text.count("\n", self.at, end)
        self.at = end

    def skip_blank(self) -> bool:
        while self.at < len(self.text):
            sign = self.text[self.at]
            if sign == "#" and not _INCLUDE.match(self.text, self.at):
                end = self.text.find("\n", self.at)
                self.advance(len(self.text) if end < 0 else end)
            elif sign.isspace():
                self.advance(self.at + 1)
            else:
                return True
        return False

    def close(self) -> None:
        self.advance(self.at + 1)
        if self.open:
            self.open.pop()
        else:
            self.trouble("block-not-open", self.line, "This } closes nothing.", "Drop it.")

    def directive(self) -> bool:
        include = _INCLUDE.match(self.text, self.at)
        variable = _VARIABLE.match(self.text, self.at)
        if include:
            self.found.includes.append((include[1].strip('"<>'), self.line))
            self.advance(include.end())
        elif variable:
            if variable[1]:
                values = tuple(value.strip('"') for value in variable[2].split())
                before = self.found.variables.get(variable[1], ())
                self.found.variables[variable[1]] = before + values
            self.advance(variable.end())
        return bool(include or variable)

    def statement(self) -> None:
        line = self.line
        text, end = self.scan()
        if end == "{":
            self.begin(text, line)
        else:
            self.rules(text, line, has_comma=end == ",")

    def scan(self) -> tuple[str, str]:
        """Take the text up to a comma, a block or the end of one, and say which; comments are left out."""
        kept: list[str] = []
        closers: list[str] = []
        while self.at < len(self.text):
            sign = self.text[self.at]
            before = kept[-1] if kept else " "
            if sign == '"' or sign == "\\":
                kept.append(self.quoted() if sign == '"' else self.escaped())
            elif sign == "#" and before.isspace():
                self.skip_blank()
                kept.append("\n")
            elif not closers and (sign in ",}" or (sign == "{" and _opens_block(before))):
                if sign != "}":
                    self.advance(self.at + 1)
                return "".join(kept), sign
            else:
                self.nest(sign, closers)
                kept.append(sign)
                self.advance(self.at + 1)
        if closers:
            self.trouble("pair-open", self.line, f"A {closers[-1]} is missing.", "Close the pair.")
        return "".join(kept), ""

    def nest(self, sign: str, closers: list[str]) -> None:
        if closers and sign == closers[-1]:
            closers.pop()
        elif sign in _PAIRS and closers[-1:] != ["]"]:
            closers.append(_PAIRS[sign])
        elif sign == "\n" and closers and closers[-1] != ")":
            self.trouble("pair-open", self.line, f"A {closers[-1]} is missing.", "Close the pair.")
            closers.clear()

    def quoted(self) -> str:
        end = self.at + 1
        while end < len(self.text) and self.text[end] not in '"\n':
            end += 2 if self.text[end] == "\\" else 1
        if self.text[end : end + 1] != '"':
            self.trouble("quote-open", self.line, "A quote has no end on its line.", "Close it.")
        taken = self.text[self.at : end + 1]
        self.advance(min(end + 1, len(self.text)))
        return taken

    def escaped(self) -> str:
        taken = self.text[self.at : self.at + 2]
        self.advance(min(self.at + 2, len(self.text)))
        return taken

    def begin(self, header: str, line: int) -> None:
        words = header.split()
        if words[:1] in (["if"], ["else"]) and self.open:
            self.found.has_conditions = True
            self.open.append(self.open[-1])
            return
        block = self.block(header, line)
        if len(self.open) >= MAX_DEPTH:
            self.trouble("too-deep", line, "Too many blocks inside each other.", "Flatten them.")
        (self.open[-1].children if self.open else self.found.profiles).append(block)
        self.open.append(block)

    def block(self, header: str, line: int) -> Block:
        rest = _XATTRS.sub("", header).strip()
        flags = _FLAGS.search(rest)
        names = flags[1].replace(",", " ").split() if flags else []
        if flags:
            rest = rest[: flags.start()].strip()
        words = rest.split(maxsplit=1)
        is_plain = words[:1] not in (["profile"], ["hat"])
        rest = rest if is_plain else " ".join(words[1:])
        match = _NAME.match(rest)
        name = match[1].strip('"') if match else ""
        if not name:
            self.trouble("no-name", line, "A block has no name.", "Write: profile NAME {.")
        elif is_plain and not rest.startswith(("/", '"', "^", "@{", ":")):
            self.trouble(
                "no-keyword",
                line,
                f"“{name}” is no start of a block.",
                "Write profile before the name.",
            )
        attachment = match[2].strip() if match else ""
        if is_plain and name.startswith("/"):
            attachment = name
        return Block(name, attachment, tuple(names), line)

    def rules(self, text: str, line: int, *, has_comma: bool) -> None:
        parts = list(islice(_parts(text, line), MAX_TROUBLES + 2))
        for number, (part, at) in enumerate(parts):
            self.rule(part, at)
            if number < len(parts) - 1 or not has_comma:
                what = f"“{' '.join(part.split())}” has no comma at its end."
                self.trouble("comma-missing", at, what, "Add a comma.")
        if not parts:
            self.trouble("empty-rule", line, "A comma ends nothing.", "Drop it.")

    def rule(self, text: str, line: int) -> None:
        rule = read_rule(text, line)
        if isinstance(rule, Trouble):
            self.note(rule)
        elif self.open:
            self.open[-1].rules.append(rule)
        elif rule.kind in {"abi", "alias"}:
            self.found.preamble.append(rule)
        else:
            what = f"“{rule.text}” stands outside of a profile."
            self.trouble("rule-outside", line, what, "Move it into a block.")


def _opens_block(before: str) -> bool:
    return before.isspace() or before.endswith((")", '"'))


def _parts(text: str, line: int) -> Iterator[tuple[str, int]]:
    """Split where a comma is missing: a whole rule on one line, and the start of another on the next."""
    kept: list[str] = []
    size, start = 0, line
    for number, part in enumerate(text.split("\n"), line):
        if kept and size <= MAX_RULE and starts_rule(part) and is_whole("\n".join(kept)):
            yield "\n".join(kept), start
            kept, size = [], 0
        if not kept and not part.strip():
            continue
        start = start if kept else number
        kept.append(part)
        size += len(part)
    if kept:
        yield "\n".join(kept), start
