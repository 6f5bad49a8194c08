"""What an AppArmor profile does to a container: rules that cancel each other, flags that enforce nothing, gaps."""

from collections.abc import Iterator
from itertools import islice

from policies.domain.profiles.apparmor_globs import Budget, covers
from policies.domain.profiles.apparmor_rules import NEWER, Rule
from policies.domain.profiles.apparmor_text import Block, ProfileText
from policies.domain.profiles.findings import Finding, Question, Severity, listed

MAX_BLOCKS = 100
"""Profiles of one text that are looked at; a text of people has a few."""

_TOLERANT = {"complain": "only writes to the log", "unconfined": "confines nothing"}
_WANTED = {
    "attach_disconnected": "paths that the container's mounts hide are refused",
    "mediate_deleted": "open files whose name was removed are refused",
}
_RESERVED = frozenset({"unconfined", "docker-default", "cri-containerd.apparmor.d", "crio-default"})
_UNREAD = frozenset(
    {"mount", "umount", "remount", "pivot_root", "dbus", "unix", "signal", "ptrace"}
)


def newer_words(profiles: ProfileText) -> Iterator[tuple[str, int]]:
    """Find the syntax of AppArmor 4 and its lines."""
    for rule in profiles.preamble:
        if rule.kind == "abi" and "abi/4" in rule.text:
            yield rule.text, rule.line
    for block in profiles.blocks():
        for rule in block.rules:
            if rule.kind in NEWER:
                yield NEWER[rule.kind], rule.line
            if rule.has_priority:
                yield NEWER["priority"], rule.line


def lint_findings(profiles: ProfileText) -> Iterator[Finding]:
    """Find what is legal and still wrong, block by block."""
    budget = Budget()
    for block in islice(profiles.blocks(), MAX_BLOCKS):
        yield from _flags(block)
        yield from _cancelled(block, profiles.variables, budget)
    for block in profiles.profiles[:MAX_BLOCKS]:
        yield from _name(block)
        yield from _gaps(block)
    if len(profiles.profiles) > 1:
        names = listed([block.name for block in profiles.profiles])
        what = f"The text loads several profiles: {names}. A container gets the one that its pod names."
        yield _found(
            profiles.profiles[1], "several-profiles", Severity.INFO, what, "Keep one for each text."
        )
    yield from _unread(profiles, has_given_up=budget.is_spent)


def _found(
    block: Block,
    id_: str,
    severity: Severity,
    what: str,
    fix: str,
    *,
    line: int | None = None,
    question: Question = Question.USABLE,
) -> Finding:
    return Finding(id_, question, severity, what, fix, block.name, line or block.line)


def _flags(block: Block) -> Iterator[Finding]:
    for flag in block.flags:
        if flag in _TOLERANT:
            what = f"With the flag {flag} this profile {_TOLERANT[flag]}."
            fix = "Drop the flag once the profile is complete."
            yield _found(
                block, "not-enforcing", Severity.ERROR, what, fix, question=Question.ENFORCING
            )


def _cancelled(
    block: Block, variables: dict[str, tuple[str, ...]], budget: Budget
) -> Iterator[Finding]:
    denies = [rule for rule in block.rules if rule.is_deny]
    for grant in block.rules:
        for deny in () if grant.is_deny else denies:
            if budget.is_spent:
                return
            budget.spend()
            lost = _lost(grant, deny, variables, budget)
            if lost:
                yield _cancellation(block, grant, deny, lost)


def _cancellation(block: Block, grant: Rule, deny: Rule, lost: str) -> Finding:
    left = "".join(sign for sign in grant.perms if sign not in lost)
    rest = f"only “{left}” is left of it" if left else "nothing is left of it"
    what = (
        f"“{deny.text}” in line {deny.line} cancels “{grant.text}” in line {grant.line}: "
        f"deny wins wherever it stands, and {rest}."
    )
    fix = "Drop the deny rule: what no rule grants is refused anyway."
    return _found(block, "deny-cancels-grant", Severity.ERROR, what, fix, line=grant.line)


