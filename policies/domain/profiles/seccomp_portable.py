"""What containerd and CRI-O make of a seccomp document, where it differs: keys of Docker, runc's limits, the operator's schema.

containerd reads a Localhost file as plain OCI and drops what it does not know. CRI-O reads the same file with the
decoder of containers/common, which honours most of Docker's keys. Both hand the result to the low-level runtime.
"""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from policies.domain.profiles.findings import Effect, Finding, Question, Severity, listed
from policies.domain.profiles.json_text import JsonText
from policies.domain.profiles.seccomp_rules import (
    ERRNO,
    NATIVE,
    NOTIFY,
    Rule,
    SeccompProfile,
    items,
)

CONTAINERD, CRIO, RUNC, OPERATOR = "containerd", "CRI-O", "runc", "Security Profiles Operator"

_OCI_TOP = frozenset(
    [
        "defaultAction",
        "defaultErrnoRet",
        "architectures",
        "flags",
        "listenerPath",
        "listenerMetadata",
        "syscalls",
    ]
)
_OCI_RULE = frozenset({"names", "action", "errnoRet", "args"})
_OCI_ARG = frozenset({"index", "value", "valueTwo", "op"})
_DROPPED = Effect(CONTAINERD, "drops the key without a word")

_DOCKER_TOP = {
    "archMap": (
        "covers only the architecture of the node: 32-bit programs are killed at their first call",
        "adds the listed architectures",
    ),
    "defaultErrno": (
        "drops it: refused calls answer with EPERM",
        "answers refused calls with the named error",
    ),
}
_DOCKER_RULE = {
    "includes": (
        "drops the condition: the rule holds for every container, whatever its capabilities",
        "applies the rule only where architecture and capabilities fit; it knows no minKernel",
    ),
    "excludes": (
        "drops the condition: the rule holds for every container, whatever its capabilities",
        "leaves the rule out where architecture or capabilities fit",
    ),
    "name": (
        "drops the name: a rule without names vanishes",
        "takes it as the one name of the rule",
    ),
    "errno": (
        "drops it: the rule answers with EPERM",
        "answers with the named error",
    ),
}
_RUNC_LACKS = frozenset(
    f"SCMP_ARCH_{name}" for name in ["PARISC", "PARISC64", "M68K", "SH", "SHEB"]
)
_OPERATOR_LACKS = frozenset(f"SCMP_ARCH_{name}" for name in ["LOONGARCH64", "M68K", "SH", "SHEB"])
_OPERATOR_LISTENER = re.compile(r"/var/run/security-profiles-operator/[a-zA-Z0-9_\-.]+")
_MAX_ERRNO = 4095


def portable_findings(profile: SeccompProfile) -> Iterator[Finding]:
    """Find what a runtime refuses, drops or reads in its own way."""
    yield from _keys(profile.document)
    yield from _architectures(profile)
    yield from _flags(profile)
    yield from _notify(profile)
    for rule in profile.rules:
        yield from _rule(profile, rule)
    yield from _listener(profile)


def _found(
    document: JsonText,
    id_: str,
    severity: Severity,
    path: str,
    what: str,
    fix: str,
    *effects: Effect,
) -> Finding:
    line = document.line(path)
    return Finding(id_, Question.PORTABLE, severity, what, fix, path, line, effects)


def _keys(document: JsonText) -> Iterator[Finding]:
    root = document.value
    yield from _docker(document, root, "$", _DOCKER_TOP)
    yield from _foreign(document, root, "$", _OCI_TOP | _DOCKER_TOP.keys())
    if "archMap" in root and root.get("architectures"):
        yield _found(
            document,
            "archmap-and-architectures",
            Severity.ERROR,
            "$.archMap",
            "archMap and architectures stand together.",
            "Keep architectures and drop archMap.",
            Effect(CONTAINERD, "uses architectures"),
            Effect(CRIO, "refuses the profile: the container does not start"),
        )
    for index, rule in enumerate(items(root.get("syscalls"))):
        if isinstance(rule, dict):
            yield from _rule_keys(document, rule, f"$.syscalls[{index}]")


