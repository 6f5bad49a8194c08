"""Reads a policy object into what the sandbox's engine can run: exactly what secprof compiles, nothing else.

Expressions are not evaluated as CEL. Each is compared with what the library compiles; an unknown one makes the
whole policy unknown, and the API server of the sandbox then refuses to store it.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

from policies.domain.controls import Control
from policies.domain.library import API_VERSIONS, TEMPLATES, Target, VariantSpec, compile_objects
from policies.domain.parameters import Parameters
from sandbox.store import Manifest

NAMESPACE_LIST = re.compile(
    r"request\.namespace in \[(?P<names>\s*('[a-z0-9-]*'(\s*,\s*'[a-z0-9-]*')*)?\s*)\]"
)
DEFAULT_TIMEOUT_SECONDS = 10
AUTOGEN_ANNOTATION = "pod-policies.kyverno.io/autogen-controllers"
CONTROLLERS = frozenset(
    {
        "Deployment",
        "DaemonSet",
        "StatefulSet",
        "ReplicaSet",
        "ReplicationController",
        "Job",
        "CronJob",
    }
)


class UnknownPolicy(ValueError):
    """The sandbox cannot run this policy; the message names the first part that it does not know."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A named list of checks; the first that fails gives the message."""

    name: str
    """Empty for a ValidatingPolicy."""
    checks: tuple[tuple[Control, str], ...]
    """Each control with the message for those who fail it."""
    enforces: bool
    changed_only: bool
    """Judges an update only when it changes the pod spec."""
    operations: frozenset[str]
    namespaces: frozenset[str] | None
    """None for all."""


@dataclass(frozen=True, slots=True)
class Policy:
    kind: str
    name: str
    version: str
    rules: tuple[Rule, ...]
    webhook: str
    fails_closed: bool
    timeout_seconds: int
    webhook_namespaces: frozenset[str] | None
    """Where the API server calls the webhook; None for everywhere."""
    webhook_changed_only: bool
    """Whether the API server itself leaves out updates that change no pod spec."""
    warns: bool
    background: bool
    subresource: str
    """`ephemeralcontainers` for a companion, else empty."""
    controllers: frozenset[str]
    """The kinds that are judged by their pod template."""
    annotations: dict[str, str]

    @property
    def is_cluster_policy(self) -> bool:
        return self.kind == Target.CLUSTER_POLICY


@dataclass(frozen=True, slots=True)
class _Known:
    """What the library's compiled objects consist of."""

    controls: dict[str, Control]
    variables: dict[tuple[tuple[str, str], ...], frozenset[Control]]
    changed_pod_spec: str
    harmless: frozenset[str]


@cache
def _known() -> _Known:
    """Take the compiled objects of the library apart, once."""
    controls: dict[str, Control] = {}
    variables: dict[tuple[tuple[str, str], ...], set[Control]] = {}
    preconditions: set[str] = set()
    conditions: set[str] = set()
    for manifest in _specimens():
        spec = manifest["spec"]
        for rule in spec["rules"]:
            control = Control(rule["name"])
            cel = rule["validate"]["cel"]
            controls[cel["expressions"][0]["expression"]] = control
            variables.setdefault(_pairs(cel.get("variables")), set()).add(control)
            preconditions.update(c["expression"] for c in rule.get("celPreconditions", ()))
        conditions.update(
            c["expression"] for c in spec["webhookConfiguration"].get("matchConditions", ())
        )
    harmless = {text for text in conditions if not NAMESPACE_LIST.fullmatch(text)}
    (changed,) = preconditions
    return _Known(
        controls,
        {pairs: frozenset(found) for pairs, found in variables.items()},
        changed,
        frozenset(harmless - {changed}),
    )


def _specimens() -> Iterable[Manifest]:
    target = Target.CLUSTER_POLICY
    for template in TEMPLATES.values():
        for choice in template.choices:
            spec = VariantSpec(
                name="specimen",
                template=template.name,
                target=target,
                api_version=API_VERSIONS[target][0],
                parameters=Parameters(controls=choice),
            )
            for compiled in compile_objects(spec, ("a",)):
                yield compiled.manifest


def read(manifest: Manifest) -> Policy:
    """Read a policy. Raises UnknownPolicy."""
    if manifest["kind"] == Target.CLUSTER_POLICY:
        return _cluster_policy(manifest)
    return _validating_policy(manifest)


