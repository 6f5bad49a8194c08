"""Reads a policy of Kyverno's into what the sandbox's engine can run: exactly what secprof compiles, nothing else.

A part that it does not know makes the whole policy unknown, and the API server of the sandbox refuses to store it.
"""

from dataclasses import dataclass

from policies.domain.library import Target, VariantSpec
from sandbox.checks import Check, Scope, checks_of, conditions_of, filled, only
from sandbox.known import Known, UnknownPolicy, known
from sandbox.store import Manifest

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


@dataclass(frozen=True, slots=True)
class Rule:
    """A named list of checks; the first that fails gives the message."""

    name: str
    """Empty for a ValidatingPolicy."""
    spec: VariantSpec
    """What the checks are judged by."""
    checks: tuple[Check, ...]
    enforces: bool
    changed_only: bool
    """Judges an update only when it changes what is judged."""
    operations: frozenset[str]
    scope: Scope


@dataclass(frozen=True, slots=True)
class Policy:
    kind: str
    name: str
    version: str
    rules: tuple[Rule, ...]
    webhook: str
    fails_closed: bool
    timeout_seconds: int
    webhook_scope: Scope
    """Where the API server calls the webhook."""
    webhook_changed_only: bool
    """Whether the API server itself leaves out updates that change nothing that is judged."""
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

    @property
    def spec(self) -> VariantSpec:
        return self.rules[0].spec


def read(manifest: Manifest) -> Policy:
    """Read a policy. Raises UnknownPolicy."""
    if manifest["kind"] == Target.CLUSTER_POLICY:
        return _cluster_policy(manifest)
    return _validating_policy(manifest)


def _cluster_policy(manifest: Manifest) -> Policy:
    spec = manifest["spec"]
    only(
        spec,
        "spec",
        "admission background emitWarning failurePolicy validationFailureAction rules webhookConfiguration",
    )
    configuration = spec.get("webhookConfiguration") or {}
    only(configuration, "webhookConfiguration", "failurePolicy timeoutSeconds matchConditions")
    if not spec.get("admission", True):
        raise UnknownPolicy("spec.admission: false")
    name = manifest["metadata"]["name"]
    default = spec.get("validationFailureAction", "Audit")
    fails_closed = _fails_closed(
        configuration.get("failurePolicy") or spec.get("failurePolicy") or "Fail"
    )
    conditions = configuration.get("matchConditions") or []
    parts = known(manifest)
    scope, changed_only = conditions_of(conditions, parts)
    annotations = manifest["metadata"].get("annotations") or {}
    own = bool(conditions)
    return Policy(
        kind=manifest["kind"],
        name=name,
        version=manifest["metadata"].get("resourceVersion", ""),
        rules=tuple(
            _rule(rule, default, parts) for rule in filled(spec.get("rules"), "spec.rules")
        ),
        webhook=_webhook("validate.kyverno.svc", name, fails_closed=fails_closed, own=own),
        fails_closed=fails_closed,
        # In its own webhook a ClusterPolicy gets Kyverno's limit, whatever it asks for.
        timeout_seconds=DEFAULT_TIMEOUT_SECONDS,
        webhook_scope=scope,
        webhook_changed_only=changed_only,
        # In a webhook of its own a policy is evaluated whole, and a failure that does not block warns.
        warns=bool(spec.get("emitWarning")) or own,
        background=bool(spec.get("background", True)),
        subresource="",
        controllers=_controllers(annotations.get(AUTOGEN_ANNOTATION), CONTROLLERS),
        annotations=annotations,
    )