def _rule_keys(document: JsonText, rule: dict[str, Any], path: str) -> Iterator[Finding]:
    yield from _docker(document, rule, path, _DOCKER_RULE)
    yield from _foreign(document, rule, path, _OCI_RULE | _DOCKER_RULE.keys())
    if rule.get("name") and rule.get("names"):
        yield _found(
            document,
            "name-and-names",
            Severity.ERROR,
            f"{path}.name",
            "name and names stand in one rule.",
            "Move the name into names.",
            Effect(CONTAINERD, "uses names"),
            Effect(CRIO, "refuses the profile: the container does not start"),
        )
    for index, arg in enumerate(items(rule.get("args"))):
        if isinstance(arg, dict):
            yield from _foreign(document, arg, f"{path}.args[{index}]", _OCI_ARG)


def _docker(
    document: JsonText, owner: dict[str, Any], path: str, known: dict[str, tuple[str, str]]
) -> Iterator[Finding]:
    for key, (containerd, crio) in known.items():
        # Docker writes empty conditions everywhere; they change nothing.
        if key in owner and owner[key] not in ({}, [], "", None):
            yield _found(
                document,
                "docker-key",
                Severity.ERROR,
                f"{path}.{key}",
                f"{key} is a key of Docker, not of OCI: the runtimes disagree about it.",
                "Write the profile out for your nodes, in the words of OCI alone.",
                Effect(CONTAINERD, containerd),
                Effect(CRIO, crio),
            )


def _foreign(
    document: JsonText, owner: dict[str, Any], path: str, known: frozenset[str]
) -> Iterator[Finding]:
    for key in owner.keys() - known:
        is_comment = key in {"comment", "comments"}
        yield _found(
            document,
            "comment-key" if is_comment else "unknown-key",
            Severity.INFO if is_comment else Severity.WARNING,
            f"{path}.{key}",
            f"No runtime reads the key “{key[:40]}”.",
            "Keep notes beside the profile." if is_comment else "Check its spelling, or drop it.",
            _DROPPED,
            Effect(CRIO, "drops the key without a word"),
        )


def _architectures(profile: SeccompProfile) -> Iterator[Finding]:
    for index, name in enumerate(profile.architectures):
        path = f"$.architectures[{index}]"
        if name == NATIVE:
            effect = Effect(OPERATOR, "accepts the word")
        elif name in _RUNC_LACKS:
            effect = Effect(OPERATOR, _operator_word(name))
        elif name in _OPERATOR_LACKS:
            yield _found(
                profile.document,
                "architecture-unknown-to-operator",
                Severity.WARNING,
                path,
                f"The operator's schema has no {name}.",
                "Drop it where the operator installs the profile.",
                Effect(OPERATOR, _operator_word(name)),
            )
            continue
        else:
            continue
        yield _found(
            profile.document,
            "architecture-unknown-to-runc",
            Severity.ERROR,
            path,
            f"runc knows no {name}.",
            "Drop it: the architecture of the node is always covered.",
            Effect(RUNC, "refuses the profile: the container does not start"),
            effect,
        )


def _operator_word(name: str) -> str:
    return "refuses the object" if name in _OPERATOR_LACKS else "accepts the word"


def _flags(profile: SeccompProfile) -> Iterator[Finding]:
    for index, flag in enumerate(profile.flags):
        if flag == "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV":
            yield _found(
                profile.document,
                "flag-needs-kernel",
                Severity.WARNING,
                f"$.flags[{index}]",
                "This flag needs Linux 5.19 and libseccomp 2.6 on every node.",
                "Drop it unless an agent answers NOTIFY on new nodes only.",
                Effect(RUNC, "refuses the profile where kernel or libseccomp lack the flag"),
            )


