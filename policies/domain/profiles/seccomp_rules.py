"""A seccomp profile as the OCI runtime specification describes it, read from JSON; what does not fit stays out."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from policies.domain.profiles.json_text import JsonText

ACTIONS = frozenset(
    f"SCMP_ACT_{name}"
    for name in [
        "KILL",
        "KILL_PROCESS",
        "KILL_THREAD",
        "TRAP",
        "ERRNO",
        "TRACE",
        "ALLOW",
        "LOG",
        "NOTIFY",
    ]
)
REFUSING = frozenset(
    f"SCMP_ACT_{name}" for name in ["KILL", "KILL_PROCESS", "KILL_THREAD", "TRAP", "ERRNO", "TRACE"]
)
"""Actions under which the call does not happen."""
OPERATORS = frozenset(
    f"SCMP_CMP_{name}" for name in ["NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ"]
)
_ARCHITECTURES = """
    X86 X86_64 X32 ARM AARCH64 LOONGARCH64 M68K MIPS MIPS64 MIPS64N32 MIPSEL MIPSEL64 MIPSEL64N32
    PPC PPC64 PPC64LE RISCV64 S390 S390X SH SHEB PARISC PARISC64
"""
ARCHITECTURES = frozenset(f"SCMP_ARCH_{name}" for name in _ARCHITECTURES.split())
NATIVE = "SCMP_ARCH_NATIVE"
FLAGS = frozenset(
    f"SECCOMP_FILTER_FLAG_{name}" for name in ["TSYNC", "LOG", "SPEC_ALLOW", "WAIT_KILLABLE_RECV"]
)
ERRNO, ALLOW, LOG, NOTIFY = "SCMP_ACT_ERRNO", "SCMP_ACT_ALLOW", "SCMP_ACT_LOG", "SCMP_ACT_NOTIFY"
EPERM, ENOSYS = 1, 38


@dataclass(frozen=True, slots=True)
class Rule:
    """One item of `syscalls`."""

    path: str
    names: tuple[str, ...]
    action: str
    errno: int | None
    conditions: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True)
class SeccompProfile:
    """What a runtime that knows only OCI gets out of a document."""

    document: JsonText
    default_action: str
    default_errno: int | None
    architectures: tuple[str, ...]
    flags: tuple[str, ...]
    rules: tuple[Rule, ...]
    by_name: dict[str, Sequence[Rule]]
    """The rules that name a system call."""

    @property
    def is_empty(self) -> bool:
        """Say whether runc takes it for no profile at all."""
        return not self.default_action and not self.rules

    def rules_for(self, name: str) -> Sequence[Rule]:
        """Find the rules that name a system call."""
        return self.by_name.get(name, ())

    def refuses(self, name: str) -> bool:
        """Say whether a call never happens, whatever its arguments."""
        actions = {rule.action for rule in self.rules_for(name)}
        if not actions - REFUSING:
            return bool(actions) or self.default_action in REFUSING
        return False


def as_profile(document: JsonText) -> SeccompProfile:
    """Read the members of OCI from a document that is an object; wrong types count as absent."""
    root = document.value
    rules = tuple(_rules(root.get("syscalls")))
    by_name: dict[str, list[Rule]] = defaultdict(list)
    for rule in rules:
        for name in set(rule.names):
            by_name[name].append(rule)
    return SeccompProfile(
        document,
        _text(root.get("defaultAction")),
        _number(root.get("defaultErrnoRet")),
        _texts(root.get("architectures")),
        _texts(root.get("flags")),
        rules,
        {name: tuple(found) for name, found in by_name.items()},
    )


def items(value: Any) -> list[Any]:
    """Give a list, or none."""
    return value if isinstance(value, list) else []


def _rules(value: Any) -> Iterator[Rule]:
    for index, item in enumerate(items(value)):
        if isinstance(item, dict):
            yield Rule(
                f"$.syscalls[{index}]",
                _texts(item.get("names")),
                _text(item.get("action")),
                _number(item.get("errnoRet")),
                tuple(each for each in items(item.get("args")) if isinstance(each, dict)),
            )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(each for each in items(value) if isinstance(each, str))


def _number(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
