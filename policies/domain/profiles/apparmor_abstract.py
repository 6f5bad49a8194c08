"""Translates AppArmor text into the operator's abstract lists, and says what is lost; never into something looser
without a word, and not at all where too much would be lost.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from policies.domain.profiles.apparmor_globs import overlaps
from policies.domain.profiles.apparmor_rules import CAPABILITIES, Rule
from policies.domain.profiles.apparmor_text import Block, ProfileText, read_profiles

_PATH = re.compile(r"/(?:[a-zA-Z0-9_./*?+@ -]|@\{[a-zA-Z0-9_]+\})*")
_PLAIN_RUN = frozenset({"ix", "rix", "ixr", "mrix", "rixm", "ixrm", "mixr", "rmix"})
_ALWAYS_THERE = frozenset({"tunables/global", "abstractions/base"})


class NotExportable(ValueError):
    """The operator's objects cannot say what the profile says."""


@dataclass(frozen=True, slots=True)
class Abstract:
    """`spec.abstract` and `spec.mode` of an AppArmorProfile, and what did not fit or changed on the way."""

    abstract: dict[str, Any]
    mode: str
    lost: tuple[str, ...]
    changed: tuple[str, ...]


@dataclass(slots=True)
class _Lists:
    runs: list[str] = field(default_factory=list)
    libraries: list[str] = field(default_factory=list)
    reads: list[str] = field(default_factory=list)
    writes: list[str] = field(default_factory=list)
    both: list[str] = field(default_factory=list)
    capabilities: list[str] = field(default_factory=list)
    protocols: dict[str, bool] = field(default_factory=dict)
    raw: bool = False
    lost: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)


def abstract_of(text: str) -> Abstract:
    """Translate the one profile of a text. Raises NotExportable with a sentence."""
    profiles = read_profiles(text)
    block = _one_profile(profiles)
    lists = _Lists()
    for rule in block.rules:
        _take(rule, lists)
    _refuse_what_opens(block, profiles, lists)
    _refuse_what_closes(lists)
    lists.lost += [
        f"line {line}: include of {name}"
        for name, line in profiles.includes
        if name not in _ALWAYS_THERE
    ]
    grants = [rule for rule in block.rules if not rule.is_deny]
    lost_grants = sum(
        1 for each in lists.lost if not each.startswith("line") or "include" not in each
    )
    if grants and lost_grants * 2 > len(grants):
        raise NotExportable(
            f"Too much would be lost: {lost_grants} of {len(grants)} rules. Load the text by hand instead."
        )
    mode = "Complain" if "complain" in block.flags else "Enforce"
    return Abstract(_written(lists), mode, tuple(lists.lost), (*lists.changed, *_always(block)))


def _one_profile(profiles: ProfileText) -> Block:
    if profiles.troubles or not profiles.profiles:
        raise NotExportable("The text has errors; mend them first.")
    if len(profiles.profiles) > 1:
        raise NotExportable("The text has several profiles, and an object holds one.")
    block = profiles.profiles[0]
    if block.children:
        raise NotExportable("The operator's objects know no child profiles and no hats.")
    if profiles.has_conditions:
        raise NotExportable("The operator's objects know no conditions.")
    if "unconfined" in block.flags:
        raise NotExportable("An unconfined profile is no profile; there is nothing to export.")
    return block


def _take(rule: Rule, lists: _Lists) -> None:
    if rule.is_deny:
        return
    if rule.kind == "file":
        _take_file(rule, lists)
    elif rule.kind == "capability":
        lists.capabilities += rule.words or sorted(CAPABILITIES)
    elif rule.kind == "network":
        _take_network(rule, lists)
    else:
        lists.lost.append(f"line {rule.line}: “{rule.text}”")


def _take_file(rule: Rule, lists: _Lists) -> None:
    fits = _PATH.fullmatch(rule.path) and not rule.target and not rule.is_owner and rule.perms
    runs = "x" in rule.perms
    if not fits or (runs and rule.perms not in _PLAIN_RUN):
        why = "only for the owner" if rule.is_owner else "no place for it"
        lists.lost.append(f"line {rule.line}: “{rule.text}” ({why})")
        return
    if runs:
        lists.runs.append(rule.path)
        if "r" not in rule.perms:
            lists.changed.append(f"line {rule.line}: {rule.path} may also be read")
        return
    reads, writes = "r" in rule.perms, bool(set(rule.perms) & set("wa"))
    if "m" in rule.perms and not writes:
        lists.libraries.append(rule.path)
    elif reads and writes:
        lists.both.append(rule.path)
    elif writes:
        lists.writes.append(rule.path)
    else:
        lists.reads.append(rule.path)
    _note_wider(rule, lists, writes=writes)


