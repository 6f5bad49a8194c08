"""What a CEL policy does not see: controllers without autogen, ephemeral containers, objects behind a foreign webhook."""

from collections.abc import Iterator, Mapping
from typing import Any

from policies.domain.lint.effects import cel_actions, denies
from policies.domain.lint.policy import Family, Policy
from policies.domain.lint.reading import items, mapping, mappings
from policies.domain.lint.records import Lint, Severity, Spot
from policies.domain.lint.versions import Facts, known_before, known_from, maybe_before

_MATCH = ("spec", "matchConstraints")


def cel_autogen_off(policy: Policy, _facts: Facts) -> Iterator[Spot]:
    """Something in the match of a policy on pods keeps Kyverno from generating variants."""
    if policy.family is not Family.CEL or "pods" not in policy.resources or policy.has_autogen:
        return
    match = mapping(policy.spec.get("matchConstraints"))
    if len(items(match.get("resourceRules"))) > 1 or len(policy.resources) > 1:
        yield Spot((*_MATCH, "resourceRules"), "It has more than one resource.")
    for field in ("objectSelector", "excludeResourceRules"):
        if match.get(field):
            yield Spot((*_MATCH, field))
    for place, rule in mappings(match.get("resourceRules")):
        if rule.get("resourceNames"):
            yield Spot((*_MATCH, "resourceRules", place, "resourceNames"))
    controllers = mapping(mapping(policy.spec.get("autogen")).get("podControllers"))
    if controllers.get("controllers") == []:
        yield Spot(("spec", "autogen", "podControllers", "controllers"))


def selector_stops_autogen(policy: Policy, facts: Facts) -> Iterator[Spot]:
    """A namespaceSelector up to Kyverno 1.18."""
    applies = policy.family is Family.CEL and maybe_before(facts.kyverno, (1, 19, 0))
    if applies and policy.has_autogen and _selector(policy, "namespaceSelector"):
        yield Spot((*_MATCH, "namespaceSelector"))


def debug_not_seen(policy: Policy, _facts: Facts) -> Iterator[Spot]:
    """A CEL policy on pods that does not match pods/ephemeralcontainers."""
    if policy.family not in (Family.CEL, Family.NATIVE) or "pods" not in policy.resources:
        return
    seen = {"pods/ephemeralcontainers", "pods/*", "*/*"}.intersection(policy.resources)
    # A variant of ours has an object of its own for them as soon as it denies.
    if not seen and not policy.is_ours:
        can_deny = policy.family is Family.CEL and denies(policy)
        yield Spot((*_MATCH, "resourceRules"), severity=None if can_deny else Severity.INFO)


def native_sees_pods_alone(policy: Policy, _facts: Facts) -> Iterator[Spot]:
    """A native policy on pods and on no controller."""
    others = set(policy.resources) - {"pods", "pods/ephemeralcontainers"}
    if policy.family is Family.NATIVE and "pods" in policy.resources and not others:
        yield Spot((*_MATCH, "resourceRules"))


def shared_webhook_with_selector(policy: Policy, facts: Facts) -> Iterator[Spot]:
    """A selector in the webhook that others share."""
    affected = facts.kyverno is None or _shares_selectors(facts)
    if affected and policy.family is Family.CEL and not _has_own_webhook(policy):
        for field in ("namespaceSelector", "objectSelector"):
            if _selector(policy, field):
                yield Spot((*_MATCH, field), severity=None if facts.kyverno else Severity.WARNING)


def shared_webhook(policy: Policy, facts: Facts) -> Iterator[Spot]:
    """No selector and no webhook of its own, where a foreign selector may take over."""
    if policy.family is not Family.CEL or not _shares_selectors(facts):
        return
    selects = _selector(policy, "namespaceSelector") or _selector(policy, "objectSelector")
    if not selects and not _has_own_webhook(policy):
        yield Spot(("spec",))