def _cluster_policy(manifest: Manifest) -> Policy:
    spec = manifest["spec"]
    _only(
        spec,
        "spec",
        "admission background emitWarning failurePolicy validationFailureAction rules webhookConfiguration",
    )
    configuration = spec.get("webhookConfiguration") or {}
    _only(configuration, "webhookConfiguration", "failurePolicy timeoutSeconds matchConditions")
    if not spec.get("admission", True):
        raise UnknownPolicy("spec.admission: false")
    name = manifest["metadata"]["name"]
    default = spec.get("validationFailureAction", "Audit")
    fails_closed = _fails_closed(
        configuration.get("failurePolicy") or spec.get("failurePolicy") or "Fail"
    )
    conditions = configuration.get("matchConditions") or []
    namespaces, changed_only = _conditions(conditions)
    annotations = manifest["metadata"].get("annotations") or {}
    own = bool(conditions)
    return Policy(
        kind=manifest["kind"],
        name=name,
        version=manifest["metadata"].get("resourceVersion", ""),
        rules=tuple(_rule(rule, default) for rule in _filled(spec.get("rules"), "spec.rules")),
        webhook=_webhook("validate.kyverno.svc", name, fails_closed=fails_closed, own=own),
        fails_closed=fails_closed,
        # In its own webhook a ClusterPolicy gets Kyverno's limit, whatever it asks for.
        timeout_seconds=DEFAULT_TIMEOUT_SECONDS,
        webhook_namespaces=namespaces,
        webhook_changed_only=changed_only,
        # In a webhook of its own a policy is evaluated whole, and a failure that does not block warns.
        warns=bool(spec.get("emitWarning")) or own,
        background=bool(spec.get("background", True)),
        subresource="",
        controllers=_controllers(annotations.get(AUTOGEN_ANNOTATION), CONTROLLERS),
        annotations=annotations,
    )


def _rule(rule: Manifest, default: str) -> Rule:
    _only(rule, "rule", "name match validate celPreconditions skipBackgroundRequests")
    validate = rule["validate"]
    _only(validate, "validate", "allowExistingViolations failureAction message cel")
    cel = validate.get("cel") or {}
    _only(cel, "cel", "generate variables expressions")
    operations, namespaces = _match(rule.get("match") or {})
    conditions = rule.get("celPreconditions") or []
    for condition in conditions:
        if condition["expression"] != _known().changed_pod_spec:
            raise UnknownPolicy(condition["expression"])
    return Rule(
        name=rule["name"],
        checks=_checks(cel.get("expressions"), cel.get("variables"), validate.get("message", "")),
        enforces=str(validate.get("failureAction") or default).lower() == "enforce",
        changed_only=bool(conditions),
        operations=operations,
        namespaces=namespaces,
    )


def _match(match: Manifest) -> tuple[frozenset[str], frozenset[str] | None]:
    _only(match, "match", "any")
    blocks = _filled(match.get("any"), "match.any")
    if len(blocks) != 1:
        raise UnknownPolicy("match.any with several blocks")
    _only(blocks[0], "match.any", "resources")
    resources = blocks[0]["resources"]
    _only(resources, "resources", "kinds operations namespaces")
    if resources.get("kinds") != ["Pod"]:
        raise UnknownPolicy(f"kinds {resources.get('kinds')}")
    operations = frozenset(_filled(resources.get("operations"), "operations"))
    names = resources.get("namespaces")
    return operations, None if names is None else frozenset(names)


def _validating_policy(manifest: Manifest) -> Policy:
    spec = manifest["spec"]
    _only(
        spec,
        "spec",
        "validationActions failurePolicy webhookConfiguration evaluation matchConstraints variables"
        " validations matchConditions autogen",
    )
    evaluation = spec.get("evaluation") or {}
    if not (evaluation.get("admission") or {}).get("enabled", True):
        raise UnknownPolicy("spec.evaluation.admission.enabled: false")
    name = manifest["metadata"]["name"]
    operations, subresource = _constraints(spec.get("matchConstraints") or {})
    conditions = spec.get("matchConditions") or []
    namespaces, changed_only = _conditions(conditions)
    # Without actions a ValidatingPolicy denies.
    actions = spec.get("validationActions") or ["Deny"]
    fails_closed = _fails_closed(spec.get("failurePolicy") or "Fail")
    timeout = (spec.get("webhookConfiguration") or {}).get("timeoutSeconds")
    own = bool(conditions) or timeout is not None
    rule = Rule(
        name="",
        checks=_checks(spec.get("validations"), spec.get("variables"), ""),
        enforces="Deny" in actions,
        changed_only=changed_only,
        operations=operations,
        namespaces=namespaces,
    )
    return Policy(
        kind=manifest["kind"],
        name=name,
        version=manifest["metadata"].get("resourceVersion", ""),
        rules=(rule,),
        webhook=_webhook("vpol.validate.kyverno.svc", name, fails_closed=fails_closed, own=own),
        fails_closed=fails_closed,
        timeout_seconds=timeout or DEFAULT_TIMEOUT_SECONDS,
        webhook_namespaces=namespaces,
        webhook_changed_only=changed_only,
        warns="Warn" in actions,
        background=bool((evaluation.get("background") or {}).get("enabled", True)),
        subresource=subresource,
        controllers=_autogen(spec) if not subresource else frozenset(),
        annotations=manifest["metadata"].get("annotations") or {},
    )


