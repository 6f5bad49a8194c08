"""Rules of AppArmor as tokens: what each is about, which access it grants or denies, and what is broken in it."""

import re
from dataclasses import dataclass, replace

CAPABILITIES = frozenset(
    [
        "audit_control",
        "audit_read",
        "audit_write",
        "block_suspend",
        "bpf",
        "checkpoint_restore",
        "chown",
        "dac_override",
        "dac_read_search",
        "fowner",
        "fsetid",
        "ipc_lock",
        "ipc_owner",
        "kill",
        "lease",
        "linux_immutable",
        "mac_admin",
        "mac_override",
        "mknod",
        "net_admin",
        "net_bind_service",
        "net_broadcast",
        "net_raw",
        "perfmon",
        "setfcap",
        "setgid",
        "setpcap",
        "setuid",
        "sys_admin",
        "sys_boot",
        "sys_chroot",
        "sys_module",
        "sys_nice",
        "sys_pacct",
        "sys_ptrace",
        "sys_rawio",
        "sys_resource",
        "sys_time",
        "sys_tty_config",
        "syslog",
        "wake_alarm",
    ]
)
NEWER = {
    "all": "all",
    "io_uring": "io_uring",
    "mqueue": "mqueue",
    "priority": "priority=",
    "userns": "userns",
}
"""Words of AppArmor 4 that parsers of AppArmor 3 refuse."""

_KEYWORDS = frozenset(
    [
        "alias",
        "abi",
        "capability",
        "change_hat",
        "change_profile",
        "dbus",
        "file",
        "io_uring",
        "link",
        "mount",
        "mqueue",
        "network",
        "pivot_root",
        "ptrace",
        "remount",
        "set",
        "signal",
        "umount",
        "unix",
        "userns",
        "all",
        "include",
    ]
)
_QUALIFIERS = frozenset({"audit", "deny", "allow", "owner", "other", "quiet"})
_PATH = r'"(?:[^"\\\n]|\\.)*"|(?:@\{\w+\}|/)(?:[^\s\\]|\\.)*'
_PERMS = r"[a-zA-Z]+"
_FILE = re.compile(
    rf"(?:(?P<path>{_PATH})\s+(?P<perms>{_PERMS})|(?P<perms_first>{_PERMS})\s+(?P<path_last>{_PATH}))"
    r"(?:\s*->\s*(?P<target>\S.*))?$"
)
_MODE = re.compile(r"(?:[rwaklm]|(?:[pPcC]i|[pPcC][uU]|[iuUpPcC])x)+")
_DENY_MODE = re.compile(r"[rwaklmx]+")


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: `kind` is its keyword, `file` for paths, empty where nobody knows it."""

    kind: str
    line: int
    text: str
    words: tuple[str, ...] = ()
    """What follows the keyword."""
    is_deny: bool = False
    is_owner: bool = False
    path: str = ""
    perms: str = ""
    target: str = ""
    has_priority: bool = False


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that no parser takes."""

    id: str
    line: int
    what: str
    fix: str


def starts_rule(text: str) -> bool:
    """Say whether a line looks like the start of a rule."""
    first = re.split(r"[\s(,=]", text.strip(), maxsplit=1)[0]
    return first.startswith(("/", "@{", '"')) or first in _KEYWORDS | _QUALIFIERS


def is_whole(text: str) -> bool:
    """Say whether a line needs nothing more than its comma."""
    rule = read_rule(text, 1)
    if isinstance(rule, Trouble):
        return False
    return rule.kind in {"file", "capability", "network"} and not text.rstrip().endswith("->")


def read_rule(text: str, line: int) -> Rule | Trouble:
    """Read one rule without its comma."""
    words = text.split()
    deny = owner = priority = False
    while words and (words[0] in _QUALIFIERS or words[0].startswith("priority=")):
        word = words.pop(0)
        deny |= word == "deny"
        owner |= word == "owner"
        priority |= word.startswith("priority=")
    shown = " ".join(text.split())
    if not words:
        return Trouble("empty-rule", line, f"“{shown}” is no rule.", "Drop it, or finish it.")
    base = Rule("file", line, shown, (), deny, owner, has_priority=priority)
    first = re.split(r"[(=]", words[0], maxsplit=1)[0]
    if first in _KEYWORDS - {"file"}:
        rule = replace(base, kind=first, words=tuple(words[1:]))
        return _capabilities(rule) if first == "capability" else rule
    if words == ["file"]:
        return replace(base, path="/**")
    return _file(" ".join(words).removeprefix("file "), base)


def _capabilities(rule: Rule) -> Rule | Trouble:
    unknown = [word for word in rule.words if word not in CAPABILITIES]
    if not unknown:
        return rule
    what = f"There is no capability “{unknown[0]}”."
    fix = "Write it in lower case without CAP_."
    return Trouble("unknown-capability", rule.line, what, fix)


def _file(rest: str, base: Rule) -> Rule | Trouble:
    match = _FILE.match(rest)
    if match is None:
        return _no_file_rule(rest, base.text, base.line)
    path = match["path"] or match["path_last"]
    perms = match["perms"] or match["perms_first"]
    rule = replace(base, path=path.strip('"'), perms=perms, target=match["target"] or "")
    return _mode_trouble(rule) or rule


def _no_file_rule(rest: str, shown: str, line: int) -> Trouble:
    if "/" in rest.split()[0] and not rest.startswith(("/", "@{", '"')):
        what = f"“{shown}”: a path starts with /, @{{ or a quote."
        return Trouble("relative-path", line, what, "Write the whole path.")
    if rest.startswith(("/", "@{", '"')):
        what = f"“{shown}”: after the path come its permissions, and then a comma."
        return Trouble("no-permissions", line, what, "Write for example r or rw.")
    return Trouble(
        "unknown-rule",
        line,
        f"“{shown}” is no rule that AppArmor 3 or 4 knows.",
        "Check its spelling.",
    )


def _mode_trouble(rule: Rule) -> Trouble | None:
    if not (_DENY_MODE if rule.is_deny else _MODE).fullmatch(rule.perms):
        what = f"“{rule.perms}” are no permissions."
        known = "x alone" if rule.is_deny else "ix, px, cx or ux to run"
        return Trouble("unknown-permission", rule.line, what, f"Use r w a k l m, and {known}.")
    if "w" in rule.perms and "a" in rule.perms:
        fix = "w holds a already."
        return Trouble("write-and-append", rule.line, "w and a exclude each other.", fix)
    return None