def namespaced_without_controllers(policy: Policy, _facts: Facts) -> Iterator[Spot]:
    """A NamespacedValidatingPolicy on pods in the shared webhook."""
    is_namespaced = policy.kind == "NamespacedValidatingPolicy"
    if is_namespaced and policy.has_autogen and not _has_own_webhook(policy):
        yield Spot(("spec",))


def fail_on_audit(policy: Policy, _facts: Facts) -> Iterator[Spot]:
    """failurePolicy Fail, written or by default, on a policy that never denies."""
    webhook = mapping(policy.spec.get("webhookConfiguration"))
    if policy.family is Family.RULES:
        stated = webhook.get("failurePolicy") or policy.spec.get("failurePolicy")
        holder = ("spec", "webhookConfiguration") if "failurePolicy" in webhook else ("spec",)
        judges = bool(policy.validating) and not denies(policy)
    else:
        stated, holder = policy.spec.get("failurePolicy"), ("spec",)
        judges = policy.family is Family.CEL and "Deny" not in cel_actions(policy)
    if judges and stated != "Ignore":
        yield Spot((*holder, "failurePolicy") if stated else holder)


def conditions_dropped(policy: Policy, facts: Facts) -> Iterator[Spot]:
    """matchConditions of a webhook on a Kubernetes that does not know them."""
    if not known_before(facts.kubernetes, (1, 28, 0)):
        return
    webhook = mapping(policy.spec.get("webhookConfiguration"))
    if policy.family is Family.RULES and items(webhook.get("matchConditions")):
        yield Spot(("spec", "webhookConfiguration", "matchConditions"))


def generated_native(policy: Policy, _facts: Facts) -> Iterator[Spot]:
    """Kyverno is asked to generate a native policy."""
    for rule in policy.rules:
        if rule.cel.get("generate") is True:
            yield Spot((*rule.steps, "validate", "cel", "generate"))
    native = mapping(mapping(policy.spec.get("autogen")).get("validatingAdmissionPolicy"))
    if policy.family is Family.CEL and native.get("enabled") is True:
        yield Spot(("spec", "autogen", "validatingAdmissionPolicy", "enabled"))


def _shares_selectors(facts: Facts) -> bool:
    return known_from(facts.kyverno, (1, 16, 0)) and known_before(facts.kyverno, (1, 18, 3))


def _selector(policy: Policy, field: str) -> bool:
    match: Mapping[str, Any] = mapping(policy.spec.get("matchConstraints"))
    return any(mapping(match.get(field)).values())


def _has_own_webhook(policy: Policy) -> bool:
    match = mapping(policy.spec.get("matchConstraints"))
    webhook = mapping(policy.spec.get("webhookConfiguration"))
    return bool(
        items(policy.spec.get("matchConditions"))
        or match.get("matchPolicy") == "Exact"
        or webhook.get("timeoutSeconds")
    )


