"""What decides, beside policies, whether Kyverno judges a pod: its ConfigMap and its webhooks, as the cluster holds them.

What cannot be read is None, which is unknown: never the default, and never good.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from policies.domain.engines import Component, ControllerSettings, Version
from policies.domain.label_selectors import read_selector
from policies.domain.selectors import Selector
from policies.domain.wildcards import matches, matches_everything

CONFIG_KEYS = (
    "resourceFilters",
    "webhooks",
    "matchConditions",
    "excludeGroups",
    "excludeUsernames",
    "excludeRoles",
    "excludeClusterRoles",
    "updateRequestThreshold",
    "maxContextSize",
)
"""The entries of Kyverno's ConfigMap that are kept, because they decide."""
EVERYTHING = Selector(())
SHARED = "validate.kyverno.svc"
"""How the webhooks of ClusterPolicies are called; a suffix says for which."""
OWN = "-finegrained-"
ABOUT_PODS = frozenset(
    f"{plural}{group}" for plural in ("pods", "*", "*/*") for group in ("", ".*")
)
LONGEST_EXPRESSION = 300

_FILTER = re.compile(r"\[([^\[\]]*)\]")
_API_VERSION = re.compile(r"v\d+((alpha|beta)\d+)?|\*")


@dataclass(frozen=True, slots=True)
class ResourceFilter:
    """One entry of `resourceFilters`, `[kind,namespace,name]`: what Kyverno passes over at admission."""

    text: str
    kind: str
    subresource: str
    namespace: str
    name: str
    api: tuple[str, str] = ("*", "*")
    """Group and version."""

    def covers(
        self,
        kind: str,
        namespace: str,
        name: str,
        *,
        api: tuple[str, str] = ("", "v1"),
        subresource: str = "",
    ) -> bool:
        """Say whether one object is passed over; `api` is its group and version."""
        return (
            matches(self.kind, kind)
            and matches(self.subresource, subresource)
            and all(map(matches, self.api, api))
            and matches(self.namespace, namespace)
            and matches(self.name, name)
        )

    def covers_all_pods(self, namespace: str) -> bool:
        """Say whether no pod of a namespace is judged."""
        return matches_everything(self.name) and self.covers("Pod", namespace, "any")


@dataclass(frozen=True, slots=True)
class Condition:
    """A CEL expression that the API server asks before it calls a webhook."""

    name: str
    expression: str


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """Kyverno's ConfigMap. All is empty when there is none."""

    filters: tuple[ResourceFilter, ...] = ()
    namespace_selector: Selector = EVERYTHING
    object_selector: Selector = EVERYTHING
    conditions: tuple[Condition, ...] = ()
    excluded: tuple[tuple[str, str], ...] = ()
    """Who is not judged: kind (`group`, `username`, `role`, `cluster role`) and wildcard."""
    included: tuple[tuple[str, str], ...] = ()
    """Who is judged though excluded."""
    threshold: str = ""
    """`updateRequestThreshold`, as written."""
    unreadable: tuple[str, ...] = ()
    """Entries that make no sense; Kyverno passes over them."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """One webhook of Kyverno for resources."""

    name: str
    fails_closed: bool
    timeout_seconds: int
    namespace_selector: Selector | None
    """None when it makes no sense to us."""
    object_selector: Selector | None
    conditions: tuple[Condition, ...]
    resources: tuple[str, ...]
    """What it is asked about: `pods`, `deployments.apps`."""
    policies: tuple[str, ...]
    """Named in its path; the shared webhook of ClusterPolicies names none."""

    @property
    def is_shared(self) -> bool:
        """It is for all ClusterPolicies that have none of their own, and so has the ConfigMap's selector."""
        return self.name.startswith(SHARED) and OWN not in self.name

    @property
    def asks_about_pods(self) -> bool:
        return not ABOUT_PODS.isdisjoint(self.resources)

    def reaches(self, labels: Mapping[str, str]) -> bool | None:
        """Say whether its namespaceSelector lets a namespace through; None when that cannot be said."""
        selector = self.namespace_selector
        return None if selector is None else selector.matches(labels)


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """Everything that was read of the engine itself."""

    controllers: tuple[ControllerSettings, ...] = ()
    """None of them: Kyverno was not found, or could not be looked for."""
    config: EngineConfig | None = None
    webhooks: tuple[Webhook, ...] | None = None
    others: tuple[str, ...] = ()
    """Webhooks of others that are asked about pods as well."""
    expects_pods: bool = False
    """Some policy about pods is ready, so that a webhook has to ask about them."""
    kubernetes: Version | None = None

    def of(self, component: Component) -> ControllerSettings | None:
        return next((each for each in self.controllers if each.component is component), None)

    @property
    def version(self) -> Version | None:
        """The version that judges at admission; None when unknown."""
        found = self.of(Component.ADMISSION)
        return found.version if found else None

    @property
    def namespaces(self) -> frozenset[str]:
        """Where Kyverno runs."""
        return frozenset(
            each.namespace for each in self.controllers if each.component is Component.ADMISSION
        )

    @property
    def pod_webhooks(self) -> tuple[Webhook, ...]:
        return tuple(each for each in self.webhooks or () if each.asks_about_pods)