def _constraints(constraints: Manifest) -> tuple[frozenset[str], str]:
    _only(constraints, "matchConstraints", "matchPolicy resourceRules")
    rules = _filled(constraints.get("resourceRules"), "resourceRules")
    if len(rules) != 1 or len(rules[0].get("resources") or ()) != 1:
        raise UnknownPolicy("several resources")
    _only(rules[0], "resourceRules", "apiGroups apiVersions operations resources scope")
    resource = rules[0]["resources"][0]
    if resource not in ("pods", "pods/ephemeralcontainers") or rules[0].get("apiGroups") != [""]:
        raise UnknownPolicy(f"resources {resource}")
    return frozenset(_filled(rules[0].get("operations"), "operations")), resource[5:]


def _autogen(spec: Manifest) -> frozenset[str]:
    autogen = spec.get("autogen") or {}
    _only(autogen, "autogen", "podControllers")
    listed = (autogen.get("podControllers") or {}).get("controllers")
    plurals = {kind: f"{kind.lower()}s" for kind in CONTROLLERS - {"ReplicationController"}}
    return frozenset(kind for kind, name in plurals.items() if listed is None or name in listed)


def _conditions(conditions: list[Any]) -> tuple[frozenset[str] | None, bool]:
    """Read match conditions: the namespaces (None for all), and whether only changed pod specs count."""
    namespaces: frozenset[str] | None = None
    changed_only = False
    for condition in conditions:
        text = condition["expression"]
        listed = NAMESPACE_LIST.fullmatch(text)
        if listed:
            names = frozenset(re.findall(r"'([^']*)'", listed["names"]))
            namespaces = names if namespaces is None else namespaces & names
        elif text == _known().changed_pod_spec:
            changed_only = True
        elif text not in _known().harmless:
            raise UnknownPolicy(text)
    return namespaces, changed_only


def _checks(
    expressions: list[Any] | None, variables: list[Any] | None, default: str
) -> tuple[tuple[Control, str], ...]:
    checks = []
    for entry in _filled(expressions, "validations"):
        _only(entry, "validations", "expression message")
        control = _known().controls.get(entry["expression"])
        if control is None:
            raise UnknownPolicy(entry["expression"])
        if control not in _known().variables.get(_pairs(variables), frozenset()):
            raise UnknownPolicy("its variables")
        checks.append((control, entry.get("message") or default or _no_message(entry)))
    return tuple(checks)


def _no_message(entry: Manifest) -> str:
    return f"failed expression: {entry['expression']}"


def _pairs(variables: list[Any] | None) -> tuple[tuple[str, str], ...]:
    return tuple((entry["name"], entry["expression"]) for entry in variables or ())


def _controllers(annotation: str | None, every: frozenset[str]) -> frozenset[str]:
    if annotation is None:
        return every
    return every & frozenset(name.strip() for name in annotation.split(","))


def _webhook(stem: str, policy: str, *, fails_closed: bool, own: bool) -> str:
    name = f"{stem}-{'fail' if fails_closed else 'ignore'}"
    return f"{name}-finegrained-{policy}" if own else name


def _fails_closed(text: str) -> bool:
    if text not in ("Fail", "Ignore"):
        raise UnknownPolicy(f"failurePolicy {text}")
    return text == "Fail"


def _only(part: Manifest, path: str, known: str) -> None:
    for key in part:
        if key not in known.split():
            raise UnknownPolicy(f"{path}.{key}")


def _filled(values: list[Any] | None, path: str) -> list[Any]:
    if not values:
        raise UnknownPolicy(f"no {path}")
    return values