LINTS = (
    Lint(
        id="cel-autogen-off",
        severity=Severity.WARNING,
        title="Autogen is silently off",
        what_happens="Kyverno generates variants for controllers only when the match is exactly"
        " one rule for pods, without names, excluded rules or an object selector. Here only pods"
        " are judged: a Deployment or CronJob that breaks the policy is admitted.",
        since="All versions with ValidatingPolicy (Kyverno 1.14).",
        fix="Match pods alone, and leave things out by match conditions.",
        references=("T14", "3.20"),
        find=cel_autogen_off,
    ),
    Lint(
        id="selector-stops-autogen",
        severity=Severity.WARNING,
        title="Up to Kyverno 1.18 a namespaceSelector switches autogen off",
        what_happens="The same policy judges controllers on 1.19 and only pods before; the numbers"
        " in reports jump with the upgrade.",
        since="Up to Kyverno 1.18.2; mended in 1.19.0.",
        fix="Choose namespaces by a match condition on request.namespace.",
        references=("T14", "3.21"),
        find=selector_stops_autogen,
    ),
    Lint(
        id="debug-not-seen",
        severity=Severity.WARNING,
        title="Ephemeral containers are not seen",
        what_happens="`kubectl debug` writes to pods/ephemeralcontainers, which a match on pods"
        " does not cover. An Unconfined container can be put into any running pod, unless another"
        " policy looks there.",
        since="All versions with ValidatingPolicy. A ClusterPolicy on Pod does cover them.",
        fix="Put a second policy on pods/ephemeralcontainers with operation UPDATE beside it:"
        " added to this one it would switch autogen off.",
        references=("V8", "3.24", "T14"),
        find=debug_not_seen,
    ),
    Lint(
        id="native-sees-pods-alone",
        severity=Severity.WARNING,
        title="A native policy has no autogen",
        what_happens="Only pods are judged. A Deployment or CronJob that breaks the policy is"
        " admitted, and its pods fail later.",
        since="All versions of Kubernetes with ValidatingAdmissionPolicy.",
        fix="Spell out all nine kinds, with the path of each.",
        references=("7.6",),
        find=native_sees_pods_alone,
    ),
    Lint(
        id="selector-in-shared-webhook",
        severity=Severity.ERROR,
        title="The selector takes over a webhook that others share",
        what_happens="All policies without a webhook of their own share one, and it gets the"
        " selector of the last one. Outside that selector the others are not called, silently.",
        since="Kyverno 1.16.0 to 1.18.2; mended in 1.19.0.",
        fix="Give the policy a webhook of its own: webhookConfiguration.timeoutSeconds, or a match"
        " condition.",
        references=("T2", "3.16"),
        find=shared_webhook_with_selector,
    ),
    Lint(
        id="shared-webhook",
        severity=Severity.WARNING,
        title="Another policy's selector may keep this one from being called",
        what_happens="It shares its webhook, and on this Kyverno the webhook carries the selector"
        " of whichever policy came last.",
        since="Kyverno 1.16.0 to 1.18.2; mended in 1.19.0.",
        fix="Give it a webhook of its own: webhookConfiguration.timeoutSeconds, or a match condition.",
        references=("T2", "3.16", "V2"),
        find=shared_webhook,
    ),
    Lint(
        id="namespaced-without-controllers",
        severity=Severity.WARNING,
        title="Controllers are not sent to this policy",
        what_happens="The shared webhook of namespaced policies carries no rules for controllers:"
        " at admission only pods are judged, though reports may show controllers. (Read from"
        " Kyverno's code.)",
        since="Kyverno 1.16 to 1.19.",
        fix="Give it a webhook of its own by webhookConfiguration.timeoutSeconds.",
        references=("3.25",),
        find=namespaced_without_controllers,
    ),
    Lint(
        id="fail-on-audit",
        severity=Severity.WARNING,
        title="A policy that never denies can still stop the cluster",
        what_happens="With failurePolicy Fail, which is also the default, the API server refuses"
        " every matching write while Kyverno does not answer, though the policy only audits.",
        since="All versions.",
        fix="Write failurePolicy: Ignore for a policy in Audit.",
        references=("2.38", "V2"),
        find=fail_on_audit,
    ),
    Lint(
        id="webhook-conditions-dropped",
        severity=Severity.ERROR,
        title="This Kubernetes drops the webhook's match conditions",
        what_happens="The policy is called for everything that its match covers. If namespaces"
        " were chosen by the conditions alone, it counts everywhere.",
        since="Known from Kubernetes 1.28 on.",
        fix="Name the namespaces in the match as well.",
        references=("V13",),
        find=conditions_dropped,
    ),
    Lint(
        id="generated-native-policy",
        severity=Severity.WARNING,
        title="Kyverno hands this policy over to the API server",
        what_happens="With the native policy that is generated from it, Kyverno judges no more:"
        " its results vanish from the reports, unless reporting on native policies is switched on"
        " for it, and overrides by selector do not count.",
        since="ClusterPolicy since Kyverno 1.11, ValidatingPolicy since 1.14.",
        fix="Take the switch away, or write the native policy and its bindings yourself.",
        references=("T13", "3.38", "3.41"),
        find=generated_native,
    ),
)
