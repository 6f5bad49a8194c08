"""Custom profiles as objects of the Security Profiles Operator, and texts out of its objects again."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from policies.domain.controls import Mechanism
from policies.domain.profiles.apparmor_abstract import NotExportable, abstract_of
from policies.domain.profiles.findings import Answer, Question, Severity
from policies.domain.profiles.seccomp import check_seccomp
from policies.domain.profiles.seccomp_rules import ARCHITECTURES, NATIVE

GROUP = "security-profiles-operator.x-k8s.io"
SECCOMP_VERSIONS = ("v1", "v1beta1")
APPARMOR_VERSIONS = ("v1", "v1alpha1")
MAX_BYTES = 512 * 1024

_OCI_KEYS = (
    "defaultAction",
    "architectures",
    "flags",
    "listenerPath",
    "listenerMetadata",
    "syscalls",
)
_RULE_KEYS = ("names", "action", "errnoRet", "args")
_OPERATOR = "Security Profiles Operator"
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class Export:
    """One object as YAML, and what it does not hold of the profile."""

    kind: str
    text: str
    lost: tuple[str, ...]
    changed: tuple[str, ...] = ()


def export(mechanism: Mechanism, name: str, text: str, version: str = "v1") -> Export:
    """Write a profile as an object of the operator. Raises NotExportable with a sentence."""
    if mechanism is Mechanism.SECCOMP:
        return _seccomp(name, text, version)
    return _apparmor(name, text, version)


def _seccomp(name: str, text: str, version: str) -> Export:
    check = check_seccomp(text)
    if check.answer(Question.VALID) is Answer.NO:
        raise NotExportable("The profile is not valid by OCI; mend it first.")
    for finding in check.findings:
        refused = any(e.runtime == _OPERATOR and "refuses" in e.what for e in finding.effects)
        if refused or (
            finding.question is Question.PORTABLE and finding.severity is Severity.ERROR
        ):
            raise NotExportable(f"{finding.what} {finding.fix}")
    root = json.loads(text)
    spec = {key: root[key] for key in _OCI_KEYS if root.get(key)}
    lost = list(_lost(root))
    if "syscalls" in spec:
        spec["syscalls"] = [
            {key: rule[key] for key in _RULE_KEYS if rule.get(key)} for rule in spec["syscalls"]
        ]
    return Export("SeccompProfile", _object("SeccompProfile", name, version, spec), tuple(lost))


def _lost(root: dict[str, Any]) -> Iterator[str]:
    if root.get("defaultErrnoRet") not in {None, 1}:
        yield f"defaultErrnoRet {root['defaultErrnoRet']}: refused calls answer with EPERM"
    for key in sorted(root.keys() - {*_OCI_KEYS, "defaultErrnoRet"}):
        yield f"the key {key}"
    for index, rule in enumerate(root.get("syscalls", [])):
        if rule.get("errnoRet") == 0:
            yield f"rule {index + 1}: errnoRet 0 counts as unset there: the calls answer with EPERM"
        for key in sorted(rule.keys() - set(_RULE_KEYS)):
            yield f"rule {index + 1}: the key {key}"


def _apparmor(name: str, text: str, version: str) -> Export:
    found = abstract_of(text)
    spec: dict[str, Any] = {"abstract": found.abstract}
    if version == "v1":
        spec["mode"] = found.mode
    elif found.mode == "Complain":
        spec["complainMode"] = True
    written = _object("AppArmorProfile", name, version, spec)
    return Export("AppArmorProfile", written, found.lost, found.changed)


def _object(kind: str, name: str, version: str, spec: dict[str, Any]) -> str:
    return yaml_text(
        {
            "apiVersion": f"{GROUP}/{version}",
            "kind": kind,
            "metadata": {"name": name},
            "spec": spec,
        }
    )


def yaml_text(*objects: dict[str, Any]) -> str:
    """Write objects as one YAML text, keys in the order given."""
    text: str = yaml.safe_dump_all(objects, sort_keys=False, width=1000)
    return text


class NotImportable(ValueError):
    """This is no profile that the operator recorded, or not a whole one."""


@dataclass(frozen=True, slots=True)
class Imported:
    """One recorded profile as a text, and what to know about it."""

    mechanism: Mechanism
    name: str
    text: str
    notes: tuple[str, ...]


def read_recorded(text: str) -> tuple[Imported, ...]:
    """Read SeccompProfile and AppArmorProfile objects, as YAML or JSON, alone or in lists. Raises NotImportable."""
    if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise NotImportable("The text is larger than 512 KiB; import one object at a time.")
    try:
        documents = [
            each for each in yaml.load_all(text, Loader=_WithoutAliases) if each is not None
        ]
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise NotImportable(f"The text is neither YAML nor JSON: {_place(error)}.") from None
    found = tuple(_imported(each) for document in documents for each in _items(document))
    if not found:
        raise NotImportable("No object stands in this text.")
    return found


class _WithoutAliases(yaml.SafeLoader):
    """Refuses aliases: a few bytes of them can stand for gigabytes."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases are not taken")
        return super().compose_node(parent, index)


def _place(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error)
    return f"line {mark.line + 1}, column {mark.column + 1}: {problem}" if mark else str(problem)


