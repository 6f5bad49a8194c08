"""Reads one policy object as a cluster shows it: ours, or one that somebody else wrote.

It never judges whether an object is what we wanted; that is done by comparing digests.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from policies.domain.library.labels import (
    MANAGED_BY_LABEL,
    MANAGER,
    ROLE_LABEL,
    VARIANT_LABEL,
)
from policies.domain.library.native import NAMESPACE_LABEL
from policies.domain.library.records import BINDING_KIND, ObjectRole, Target

Manifest = Mapping[str, Any]

_BEHAVIOUR_LABELS = frozenset(
    {MANAGED_BY_LABEL, VARIANT_LABEL, ROLE_LABEL, "reports.kyverno.io/disabled"}
)
_BEHAVIOUR_ANNOTATIONS = frozenset(
    {"pod-policies.kyverno.io/autogen-controllers", "policies.kyverno.io/scored"}
)
_DENYING = frozenset({ObjectRole.TWIN, ObjectRole.COMPANION})
_NAMESPACE_LIST = re.compile(r"^\s*request\.namespace\s+in\s*\[([^\]]*)\]\s*$")
_QUOTED = re.compile(r"'([^']*)'")


@dataclass(frozen=True, slots=True)
class ObservedPolicy:
    """One policy object, as far as secprof reads it."""

    kind: str
    name: str
    uid: str
    resource_version: str
    digest: str
    variant: str | None
    """None when the object is not ours."""
    role: ObjectRole | None
    enforced: tuple[str, ...]
    """For a twin or companion of ours: where it denies, sorted. Empty for everything else."""
    rules: tuple[str, ...]
    """Of a ClusterPolicy; the validations of the others have no names."""
    ready: bool | None
    """None when the status does not say. Does not refer to the newest edit."""
    denies: bool
    """Whether it can refuse anything anywhere."""
    updated_at: datetime | None
    """When its content was last written, status left out; None when the object does not say."""


def policy_digest(manifest: Manifest) -> str:
    """Hash what decides a policy's behaviour, as sha256 in hexadecimal.

    The group counts, its version does not: the same object may be read through another version. Status,
    times, owners of fields and everything else that the server keeps for itself do not count.
    """
    content = {
        **behaviour_of(manifest),
        "apiVersion": str(manifest.get("apiVersion", "")).partition("/")[0],
    }
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def behaviour_of(manifest: Manifest) -> dict[str, Any]:
    """Give the part of a policy that decides its behaviour, as a manifest: the ground of digests and diffs.

    Two manifests of which one is what the server stored for the other give the same.
    """
    metadata = _mapping(manifest.get("metadata"))
    kept: dict[str, Any] = {"name": metadata.get("name")}
    for key, decisive in (("labels", _BEHAVIOUR_LABELS), ("annotations", _BEHAVIOUR_ANNOTATIONS)):
        if values := _only(metadata.get(key), decisive):
            kept[key] = values
    return {
        "apiVersion": manifest.get("apiVersion"),
        "kind": manifest.get("kind"),
        "metadata": kept,
        "spec": _without_defaults(manifest.get("spec")),
    }


def _without_defaults(spec: object) -> object:
    """Leave out what one version of the API fills in and an older one does not know."""
    if not isinstance(spec, Mapping) or not isinstance(spec.get("rules"), list):
        return spec
    return {**spec, "rules": [_plain_rule(rule) for rule in spec["rules"]]}


def _plain_rule(rule: object) -> object:
    cel = _mapping(_mapping(_mapping(rule).get("validate")).get("cel"))
    if not isinstance(rule, Mapping) or cel.get("generate") is not False:
        return rule
    plain = {key: value for key, value in cel.items() if key != "generate"}
    return {**rule, "validate": {**rule["validate"], "cel": plain}}


def read_policy(manifest: Manifest) -> ObservedPolicy:
    """Read a policy or binding of the kinds that a variant compiles to, whoever wrote it and however odd it is."""
    metadata = _mapping(manifest.get("metadata"))
    labels = _mapping(metadata.get("labels"))
    spec = _mapping(manifest.get("spec"))
    kind = str(manifest.get("kind", ""))
    has_rules = kind == Target.CLUSTER_POLICY
    ours = labels.get(MANAGED_BY_LABEL) == MANAGER and bool(labels.get(VARIANT_LABEL))
    role = _role(labels.get(ROLE_LABEL)) if ours else None
    return ObservedPolicy(
        kind=kind,
        name=str(metadata.get("name", "")),
        uid=str(metadata.get("uid", "")),
        resource_version=str(metadata.get("resourceVersion", "")),
        digest=policy_digest(manifest),
        variant=str(labels[VARIANT_LABEL]) if ours else None,
        role=role,
        enforced=_enforced(spec, role),
        rules=tuple(str(r.get("name", "")) for r in _mappings(spec.get("rules")))
        if has_rules
        else (),
        ready=_ready(_mapping(manifest.get("status"))),
        denies=_rules_deny(spec) if has_rules else _denies(kind, spec),
        updated_at=_updated_at(metadata),
    )


def _role(text: object) -> ObjectRole | None:
    return next((role for role in ObjectRole if role == text), None)


def _enforced(spec: Manifest, role: ObjectRole | None) -> tuple[str, ...]:
    """Take the namespaces that every list in the object agrees on: a hand's edit may have left one behind."""
    if role not in _DENYING:
        return ()
    lists = list(_namespace_lists(spec))
    return tuple(sorted(frozenset.intersection(*lists))) if lists else ()