def _notify(profile: SeccompProfile) -> Iterator[Finding]:
    if profile.default_action == NOTIFY:
        yield _found(
            profile.document,
            "notify-as-default",
            Severity.ERROR,
            "$.defaultAction",
            "NOTIFY cannot be the default action.",
            "Name the calls that an agent decides on, and refuse the rest.",
            Effect(RUNC, "refuses the profile: the container does not start"),
            Effect(OPERATOR, "refuses the object"),
        )
    rules = [rule for rule in profile.rules if rule.action == NOTIFY]
    for rule in rules:
        if "write" in rule.names:
            yield _found(
                profile.document,
                "notify-on-write",
                Severity.ERROR,
                rule.path,
                "NOTIFY on write would stop the runtime itself, which writes while it hands over.",
                "Take write out of this rule.",
                Effect(RUNC, "refuses the profile: the container does not start"),
            )
    if rules:
        yield _found(
            profile.document,
            "notify-needs-agent",
            Severity.WARNING,
            rules[0].path,
            "NOTIFY needs an agent on every node, libseccomp 2.5 and Linux 5.7.",
            "Use it only where that agent runs, and set listenerPath.",
            Effect(RUNC, "refuses the profile where the agent's socket does not answer"),
        )


def _rule(profile: SeccompProfile, rule: Rule) -> Iterator[Finding]:
    document = profile.document
    if "" in rule.names:
        yield _found(
            document,
            "empty-name",
            Severity.ERROR,
            f"{rule.path}.names",
            "A name of a system call is empty.",
            "Drop it.",
            Effect(RUNC, "refuses the profile: the container does not start"),
        )
    if rule.action and rule.action == profile.default_action and _same_errno(profile, rule):
        yield _found(
            document,
            "rule-like-default",
            Severity.INFO,
            rule.path,
            "This rule does what the default does.",
            "Drop it.",
            Effect(RUNC, "leaves it out"),
        )
    indexes = Counter(arg.get("index") for arg in rule.conditions if _is_index(arg.get("index")))
    for index, count in indexes.items():
        if count > 1:
            yield _found(
                document,
                "conditions-become-or",
                Severity.WARNING,
                f"{rule.path}.args",
                f"Argument {index} has {count} conditions. They read like “and”.",
                "Write one condition for each argument; MASKED_EQ tests several bits at once.",
                Effect(RUNC, "makes rules of their own of them: one that holds is enough"),
            )
    yield from _rule_for_operator(document, rule)


def _is_index(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _same_errno(profile: SeccompProfile, rule: Rule) -> bool:
    return rule.action != ERRNO or (rule.errno or 1) == (profile.default_errno or 1)


def _rule_for_operator(document: JsonText, rule: Rule) -> Iterator[Finding]:
    refused = Effect(OPERATOR, "refuses the object")
    twice = [name for name, count in Counter(rule.names).items() if count > 1]
    if twice:
        yield _found(
            document,
            "name-twice-in-rule",
            Severity.WARNING,
            f"{rule.path}.names",
            f"This rule names {listed(twice)} twice.",
            "Keep one.",
            Effect(RUNC, "does not mind"),
            refused,
        )
    if len(rule.conditions) > 6:
        what = "A rule has more than six conditions."
        path = f"{rule.path}.args"
        fix = "A call has six arguments; write one condition for each."
        yield _found(document, "many-conditions", Severity.WARNING, path, what, fix, refused)
    if (rule.errno or 0) > _MAX_ERRNO:
        path = f"{rule.path}.errnoRet"
        what = f"The kernel knows errors up to {_MAX_ERRNO}; it answers with that one instead."
        yield _found(
            document,
            "errno-too-large",
            Severity.WARNING,
            path,
            what,
            "Use an error that exists.",
            refused,
        )


def _listener(profile: SeccompProfile) -> Iterator[Finding]:
    root = profile.document.value
    path = root.get("listenerPath")
    if isinstance(path, str) and path and not _OPERATOR_LISTENER.fullmatch(path):
        yield _found(
            profile.document,
            "listener-outside-operator",
            Severity.WARNING,
            "$.listenerPath",
            "The operator takes only sockets below /var/run/security-profiles-operator/.",
            "Put the agent's socket there where the operator installs the profile.",
            Effect(OPERATOR, "refuses the object"),
        )