def keep_config(data: object) -> dict[str, str]:
    """Keep of a ConfigMap's data what decides."""
    held: Mapping[str, Any] = data if isinstance(data, Mapping) else {}
    return {key: str(held[key]) for key in CONFIG_KEYS if held.get(key)}


def read_config(data: Mapping[str, str]) -> EngineConfig:
    """Read what `keep_config` kept. What makes no sense is named, and does nothing, as in Kyverno."""
    unreadable = []
    webhooks = _parsed(data.get("webhooks", ""), dict)
    conditions = _parsed(data.get("matchConditions", ""), list)
    if webhooks is None:
        unreadable.append("webhooks")
    if conditions is None:
        unreadable.append("matchConditions")
    namespaces = read_selector((webhooks or {}).get("namespaceSelector"))
    objects = read_selector((webhooks or {}).get("objectSelector"))
    if namespaces is None or objects is None:
        unreadable.append("webhooks")
    excluded, included = _requesters(data)
    return EngineConfig(
        filters=tuple(read_filters(data.get("resourceFilters", ""))),
        namespace_selector=namespaces or EVERYTHING,
        object_selector=objects or EVERYTHING,
        conditions=_conditions(conditions or []),
        excluded=excluded,
        included=included,
        threshold=data.get("updateRequestThreshold", ""),
        unreadable=tuple(dict.fromkeys(unreadable)),
    )


def read_filters(text: str) -> Iterable[ResourceFilter]:
    """Read `[kind,namespace,name] …`; an entry with fewer parts leaves the rest empty, which fits nothing in a namespace."""
    for found in _FILTER.finditer(text):
        parts = found[1].split(",")
        if len(parts) > 3 or not parts[0]:
            continue
        kind, namespace, name = (*parts, "", "")[:3]
        group, version, kind, subresource = _kind(kind)
        yield ResourceFilter(found[0], kind, subresource, namespace, name, (group, version))


def _kind(text: str) -> tuple[str, str, str, str]:
    """Split `Pod`, `Pod/binding`, `v1/Pod`, `apps/v1/Deployment` or `*/*` as Kyverno does."""
    head, slash, tail = text.rpartition("/")
    parts = [*(head.split("/") if slash else ()), *tail.split(".")]
    match parts:
        case [kind]:
            return "*", "*", kind, ""
        case ["*", "*"]:
            return "*", "*", "*", "*"
        case ["*", subresource] if subresource.lower() == subresource:
            return "*", "*", "*", subresource
        case [version, kind] if _API_VERSION.fullmatch(version):
            return "*", version, kind, ""
        case [kind, subresource]:
            return "*", "*", kind, subresource
        case [version, kind, subresource] if _API_VERSION.fullmatch(version):
            return "*", version, kind, subresource
        case [group, version, kind]:
            return group, version, kind, ""
        case [group, version, kind, subresource]:
            return group, version, kind, subresource
    return "", "", "", ""


_REQUESTERS = {
    "excludeGroups": "group",
    "excludeUsernames": "username",
    "excludeRoles": "role",
    "excludeClusterRoles": "cluster role",
}
_Requesters = tuple[tuple[str, str], ...]


def _requesters(data: Mapping[str, str]) -> tuple[_Requesters, _Requesters]:
    excluded, included = [], []
    for key, kind in _REQUESTERS.items():
        for part in data.get(key, "").split(","):
            pattern = part.strip()
            if pattern.startswith("!"):
                included.append((kind, pattern[1:].strip()))
            elif pattern:
                excluded.append((kind, pattern))
    return tuple(excluded), tuple(each for each in included if each[1])


