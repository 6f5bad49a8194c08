"""What a seccomp profile does to a program: whether it confines at all, and whether anything starts under it."""

import difflib
from collections import defaultdict
from collections.abc import Iterator

from policies.domain.profiles import syscall_names
from policies.domain.profiles.findings import Finding, Question, Severity, listed
from policies.domain.profiles.seccomp_rules import (
    ALLOW,
    ENOSYS,
    ERRNO,
    LOG,
    REFUSING,
    Rule,
    SeccompProfile,
)

_START = """
    execve exit exit_group brk mmap mprotect munmap openat close read write fstat newfstatat futex
    rt_sigaction rt_sigprocmask rt_sigreturn set_tid_address arch_prctl
"""
START_CALLS = tuple(_START.split())
"""What the loader and libc of an ordinary program call before its own first line."""

_RUNTIME = """
    capget capset chdir close_range epoll_ctl epoll_pwait faccessat2 fchown fcntl fstatfs getcwd
    getdents64 getpid getppid getuid nanosleep prctl pread64 prlimit64 readlinkat recvfrom
    sched_yield set_robust_list setgid setgroups setuid tgkill
"""
RUNTIME_CALLS = tuple(_RUNTIME.split())
"""What runc itself still calls between loading the filter and handing over; it varies with its version."""

UNKNOWN_SHOWN = 20

_FAMILIES = {
    "SCMP_ARCH_X86_64": syscall_names.X86_64,
    "SCMP_ARCH_X86": syscall_names.X86,
    "SCMP_ARCH_X32": syscall_names.X86_64,
    "SCMP_ARCH_AARCH64": syscall_names.ARM64,
}
_X86 = frozenset({"SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"})
_ARM = frozenset({"SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"})
_REPLACED = {
    "open": ("openat",),
    "stat": ("newfstatat", "statx"),
    "lstat": ("newfstatat", "statx"),
    "access": ("faccessat", "faccessat2"),
    "pipe": ("pipe2",),
    "dup2": ("dup3",),
    "poll": ("ppoll",),
    "epoll_wait": ("epoll_pwait",),
    "mkdir": ("mkdirat",),
    "unlink": ("unlinkat",),
    "rename": ("renameat", "renameat2"),
    "readlink": ("readlinkat",),
    "fork": ("clone", "clone3"),
}
"""Old calls, and what libc of today calls in their place."""


def lint_findings(profile: SeccompProfile) -> Iterator[Finding]:
    """Find what is legal and still wrong."""
    if _is_unconfined(profile):
        yield _unconfined(profile)
        return
    if profile.default_action in {ALLOW, LOG}:
        yield _deny_list(profile)
    yield from _start(profile)
    yield from _names(profile)
    yield from _old_calls(profile)
    yield from _architectures(profile)
    yield from _clone(profile)
    yield from _duplicates(profile)


def _found(
    profile: SeccompProfile, id_: str, severity: Severity, path: str, what: str, fix: str
) -> Finding:
    line = profile.document.line(path)
    return Finding(id_, Question.USABLE, severity, what, fix, path, line)


def _is_unconfined(profile: SeccompProfile) -> bool:
    if profile.is_empty:
        return True
    restricts = any(rule.action in REFUSING and rule.names for rule in profile.rules)
    return profile.default_action in {ALLOW, LOG} and not restricts


def _unconfined(profile: SeccompProfile) -> Finding:
    if profile.is_empty:
        what = "Nothing is refused: runc takes a profile without defaultAction and rules for no profile at all."
    elif profile.default_action == LOG:
        what = "Nothing is refused: every call that is not listed is only written to the log."
    else:
        what = "Nothing is refused: the default allows every call and no rule refuses one."
    return _found(
        profile,
        "effectively-unconfined",
        Severity.ERROR,
        "$.defaultAction",
        what,
        "Set defaultAction to SCMP_ACT_ERRNO and allow what the program needs.",
    )


def _deny_list(profile: SeccompProfile) -> Finding:
    if profile.default_action == LOG:
        return _found(
            profile,
            "audit-only",
            Severity.WARNING,
            "$.defaultAction",
            "What no rule names is only written to the log, and happens.",
            "Use it to learn; then set SCMP_ACT_ERRNO.",
        )
    return _found(
        profile,
        "deny-list",
        Severity.WARNING,
        "$.defaultAction",
        "This is a list of what is refused: every call that a newer kernel adds passes.",
        "Turn it round: refuse by default and allow what the program needs.",
    )


def _start(profile: SeccompProfile) -> Iterator[Finding]:
    names = _judged_names(profile)
    if not names:
        yield _found(
            profile,
            "architecture-not-judged",
            Severity.INFO,
            "$.architectures",
            "secprof knows the calls of x86-64, x86 and arm64; whether a program starts here is not judged.",
            "Try the profile on a node of that architecture.",
        )
        return
    start = [name for name in START_CALLS if name in names and profile.refuses(name)]
    runtime = [name for name in RUNTIME_CALLS if name in names and profile.refuses(name)]
    where = "$.syscalls"
    if start:
        count = f"{len(start)} of the {len(START_CALLS)}"
        yield _found(
            profile,
            "cannot-start",
            Severity.ERROR,
            where,
            f"This profile cannot start a process: it refuses {count} calls that every program makes first: "
            f"{listed(start, 30)}.",
            "Record what the program calls, or begin with the calls named here.",
        )
    if runtime:
        yield _found(
            profile,
            "runtime-floor",
            Severity.WARNING,
            where,
            f"runc may need calls that this profile refuses, between loading it and starting the program: "
            f"{listed(runtime, 30)}.",
            "Allow them, or try the profile with the runtime of your nodes.",
        )


