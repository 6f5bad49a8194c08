"""Reads one PolicyException as a cluster shows it, of either group, ours or somebody else's, however odd it is.

Where it cannot be said how far an exception reaches, it is not said; nothing unknown is taken for narrow.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from policies.domain.exceptions.compile import EXCEPTION_LABEL
from policies.domain.exceptions.records import ExceptionKind, ObservedExceptionRecord
from policies.domain.library.labels import MANAGED_BY_LABEL, MANAGER, VARIANT_LABEL

Manifest = Mapping[str, Any]

_NARROWING = ("namespaces", "names", "name", "selector", "namespaceSelector", "annotations")
_KEY = re.compile(r"[0-9a-f]{12}")
_ONE_NAMESPACE = re.compile(
    r"\s*(?:request\.namespace|object\.metadata\.namespace)\s*==\s*(?:'([^'\\]*)'|\"([^\"\\]*)\")\s*"
)
_NAMESPACES = re.compile(
    r"\s*(?:request\.namespace|object\.metadata\.namespace)\s+in\s+\[([^\[\]]*)\]\s*"
)
_QUOTED = re.compile(r"'([^'\\]*)'|\"([^\"\\]*)\"")
_PRIORITY_LABEL = "polex.kyverno.io/priority"
"""Decides which of several exceptions has the last word in reports."""


def exception_digest(manifest: Manifest) -> str:
    """Hash what decides whom an exception exempts from what, as sha256 in hexadecimal.

    The group counts, its version does not. Labels and annotations that only tell where it comes from do not count, our
    own key does: an object without it is not ours any more.
    """
    metadata = _mapping(manifest.get("metadata"))
    labels = _mapping(metadata.get("labels"))
    content = {
        "group": str(manifest.get("apiVersion", "")).partition("/")[0],
        "namespace": metadata.get("namespace"),
        "name": metadata.get("name"),
        "labels": {
            key: labels[key]
            for key in (EXCEPTION_LABEL, MANAGED_BY_LABEL, _PRIORITY_LABEL, VARIANT_LABEL)
            if key in labels
        },
        "spec": manifest.get("spec"),
    }
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def read_exception(manifest: Manifest) -> ObservedExceptionRecord:
    """Read an exception.

    Raises:
        ValueError: it is of neither group.
    """
    api_version = str(manifest.get("apiVersion", ""))
    group = ExceptionKind(api_version.partition("/")[0])
    metadata = _mapping(manifest.get("metadata"))
    spec = _mapping(manifest.get("spec"))
    labels = _mapping(metadata.get("labels"))
    is_kyverno = group is ExceptionKind.KYVERNO
    key = str(labels.get(EXCEPTION_LABEL, ""))
    ours = labels.get(MANAGED_BY_LABEL) == MANAGER and _KEY.fullmatch(key) is not None
    return ObservedExceptionRecord(
        group=group,
        api_version=api_version,
        namespace=str(metadata.get("namespace", "")),
        name=str(metadata.get("name", "")),
        uid=str(metadata.get("uid", "")),
        resource_version=str(metadata.get("resourceVersion", "")),
        digest=exception_digest(manifest),
        policies=_policies(spec),
        rules=_rules(spec),
        has_conditions=_narrows(spec) if is_kyverno else bool(_expressions(spec)),
        reaches=_matched(spec) if is_kyverno else _named(spec),
        expires_at=_time(spec.get("expiresAt")),
        exception_key=key if ours else "",
        variant=str(labels.get(VARIANT_LABEL, "")) if ours else "",
    )


def _policies(spec: Manifest) -> tuple[str, ...]:
    named = [entry.get("policyName") for entry in _mappings(spec.get("exceptions"))]
    named += [entry.get("name") for entry in _mappings(spec.get("policyRefs"))]
    return tuple(sorted({name for name in named if isinstance(name, str)}))


def _rules(spec: Manifest) -> tuple[str, ...]:
    return tuple(
        sorted(
            {
                rule
                for entry in _mappings(spec.get("exceptions"))
                for rule in _texts(entry.get("ruleNames"))
            }
        )
    )


# kyverno.io: `any` and `all` of `match` hold filters; one that is empty matches nothing


def _filters(spec: Manifest) -> tuple[list[Manifest], bool]:
    """Give the filters, and whether all of them must match."""
    match = _mapping(spec.get("match"))
    any_of = _mappings(match.get("any"))
    return (any_of, False) if any_of else (_mappings(match.get("all")), True)


def _narrows(spec: Manifest) -> bool:
    conditions = _mapping(spec.get("conditions"))
    if _list(conditions.get("any")) or _list(conditions.get("all")):
        return True
    filters, need_all = _filters(spec)
    narrow = [
        any(_mapping(f.get("resources")).get(field) for field in _NARROWING)
        or any(f.get(field) for field in ("subjects", "roles", "clusterRoles"))
        for f in filters
    ]
    return any(narrow) if need_all else bool(narrow) and all(narrow)


def _matched(spec: Manifest) -> tuple[str, ...] | None:
    filters, need_all = _filters(spec)
    listed = [_texts(_mapping(f.get("resources")).get("namespaces")) for f in filters]
    literal = [names for names in listed if names and not any(map(_is_pattern, names))]
    if need_all:
        return tuple(sorted(set.intersection(*map(set, literal)))) if literal else None
    if not literal or len(literal) < len(filters):
        return None
    return tuple(sorted(set().union(*literal)))


def _is_pattern(name: str) -> bool:
    return "*" in name or "?" in name


# policies.kyverno.io: every condition must hold


def _expressions(spec: Manifest) -> list[str]:
    entries = _mappings(spec.get("matchConditions"))
    return [entry["expression"] for entry in entries if isinstance(entry.get("expression"), str)]


def _named(spec: Manifest) -> tuple[str, ...] | None:
    found = [names for names in map(_namespaces, _expressions(spec)) if names is not None]
    return tuple(sorted(set.intersection(*found))) if found else None


def _namespaces(expression: str) -> set[str] | None:
    if one := _ONE_NAMESPACE.fullmatch(expression):
        return {one[1] or one[2] or ""}
    if several := _NAMESPACES.fullmatch(expression):
        return {single or double for single, double in _QUOTED.findall(several[1])}
    return None


def _time(text: object) -> datetime | None:
    if not isinstance(text, str):
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo else None


def _mapping(value: object) -> Manifest:
    return value if isinstance(value, Mapping) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _mappings(value: object) -> list[Manifest]:
    return [item for item in _list(value) if isinstance(item, Mapping)]


def _texts(value: object) -> list[str]:
    return [item for item in _list(value) if isinstance(item, str)]