def _parsed(text: str, kind: type) -> Any:
    """Parse JSON of one type; an empty text is an empty value, and None what makes no sense."""
    if not text.strip():
        return kind()
    try:
        found = json.loads(text)
    except ValueError:
        return None
    if found is None:
        return kind()
    return found if isinstance(found, kind) else None


def _conditions(listed: object) -> tuple[Condition, ...]:
    found = (
        [each for each in listed if isinstance(each, Mapping)] if isinstance(listed, list) else []
    )
    return tuple(
        Condition(str(each.get("name", "")), str(each.get("expression", ""))) for each in found
    )


# Webhooks

Kept = dict[str, Any]


def keep_webhooks(manifest: Mapping[str, Any]) -> tuple[list[Kept], list[str]]:
    """Keep of one ValidatingWebhookConfiguration what decides: Kyverno's webhooks for resources, and others about pods."""
    kept, others = [], []
    listed = manifest.get("webhooks")
    for each in listed if isinstance(listed, list) else ():
        if not isinstance(each, Mapping):
            continue
        name, resources = str(each.get("name", "")), _resources(each.get("rules"))
        if ".kyverno.svc" in name or name.startswith(SHARED):
            if _is_for_resources(name):
                kept.append(_kept(each, name, resources))
        elif not ABOUT_PODS.isdisjoint(resources):
            others.append(name)
    return kept, others


def _is_for_resources(name: str) -> bool:
    """Say whether a webhook judges resources; others judge policies and exceptions, or generate."""
    return name.startswith((SHARED, f"vpol.{SHARED}", f"nvpol.{SHARED}", f"ivpol.{SHARED}"))


def _kept(webhook: Mapping[str, Any], name: str, resources: list[str]) -> Kept:
    client = webhook.get("clientConfig")
    service: Any = client.get("service") if isinstance(client, Mapping) else None
    address = client.get("url") if isinstance(client, Mapping) else ""
    path = str(service.get("path", "") if isinstance(service, Mapping) else address or "")
    conditions = _conditions(webhook.get("matchConditions"))
    return {
        "name": name,
        "failurePolicy": str(webhook.get("failurePolicy", "Fail")),
        "timeoutSeconds": webhook.get("timeoutSeconds", 10),
        "namespaceSelector": webhook.get("namespaceSelector"),
        "objectSelector": webhook.get("objectSelector"),
        "matchConditions": [
            {"name": each.name, "expression": each.expression[:LONGEST_EXPRESSION]}
            for each in conditions
        ],
        "resources": resources,
        "policies": _named_in(path),
    }


def _named_in(path: str) -> list[str]:
    """Name the policies of a path such as `/vpol/one/other` or `/validate/fail/finegrained/one`."""
    parts = [part for part in path.split("?")[0].split("/") if part]
    place = next((n for n, part in enumerate(parts) if part in _BEFORE_POLICIES), len(parts))
    return parts[place + 1 :]


_BEFORE_POLICIES = ("vpol", "nvpol", "ivpol", "finegrained")


def read_webhook(kept: Mapping[str, Any]) -> Webhook:
    """Read what `keep_webhooks` kept."""
    timeout = kept.get("timeoutSeconds")
    return Webhook(
        name=kept["name"],
        fails_closed=kept.get("failurePolicy") != "Ignore",
        timeout_seconds=timeout if isinstance(timeout, int) else 10,
        namespace_selector=read_selector(kept.get("namespaceSelector")),
        object_selector=read_selector(kept.get("objectSelector")),
        conditions=_conditions(kept.get("matchConditions")),
        resources=tuple(kept.get("resources") or ()),
        policies=tuple(kept.get("policies") or ()),
    )


def _resources(rules: object) -> list[str]:
    found: dict[str, None] = {}
    for rule in rules if isinstance(rules, list) else ():
        held: Mapping[str, Any] = rule if isinstance(rule, Mapping) else {}
        creates = {"CREATE", "*"} & set(map(str, held.get("operations") or []))
        for resource in held.get("resources") or []:
            # Of pods only their creation counts; subresources are updated.
            if not creates and "/" not in str(resource):
                continue
            for group in held.get("apiGroups") or [""]:
                found[f"{resource}.{group}" if group else str(resource)] = None
    return list(found)