def _items(document: Any) -> Iterator[dict[str, Any]]:
    if not isinstance(document, dict):
        raise NotImportable("An object was expected, with apiVersion and kind.")
    if str(document.get("kind", "")).endswith("List"):
        items = document.get("items")
        for item in items if isinstance(items, list) else ():
            if isinstance(item, dict):
                kind = str(document["kind"]).removesuffix("List")
                yield {"apiVersion": document.get("apiVersion"), "kind": kind, **item}
    else:
        yield document


def _imported(manifest: dict[str, Any]) -> Imported:
    kind = manifest.get("kind")
    metadata = _mapping(manifest.get("metadata"))
    name = str(metadata.get("name", ""))
    if not str(manifest.get("apiVersion", "")).startswith(f"{GROUP}/"):
        raise NotImportable(f"{kind or 'This'} is no object of the {_OPERATOR}.")
    if len(name) > 63 or not _NAME.fullmatch(name):
        raise NotImportable(f"“{name[:80]}” is no name that a profile here can have.")
    if "spo.x-k8s.io/partial" in _mapping(metadata.get("labels")):
        raise NotImportable(
            f"{name} is the partial recording of one container; it is never installed. "
            "Delete the ProfileRecording, so that the operator merges the parts, and import the result."
        )
    spec = _mapping(manifest.get("spec"))
    if kind == "SeccompProfile":
        return Imported(Mechanism.SECCOMP, name, _seccomp_text(spec), tuple(_seccomp_notes(spec)))
    if kind == "AppArmorProfile":
        return Imported(Mechanism.APPARMOR, name, _apparmor_text(name, spec), _APPARMOR_NOTES)
    raise NotImportable(f"A {kind} is neither a SeccompProfile nor an AppArmorProfile.")


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _seccomp_text(spec: dict[str, Any]) -> str:
    if not spec.get("defaultAction"):
        raise NotImportable("The object has no spec.defaultAction.")
    kept = {key: spec[key] for key in _OCI_KEYS if key in spec}
    named = kept.get("architectures")
    if isinstance(named, list):
        kept["architectures"] = [each for each in named if each in ARCHITECTURES]
    try:
        return json.dumps(kept, indent=2, ensure_ascii=False) + "\n"
    except (TypeError, ValueError):
        raise NotImportable("The object holds values that JSON cannot write.") from None


def _seccomp_notes(spec: dict[str, Any]) -> Iterator[str]:
    if spec.get("baseProfileName"):
        yield f"Its base profile {spec['baseProfileName']} is not in it: what that allows is missing here."
    named = spec.get("architectures")
    if isinstance(named, list) and NATIVE in named:
        yield "SCMP_ARCH_NATIVE is left out: runc does not know the word, and always covers the node's own."
    if spec.get("state") == "Disabled" or spec.get("disabled") is True:
        yield "It is switched off on the cluster."


_APPARMOR_NOTES = (
    "The operator adds deny rules for /proc and /sys when it loads the object; the text here has only the grants.",
)
_FLAGS = "attach_disconnected,mediate_deleted"


def _apparmor_text(name: str, spec: dict[str, Any]) -> str:
    abstract = _mapping(spec.get("abstract"))
    is_loose = spec.get("mode") == "Complain" or spec.get("complainMode") is True
    flags = f"complain,{_FLAGS}" if is_loose else _FLAGS
    rules = [*_executable(abstract), *_filesystem(abstract), *_access(abstract)]
    body = "".join(f"  {rule},\n" for rule in rules)
    return (
        "#include <tunables/global>\n\n"
        f"profile {name} flags=({flags}) {{\n  #include <abstractions/base>\n{body}}}\n"
    )


def _executable(abstract: dict[str, Any]) -> Iterator[str]:
    section = _mapping(abstract.get("executable"))
    yield from _paths(section, "allowedExecutables", "rix")
    yield from _paths(section, "allowedLibraries", "mr")


def _filesystem(abstract: dict[str, Any]) -> Iterator[str]:
    section = _mapping(abstract.get("filesystem"))
    yield from _paths(section, "readOnlyPaths", "r")
    yield from _paths(section, "writeOnlyPaths", "wlk")
    yield from _paths(section, "readWritePaths", "rwlk")


def _paths(section: dict[str, Any], key: str, perms: str) -> Iterator[str]:
    for path in _texts(section.get(key)):
        if path.startswith("ptrace"):
            yield path.split(",")[0]
        else:
            yield f'"{path}" {perms}' if " " in path else f"{path} {perms}"


def _access(abstract: dict[str, Any]) -> Iterator[str]:
    network = _mapping(abstract.get("network"))
    protocols = _mapping(network.get("allowedProtocols"))
    for allowed, rule in (
        (protocols.get("allowTcp"), "network tcp"),
        (protocols.get("allowUdp"), "network udp"),
        (network.get("allowRaw"), "network raw"),
    ):
        if allowed is True:
            yield rule
    for word in _texts(_mapping(abstract.get("capability")).get("allowedCapabilities")):
        yield f"capability {word.lower().removeprefix('cap_')}"
    ptrace = _mapping(abstract.get("ptrace"))
    accesses = _texts(ptrace.get("allowedAccess"))
    if accesses:
        peer = ptrace.get("peer")
        yield f"ptrace ({', '.join(accesses)})" + (f" peer={peer}" if isinstance(peer, str) else "")


def _texts(value: Any) -> list[str]:
    texts = value if isinstance(value, list) else []
    for each in texts:
        if not isinstance(each, str) or not each.isprintable() or '"' in each:
            raise NotImportable("A rule of the object is not a plain text.")
    return list(texts)