def _namespace_lists(spec: Manifest) -> Iterator[frozenset[str]]:
    webhook = _mapping(spec.get("webhookConfiguration"))
    for condition in (
        *_mappings(spec.get("matchConditions")),
        *_mappings(webhook.get("matchConditions")),
    ):
        found = _NAMESPACE_LIST.match(str(condition.get("expression", "")))
        if found:
            yield frozenset(_QUOTED.findall(found.group(1)))
    selector = _mapping(_mapping(spec.get("matchResources")).get("namespaceSelector"))
    for wanted in _mappings(selector.get("matchExpressions")):
        if wanted.get("key") == NAMESPACE_LABEL and wanted.get("operator") == "In":
            yield frozenset(map(str, _list(wanted.get("values"))))
    for rule in _mappings(spec.get("rules")):
        for entry in _mappings(_mapping(rule.get("match")).get("any")):
            yield frozenset(map(str, _list(_mapping(entry.get("resources")).get("namespaces"))))


def _denies(kind: str, spec: Manifest) -> bool:
    if kind == Target.NATIVE:
        return False  # its bindings do
    actions = [str(action).lower() for action in _list(spec.get("validationActions"))]
    # Missing or empty, they mean Deny to a ValidatingPolicy; a binding without any does nothing.
    return "deny" in actions or (not actions and kind != BINDING_KIND)


def _rules_deny(spec: Manifest) -> bool:
    if _enforces(spec, "validationFailureAction", "validationFailureActionOverrides"):
        return True
    return any(
        _enforces(_mapping(rule.get("validate")), "failureAction", "failureActionOverrides")
        for rule in _mappings(spec.get("rules"))
    )


def _enforces(holder: Manifest, action: str, overrides: str) -> bool:
    stated = [holder.get(action)]
    stated += [override.get("action") for override in _mappings(holder.get(overrides))]
    return any(str(word).lower() == "enforce" for word in stated)


def _ready(status: Manifest) -> bool | None:
    cel = _mapping(status.get("conditionStatus")).get("ready")
    if isinstance(cel, bool):
        return cel
    for condition in _mappings(status.get("conditions")):
        if condition.get("type") == "Ready":
            return condition.get("status") == "True"
    ready = status.get("ready")
    return ready if isinstance(ready, bool) else None


def _updated_at(metadata: Manifest) -> datetime | None:
    times = [
        entry.get("time")
        for entry in _mappings(metadata.get("managedFields"))
        if not entry.get("subresource")
    ]
    read = [at for at in map(_time, (*times, metadata.get("creationTimestamp"))) if at]
    return max(read, default=None)


def _time(text: object) -> datetime | None:
    if not isinstance(text, str):
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo else None


def _only(values: object, keys: frozenset[str]) -> dict[str, str]:
    return {key: str(value) for key, value in _mapping(values).items() if key in keys}


def _mapping(value: object) -> Manifest:
    return value if isinstance(value, Mapping) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _mappings(value: object) -> list[Manifest]:
    return [item for item in _list(value) if isinstance(item, Mapping)]