def _rule(rule: Manifest, default: str, parts: Known) -> Rule:
    only(rule, "rule", "name match exclude validate celPreconditions skipBackgroundRequests")
    validate = rule["validate"]
    only(validate, "validate", "allowExistingViolations failureAction message cel")
    cel = validate.get("cel") or {}
    only(cel, "cel", "generate variables expressions")
    resources = _block(rule.get("match"), "match", "kinds operations namespaces")
    if resources.get("kinds") != ["Pod"]:
        raise UnknownPolicy(f"kinds {resources.get('kinds')}")
    names = resources.get("namespaces")
    excluded = _block(rule.get("exclude"), "exclude", "namespaces") if "exclude" in rule else {}
    conditions = rule.get("celPreconditions") or []
    for condition in conditions:
        if condition["expression"] not in parts.changed:
            raise UnknownPolicy(condition["expression"])
    return Rule(
        name=rule["name"],
        spec=parts.spec,
        checks=checks_of(
            cel.get("expressions"), cel.get("variables"), parts, validate.get("message", "")
        ),
        enforces=str(validate.get("failureAction") or default).lower() == "enforce",
        changed_only=bool(conditions),
        operations=frozenset(filled(resources.get("operations"), "operations")),
        scope=Scope(
            None if names is None else frozenset(names), frozenset(excluded.get("namespaces") or ())
        ),
    )


def _block(match: Manifest | None, path: str, fields: str) -> Manifest:
    """Give the resources of the one block of a match, which may name no other fields."""
    match = match or {}
    only(match, path, "any")
    blocks = filled(match.get("any"), f"{path}.any")
    if len(blocks) != 1:
        raise UnknownPolicy(f"{path}.any with several blocks")
    only(blocks[0], f"{path}.any", "resources")
    resources: Manifest = blocks[0]["resources"]
    only(resources, "resources", fields)
    return resources


def _validating_policy(manifest: Manifest) -> Policy:
    spec = manifest["spec"]
    only(
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
    parts = known(manifest)
    scope, changed_only = conditions_of(conditions, parts)
    # Without actions a ValidatingPolicy denies.
    actions = spec.get("validationActions") or ["Deny"]
    fails_closed = _fails_closed(spec.get("failurePolicy") or "Fail")
    timeout = (spec.get("webhookConfiguration") or {}).get("timeoutSeconds")
    own = bool(conditions) or timeout is not None
    rule = Rule(
        name="",
        spec=parts.spec,
        checks=checks_of(spec.get("validations"), spec.get("variables"), parts),
        enforces="Deny" in actions,
        changed_only=changed_only,
        operations=operations,
        scope=scope,
    )
    return Policy(
        kind=manifest["kind"],
        name=name,
        version=manifest["metadata"].get("resourceVersion", ""),
        rules=(rule,),
        webhook=_webhook("vpol.validate.kyverno.svc", name, fails_closed=fails_closed, own=own),
        fails_closed=fails_closed,
        timeout_seconds=timeout or DEFAULT_TIMEOUT_SECONDS,
        webhook_scope=scope,
        webhook_changed_only=changed_only,
        warns="Warn" in actions,
        background=bool((evaluation.get("background") or {}).get("enabled", True)),
        subresource=subresource,
        controllers=_autogen(spec) if not subresource else frozenset(),
        annotations=manifest["metadata"].get("annotations") or {},
    )


def _constraints(constraints: Manifest) -> tuple[frozenset[str], str]:
    only(constraints, "matchConstraints", "matchPolicy resourceRules")
    rules = filled(constraints.get("resourceRules"), "resourceRules")
    if len(rules) != 1 or len(rules[0].get("resources") or ()) != 1:
        raise UnknownPolicy("several resources")
    only(rules[0], "resourceRules", "apiGroups apiVersions operations resources scope")
    resource = rules[0]["resources"][0]
    if resource not in ("pods", "pods/ephemeralcontainers") or rules[0].get("apiGroups") != [""]:
        raise UnknownPolicy(f"resources {resource}")
    return frozenset(filled(rules[0].get("operations"), "operations")), resource[5:]


def _autogen(spec: Manifest) -> frozenset[str]:
    autogen = spec.get("autogen") or {}
    only(autogen, "autogen", "podControllers")
    listed = (autogen.get("podControllers") or {}).get("controllers")
    plurals = {kind: f"{kind.lower()}s" for kind in CONTROLLERS - {"ReplicationController"}}
    return frozenset(kind for kind, name in plurals.items() if listed is None or name in listed)


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
