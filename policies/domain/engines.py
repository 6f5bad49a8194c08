"""Recognise Kyverno among the Deployments of a cluster, and read its version from the image tag and its flags."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from policies.domain.objects import Controller

Version = tuple[int, int, int]

COMPONENT = "app.kubernetes.io/component"
ADMISSION_CONTROLLER = "admission-controller"
CONTAINER = "kyverno"
EXCEPTIONS_FLAG = "--enablePolicyException"
EXCEPTION_NAMESPACE_FLAG = "--exceptionNamespace"
EXCEPTION_FLAGS = (EXCEPTIONS_FLAG, EXCEPTION_NAMESPACE_FLAG)
BOOLEAN_FLAGS = frozenset(
    {
        EXCEPTIONS_FLAG,
        "--admissionReports",
        "--aggregateReports",
        "--autoUpdateWebhooks",
        "--backgroundScan",
        "--excludeBootstrapResources",
        "--openreportsEnabled",
        "--policyReports",
        "--skipResourceFilters",
        "--validatingAdmissionPolicyReports",
    }
)
DECIDING_FLAGS = (
    *EXCEPTION_FLAGS,
    *sorted(BOOLEAN_FLAGS - {EXCEPTIONS_FLAG}),
    "--allowedResults",
    "--backgroundScanInterval",
    "--enableReporting",
    "--forceFailurePolicyIgnore",
    "--generateValidatingAdmissionPolicy",
    "--maxAdmissionReports",
    "--maxBackgroundReports",
    "--omitEvents",
    "--webhookTimeout",
)
"""Those that decide what Kyverno judges and reports. Others are not kept: they may hold what is nobody's business."""
CONFIG_VARIABLE = "INIT_CONFIG"
USUAL_CONFIG = "kyverno"


@dataclass(frozen=True, slots=True)
class Engine:
    """A Kyverno admission controller: where it runs, and its version (empty when pinned by digest only)."""

    namespace: str
    version: str


def find_engine(deployment: Controller) -> Engine | None:
    """Say whether this Deployment is Kyverno's admission controller.

    The label `app.kubernetes.io/version` is the chart's version, so only the image's tag counts (kyverno-facts 1.22).
    """
    labels = deployment.metadata.labels or {}
    if labels.get(COMPONENT) != ADMISSION_CONTROLLER or deployment.spec.template is None:
        return None
    for container in deployment.spec.template.spec.containers:
        if container.name == CONTAINER:
            return Engine(deployment.metadata.namespace, _tag(container.image))
    return None


class Component(StrEnum):
    """Kyverno's controllers; each is a Deployment of its own."""

    ADMISSION = "admission-controller"
    BACKGROUND = "background-controller"
    REPORTS = "reports-controller"
    CLEANUP = "cleanup-controller"


@dataclass(frozen=True, slots=True)
class ControllerSettings:
    """The command line of one of Kyverno's controllers, as its Deployment states it."""

    component: Component
    namespace: str
    name: str
    version: Version | None
    flags: Mapping[str, str] | None
    """By name with two dashes, the last word on each; None when they could not be read."""
    replicas: int | None = None
    """Wanted; None when nobody said."""
    ready: int | None = None
    """Those that answer; None when the Deployment does not say."""
    config_name: str = USUAL_CONFIG
    """The ConfigMap that it reads, in its own namespace."""

    def flag(self, name: str, default: str) -> str | None:
        """Give a flag, or what Kyverno takes without it; None when it could not be read."""
        if self.flags is None:
            return None
        stated = self.flags.get(name, default)
        return None if "$(" in stated else stated

    def is_on(self, name: str, *, default: bool) -> bool | None:
        """Give a flag's truth value; None when it could not be read."""
        stated = self.flag(name, "true" if default else "false")
        return None if stated is None else TRUTH.get(stated)


def read_settings(manifest: Mapping[str, Any]) -> ControllerSettings | None:
    """Read a Deployment; None when it is none of Kyverno's controllers."""
    metadata = _mapping(manifest.get("metadata"))
    named = _mapping(metadata.get("labels")).get(COMPONENT)
    component = next((each for each in Component if each == named), None)
    if component is None:
        return None
    spec = _mapping(_mapping(_mapping(manifest.get("spec")).get("template")).get("spec"))
    listed = spec.get("containers")
    containers = [_mapping(each) for each in listed] if isinstance(listed, list) else []
    own = next((each for each in containers if each.get("name") in _CONTAINERS), None)
    if own is None:
        return None
    return ControllerSettings(
        component=component,
        namespace=str(metadata.get("namespace", "")),
        name=str(metadata.get("name", "")),
        version=read_version(_tag(str(own.get("image", "")))),
        flags=_flags(own),
        replicas=_number(_mapping(manifest.get("spec")).get("replicas")),
        ready=_ready(_mapping(manifest.get("status"))),
        config_name=_config_name(own),
    )


TRUTH = {
    **dict.fromkeys(("1", "t", "T", "true", "TRUE", "True"), True),
    **dict.fromkeys(("0", "f", "F", "false", "FALSE", "False"), False),
}
"""What a Go program takes for a truth value; anything else keeps it from starting."""
_CONTAINERS = (CONTAINER, "controller")
_VERSION = re.compile(r"v?(\d+)\.(\d+)\.(\d+)")
_FLAG = re.compile(r"--?([A-Za-z][-A-Za-z0-9]*)(?:=(.*))?", re.DOTALL)


def read_version(tag: str) -> Version | None:
    found = _VERSION.match(tag)
    return (int(found[1]), int(found[2]), int(found[3])) if found else None


def _flags(container: Mapping[str, Any]) -> dict[str, str] | None:
    words = [*_words(container.get("command")), *_words(container.get("args"))]
    if not all(isinstance(word, str) for word in words):
        return None
    flags: dict[str, str] = {}
    pending = ""
    for word in words:
        found = _FLAG.fullmatch(word)
        if found is None:
            if pending in BOOLEAN_FLAGS:
                return None  # Go takes no truth value apart from its flag, and reads no flag behind one
            if pending:
                flags[pending] = word
            pending = ""
            continue
        name = f"--{found[1]}"
        flags[name] = "true" if found[2] is None else found[2]
        pending = name if found[2] is None else ""
    return flags


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _ready(status: Mapping[str, Any]) -> int | None:
    """Count the replicas that answer: the API leaves a zero out, but a status without anything says nothing."""
    return _number(status.get("readyReplicas")) or (0 if status else None)


def _config_name(container: Mapping[str, Any]) -> str:
    listed = container.get("env")
    for entry in listed if isinstance(listed, list) else ():
        variable = _mapping(entry)
        if variable.get("name") == CONFIG_VARIABLE and isinstance(variable.get("value"), str):
            return variable["value"] or USUAL_CONFIG
    return USUAL_CONFIG


def _words(value: object) -> Iterable[Any]:
    return value if isinstance(value, list) else () if value is None else (None,)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _tag(image: str) -> str:
    name = image.split("@", 1)[0].rsplit("/", 1)[-1]
    return name.rsplit(":", 1)[1] if ":" in name else ""


def is_system_namespace(name: str, engine_namespaces: frozenset[str]) -> bool:
    """Say whether admission policies do not reach this namespace by the engine's own defaults.

    Kyverno's webhooks leave out kube-system and its own namespace, its filters all of kube-* (kyverno-facts 5.32).
    """
    return name.startswith("kube-") or name in engine_namespaces