def _note_wider(rule: Rule, lists: _Lists, *, writes: bool) -> None:
    missing = [word for sign, word in (("l", "linked"), ("k", "locked")) if sign not in rule.perms]
    if writes and missing:
        lists.changed.append(f"line {rule.line}: {rule.path} may also be {' and '.join(missing)}")
    if not writes and set(rule.perms) & set("lk"):
        lists.changed.append(f"line {rule.line}: {rule.path} loses link and lock")


def _take_network(rule: Rule, lists: _Lists) -> None:
    words = set(rule.words)
    kinds = {"tcp": "allowTcp", "stream": "allowTcp", "udp": "allowUdp", "dgram": "allowUdp"}
    named = {kinds[word] for word in words if word in kinds}
    families = words - kinds.keys() - {"raw"}
    if families - {"inet", "inet6"} or (not named and "raw" not in words and words):
        lists.lost.append(f"line {rule.line}: “{rule.text}”")
        return
    lists.raw |= "raw" in words or not words
    for key in named or ({"allowTcp", "allowUdp"} if not words else ()):
        lists.protocols[key] = True
    if not words:
        lists.changed.append(
            f"line {rule.line}: only TCP, UDP and raw sockets are left of “{rule.text}”"
        )
    elif families:
        lists.changed.append(
            f"line {rule.line}: “{rule.text}” holds for every family, not only {min(families)}"
        )


def _refuse_what_opens(block: Block, profiles: ProfileText, lists: _Lists) -> None:
    """Refuse to leave out a deny rule that takes a part of a grant away; the others change nothing."""
    granted = [*lists.runs, *lists.libraries, *lists.reads, *lists.writes, *lists.both]
    for rule in block.rules:
        if not rule.is_deny:
            continue
        inside = rule.kind == "file" and any(
            overlaps(path, rule.path, profiles.variables) for path in granted
        )
        if inside or (rule.kind in {"network", "capability"} and _same_kind(rule, lists)):
            raise NotExportable(
                f"Line {rule.line}: “{rule.text}” takes back a part of a grant, and the operator's objects hold "
                "no deny rules: the export would allow more than the text."
            )
        lists.changed.append(
            f"line {rule.line}: “{rule.text}” goes; no grant that is left reaches it"
        )


def _same_kind(rule: Rule, lists: _Lists) -> bool:
    if rule.kind == "capability":
        return not rule.words or not set(rule.words).isdisjoint(lists.capabilities)
    return bool(lists.protocols or lists.raw)


def _refuse_what_closes(lists: _Lists) -> None:
    """Refuse lists that the operator's own deny rules would cancel: it denies to write what is only read."""
    for wide, others, verb in (
        (lists.reads, [*lists.writes, *lists.both], "write"),
        (lists.writes, [*lists.reads, *lists.both, *lists.runs, *lists.libraries], "read"),
    ):
        for path in wide:
            for other in others:
                if overlaps(path, other, {}):
                    raise NotExportable(
                        f"For {path} the operator adds a rule that denies to {verb} it, and that would cancel "
                        f"the grant for {other}. Narrow one of them first."
                    )


def _always(block: Block) -> Iterator[str]:
    missing = [f for f in ("attach_disconnected", "mediate_deleted") if f not in block.flags]
    if missing:
        yield f"the operator sets {' and '.join(missing)}"
    yield "the operator adds abstractions/base, and denies writing to /proc/sys and the like"


def _written(lists: _Lists) -> dict[str, Any]:
    network: dict[str, Any] = {}
    if lists.raw:
        network["allowRaw"] = True
    if lists.protocols:
        network["allowedProtocols"] = dict(sorted(lists.protocols.items()))
    sections: dict[str, dict[str, Any]] = {
        "executable": _filled(allowedExecutables=lists.runs, allowedLibraries=lists.libraries),
        "filesystem": _filled(
            readOnlyPaths=lists.reads, writeOnlyPaths=lists.writes, readWritePaths=lists.both
        ),
        "network": network,
        "capability": _filled(allowedCapabilities=lists.capabilities),
    }
    return {name: section for name, section in sections.items() if section}


def _filled(**lists: list[str]) -> dict[str, list[str]]:
    return {name: list(dict.fromkeys(values)) for name, values in lists.items() if values}
