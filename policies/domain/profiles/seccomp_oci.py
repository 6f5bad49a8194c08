"""Whether a document is a seccomp profile by the OCI runtime specification: every rule of its schema, and no more."""

from collections.abc import Iterator
from typing import Any

from policies.domain.profiles.findings import Finding, Question, Severity, listed
from policies.domain.profiles.json_text import JsonText
from policies.domain.profiles.seccomp_rules import (
    ACTIONS,
    ARCHITECTURES,
    FLAGS,
    NATIVE,
    OPERATORS,
    items,
)

UINT32, UINT64 = 2**32 - 1, 2**64 - 1
_NEEDED_OF_ARG = ("index", "value", "op")


def oci_findings(document: JsonText) -> Iterator[Finding]:
    """Find what breaks the specification, in the order of the document."""
    if not isinstance(document.value, dict):
        yield _broken(
            document, "not-an-object", "$", "A profile is a JSON object.", "Start with {."
        )
        return
    for path in document.twice:
        yield _twice(document, path)
    yield from _top(document, document.value)
    for index, rule in enumerate(items(document.value.get("syscalls"))):
        yield from _rule(document, rule, f"$.syscalls[{index}]")


def _broken(document: JsonText, id_: str, path: str, what: str, fix: str) -> Finding:
    line = document.line(path)
    return Finding(id_, Question.VALID, Severity.ERROR, what, fix, path, line)


def _twice(document: JsonText, path: str) -> Finding:
    what = "This key stands here twice. Parsers take the last one without a word."
    line = document.line(path)
    fix = "Keep one of them."
    return Finding("duplicate-key", Question.VALID, Severity.WARNING, what, fix, path, line)


def _top(document: JsonText, root: dict[str, Any]) -> Iterator[Finding]:
    yield from _choice(document, root, "$", "defaultAction", ACTIONS, needed=True)
    yield from _integer(document, root, "$", "defaultErrnoRet", UINT32)
    yield from _choices(document, root, "architectures", ARCHITECTURES)
    yield from _choices(document, root, "flags", FLAGS)
    for key in ("listenerPath", "listenerMetadata"):
        if key in root and not isinstance(root[key], str):
            yield _type(document, f"$.{key}", "a text")
    if root.get("listenerMetadata") and not root.get("listenerPath"):
        yield _broken(
            document,
            "metadata-without-listener",
            "$.listenerMetadata",
            "listenerMetadata must not be set without listenerPath.",
            "Set listenerPath too, or drop it.",
        )
    if not isinstance(root.get("syscalls", []), list):
        yield _type(document, "$.syscalls", "a list")


def _rule(document: JsonText, rule: Any, path: str) -> Iterator[Finding]:
    if not isinstance(rule, dict):
        yield _type(document, path, "an object")
        return
    names = rule.get("names")
    if not isinstance(names, list) or not names or not all(isinstance(n, str) for n in names):
        yield _broken(
            document,
            "names-missing",
            path if "names" not in rule else f"{path}.names",
            "A rule needs names: a list of at least one system call.",
            'Write "names": ["…"].',
        )
    yield from _choice(document, rule, path, "action", ACTIONS, needed=True)
    yield from _integer(document, rule, path, "errnoRet", UINT32)
    if not isinstance(rule.get("args", []), list):
        yield _type(document, f"{path}.args", "a list")
    for index, arg in enumerate(items(rule.get("args"))):
        yield from _arg(document, arg, f"{path}.args[{index}]")


def _arg(document: JsonText, arg: Any, path: str) -> Iterator[Finding]:
    if not isinstance(arg, dict):
        yield _type(document, path, "an object")
        return
    missing = [key for key in _NEEDED_OF_ARG if key not in arg]
    if missing:
        what = f"A condition needs {listed(missing)}."
        yield _broken(document, "condition-incomplete", path, what, "Add what is missing.")
    yield from _integer(document, arg, path, "index", UINT32)
    yield from _integer(document, arg, path, "value", UINT64)
    yield from _integer(document, arg, path, "valueTwo", UINT64)
    yield from _choice(document, arg, path, "op", OPERATORS)
    index = arg.get("index")
    if isinstance(index, int) and not isinstance(index, bool) and index > 5:
        what = f"A system call has six arguments, 0 to 5; there is no argument {index}."
        yield _broken(document, "argument-index", f"{path}.index", what, "Use 0 to 5.")


def _choice(
    document: JsonText,
    owner: dict[str, Any],
    path: str,
    key: str,
    allowed: frozenset[str],
    *,
    needed: bool = False,
) -> Iterator[Finding]:
    value = owner.get(key)
    inner = f"{path}.{key}"
    if key not in owner:
        if needed:
            what = f"{key} is missing, and it is required."
            yield _broken(document, f"{_dashed(key)}-missing", path, what, f'Set "{key}".')
    elif not isinstance(value, str):
        yield _type(document, inner, "a text")
    elif value not in allowed:
        yield _unknown(document, inner, value, allowed)


def _choices(
    document: JsonText, root: dict[str, Any], key: str, allowed: frozenset[str]
) -> Iterator[Finding]:
    if not isinstance(root.get(key, []), list):
        yield _type(document, f"$.{key}", "a list")
    for index, value in enumerate(items(root.get(key))):
        path = f"$.{key}[{index}]"
        if not isinstance(value, str):
            yield _type(document, path, "a text")
        elif value not in allowed:
            yield _unknown(document, path, value, allowed)


def _unknown(document: JsonText, path: str, value: str, allowed: frozenset[str]) -> Finding:
    shown = value if len(value) <= 60 else f"{value[:60]}…"
    what = f"“{shown}” is no word of the specification."
    if value == NATIVE:
        fix = "Drop it: the architecture of the node is always covered."
    else:
        fix = f"Use one of {listed(sorted(allowed), 30)}."
    return _broken(document, "unknown-word", path, what, fix)


def _integer(
    document: JsonText, owner: dict[str, Any], path: str, key: str, top: int
) -> Iterator[Finding]:
    if key not in owner:
        return
    value = owner[key]
    whole = isinstance(value, int) and not isinstance(value, bool)
    if not whole or not 0 <= value <= top:
        yield _type(document, f"{path}.{key}", f"a whole number from 0 to {top}")


def _type(document: JsonText, path: str, wanted: str) -> Finding:
    what = f"This has to be {wanted}."
    return _broken(document, "wrong-type", path, what, f"Write {wanted}.")


def _dashed(key: str) -> str:
    return "default-action" if key == "defaultAction" else key