def _lost(grant: Rule, deny: Rule, variables: dict[str, tuple[str, ...]], budget: Budget) -> str:
    """Name what a deny rule takes wholly from a grant; empty for nothing."""
    if grant.kind != deny.kind:
        return ""
    if grant.kind == "file":
        return _lost_access(grant, deny, variables, budget)
    if grant.kind == "capability":
        names = set(grant.words)
        return "all" if not deny.words or (names and names <= set(deny.words)) else ""
    if grant.kind == "network":
        return "all" if set(deny.words) <= set(grant.words) else ""
    return ""


def _lost_access(
    grant: Rule, deny: Rule, variables: dict[str, tuple[str, ...]], budget: Budget
) -> str:
    if deny.is_owner and not grant.is_owner:
        return ""
    if not grant.perms:
        # “file,” grants everything; taking a part of it away is what a deny rule is for.
        return "all" if not deny.perms else ""
    denied = _access(deny.perms) if deny.perms else grant.perms
    lost = "".join(sign for sign in "rwaklmx" if sign in denied and sign in grant.perms)
    return lost if lost and covers(deny.path, grant.path, variables, budget) else ""


def _access(perms: str) -> str:
    return perms + "a" if "w" in perms else perms


def _name(block: Block) -> Iterator[Finding]:
    if block.name in _RESERVED:
        what = f"{block.name} is the name of a profile that the node or its runtime brings."
        yield _found(block, "reserved-name", Severity.ERROR, what, "Choose a name of your own.")
    if block.attachment.startswith("/"):
        what = f"Loaded on a node, it also confines the node's own {block.attachment}, not only containers."
        fix = "Give it a name instead of a path: profile NAME {."
        yield _found(block, "attaches-to-host", Severity.WARNING, what, fix)


def _gaps(block: Block) -> Iterator[Finding]:
    rules = [rule for rule in block.rules if not rule.is_deny]
    for flag, effect in _WANTED.items():
        if flag not in block.flags:
            what = f"Without the flag {flag}, {effect}; containers meet that often."
            yield _found(block, f"no-{flag.replace('_', '-')}", Severity.INFO, what, f"Add {flag}.")
    if not any(_runs(rule) for rule in rules):
        what = "No rule allows to run a program: the container can start nothing beyond its first process."
        fix = "Grant what it runs: “/app/bin/* ix,” for example."
        yield _found(block, "no-exec-rule", Severity.WARNING, what, fix)
    if not any(rule.kind in {"capability", "all"} for rule in rules):
        what = "No rule grants a capability: a process that needs one is refused, even as root."
        fix = "Add the capability rules that the program needs, if any."
        yield _found(block, "no-capability-rule", Severity.INFO, what, fix)


def _runs(rule: Rule) -> bool:
    is_bare_file = rule.kind == "file" and not rule.perms
    return is_bare_file or (rule.kind == "file" and "x" in rule.perms) or rule.kind == "all"


def _unread(profiles: ProfileText, *, has_given_up: bool) -> Iterator[Finding]:
    kinds = {rule.kind for block in profiles.blocks() for rule in block.rules}
    unread = sorted(kinds & _UNREAD)
    parts = [f"{listed(unread)} rules"] if unread else []
    grants = (name for name, _ in profiles.includes if not name.startswith("tunables/"))
    parts += [f"what {name} grants" for name in dict.fromkeys(grants)]
    if has_given_up:
        parts.append("whether every deny rule leaves the grants alone, there are too many")
    if profiles.has_conditions:
        parts.append("which branch of a condition holds")
    if parts:
        what = f"Not judged here: {listed(parts)}."
        fix = "Try it on a node in complain mode and read the log."
        yield Finding("not-judged", Question.USABLE, Severity.INFO, what, fix)