def _judged_names(profile: SeccompProfile) -> frozenset[str]:
    """Name the calls that exist on what the profile is written for: x86-64 where it does not say."""
    named = [_FAMILIES[name] for name in profile.architectures if name in _FAMILIES]
    if named:
        return frozenset().union(*named)
    return frozenset() if profile.architectures else syscall_names.X86_64


def _names(profile: SeccompProfile) -> Iterator[Finding]:
    unknown = [name for name in profile.by_name if name and name not in syscall_names.KNOWN]
    for name in unknown[:UNKNOWN_SHOWN]:
        yield _found(
            profile,
            "unknown-call",
            Severity.WARNING,
            _place(profile.by_name[name][0], name),
            f"No system call is named “{name[:40]}”; runtimes skip it without a word.",
            _nearest(name),
        )
    if len(unknown) > UNKNOWN_SHOWN:
        what = f"{len(unknown) - UNKNOWN_SHOWN} more names are no system calls."
        yield _found(
            profile, "unknown-call", Severity.WARNING, "$.syscalls", what, "Mend the others first."
        )
    yield from _missing_on_arm64(profile)


def _place(rule: Rule, name: str) -> str:
    return f"{rule.path}.names[{rule.names.index(name)}]"


def _nearest(name: str) -> str:
    near = difflib.get_close_matches(name[:60], syscall_names.KNOWN, n=1, cutoff=0.75)
    return (
        f"Did you mean {near[0]}?"
        if near
        else "Drop it, unless your kernels are newer than Linux 7.0."
    )


def _missing_on_arm64(profile: SeccompProfile) -> Iterator[Finding]:
    if not _X86.isdisjoint(profile.architectures) and _ARM.isdisjoint(profile.architectures):
        return
    named = {name for rule in profile.rules for name in rule.names}
    absent = sorted((named & syscall_names.X86_64) - syscall_names.ARM64)
    if absent:
        yield _found(
            profile,
            "absent-on-arm64",
            Severity.INFO,
            "$.syscalls",
            f"arm64 has no {listed(absent)}: programs use newer calls there.",
            "Name the newer calls too: openat, newfstatat, ppoll and so on.",
        )


def _old_calls(profile: SeccompProfile) -> Iterator[Finding]:
    for name, newer in _REPLACED.items():
        allowing = [rule for rule in profile.rules_for(name) if rule.action not in REFUSING]
        if allowing and all(profile.refuses(each) for each in newer):
            yield _found(
                profile,
                "old-call-alone",
                Severity.WARNING,
                _place(allowing[0], name),
                f"{name} is allowed, but not {' or '.join(newer)}, which libc calls today; "
                f"on arm64 there is no {name} at all.",
                f"Allow {' and '.join(newer)} too.",
            )


def _architectures(profile: SeccompProfile) -> Iterator[Finding]:
    named = set(profile.architectures)
    missing = sorted({"SCMP_ARCH_X86", "SCMP_ARCH_X32"} - named)
    if "SCMP_ARCH_X86_64" in named and missing:
        yield _found(
            profile,
            "compat-missing",
            Severity.WARNING,
            "$.architectures",
            f"Beside SCMP_ARCH_X86_64 there is no {' and no '.join(missing)}: a program of that kind is killed "
            "at its first call.",
            "Add them, or keep it so on purpose: it is the stricter choice.",
        )
    known = named & (_X86 | _ARM)
    if known and (known <= _X86 or known <= _ARM):
        other = "arm64" if known <= _X86 else "x86-64"
        yield _found(
            profile,
            "one-family",
            Severity.WARNING,
            "$.architectures",
            f"The profile is written for one family of processors; on {other} nodes its rules meet other calls.",
            "Name both families where your nodes are mixed, and try it on both.",
        )


def _clone(profile: SeccompProfile) -> Iterator[Finding]:
    clone = profile.rules_for("clone")
    filtered = any(rule.conditions for rule in clone)
    if not clone or (profile.refuses("clone") and not filtered):
        return
    answers = {(rule.action, rule.errno) for rule in profile.rules_for("clone3")}
    if not answers:
        answers = {(profile.default_action, profile.default_errno)}
    if (ERRNO, ENOSYS) in answers:
        return
    if filtered and ALLOW in {action for action, _ in answers}:
        what = "clone is allowed for some flags only, but clone3 takes the same flags and is allowed for all."
    elif all(action in REFUSING for action, _ in answers):
        what = "clone3 is refused with another error than ENOSYS: libc does not fall back to clone, and threads fail."
    else:
        return
    yield _found(
        profile,
        "clone3-not-enosys",
        Severity.INFO,
        clone[0].path,
        what,
        "Add a rule for clone3 with SCMP_ACT_ERRNO and errnoRet 38.",
    )


def _duplicates(profile: SeccompProfile) -> Iterator[Finding]:
    actions: dict[str, dict[str, str]] = defaultdict(dict)
    for rule in profile.rules:
        if not rule.conditions:
            for name in rule.names:
                actions[name].setdefault(rule.action, rule.path)
    for name, found in sorted(actions.items()):
        if len(found) > 1:
            path = list(found.values())[-1]
            yield _found(
                profile,
                "different-actions",
                Severity.WARNING,
                path,
                f"{name[:40]} has several actions: {listed(found)}. Which one holds is not specified.",
                "Keep one of the rules.",
            )
