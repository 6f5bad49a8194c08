"""For each lint a policy that has the flaw and its neighbour that has not: the smallest manifests that show it."""

import copy
from dataclasses import dataclass
from typing import Any

from policies.domain.lint import UNKNOWN, Facts

Manifest = dict[str, Any]

GOOD_PATTERN = {
    "spec": {
        "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
        "=(initContainers)": [
            {"=(securityContext)": {"=(seccompProfile)": {"type": "!Unconfined"}}}
        ],
        "=(ephemeralContainers)": [
            {"=(securityContext)": {"=(seccompProfile)": {"type": "!Unconfined"}}}
        ],
        "containers": [{"=(securityContext)": {"=(seccompProfile)": {"type": "!Unconfined"}}}],
    }
}
GOOD_CEL = "!has(object.spec.hostPID) || !object.spec.hostPID"
APPARMOR = "container.apparmor.security.beta.kubernetes.io"


@dataclass(frozen=True)
class Case:
    """A flaw, a policy that has it, one that has not, and the cluster that both are for."""

    lint: str
    bad: Manifest
    good: Manifest
    facts: Facts = UNKNOWN
    good_facts: Facts | None = None


def rules(*bodies: Manifest, annotations: Manifest | None = None, **spec: Any) -> Manifest:
    """A ClusterPolicy with these rules."""
    metadata: Manifest = {"name": "p"}
    if annotations:
        metadata["annotations"] = annotations
    return {
        "apiVersion": "kyverno.io/v1",
        "kind": "ClusterPolicy",
        "metadata": metadata,
        "spec": {
            "rules": list(bodies),
            "webhookConfiguration": {"failurePolicy": "Ignore"},
            **spec,
        },
    }


def rule(
    validate: Manifest, *kinds: str, resources: Manifest | None = None, **body: Any
) -> Manifest:
    """A rule on pods, in Audit."""
    matched = {"kinds": list(kinds or ("Pod",)), **(resources or {})}
    return {
        "name": "r",
        "match": {"any": [{"resources": matched}]},
        "validate": {"failureAction": "Audit", "message": "m", **validate},
        **body,
    }


def cel_rule(
    expression: str = GOOD_CEL, resources: Manifest | None = None, **body: Any
) -> Manifest:
    """A CEL rule with operations."""
    operations = {"operations": ["CREATE", "UPDATE"]} if resources is None else resources
    validate = {"cel": {"expressions": [{"expression": expression}]}, **body.pop("validate", {})}
    return rule(validate, resources=operations, **body)


def cel(
    *expressions: str, match: Manifest | None = None, pods: Manifest | None = None, **spec: Any
) -> Manifest:
    """A ValidatingPolicy on pods and, in a rule of its own webhook, nothing else; in Audit."""
    resource_rule = {
        "apiGroups": [""],
        "apiVersions": ["v1"],
        "operations": ["CREATE", "UPDATE"],
        "resources": ["pods"],
        **(pods or {}),
    }
    return {
        "apiVersion": "policies.kyverno.io/v1",
        "kind": "ValidatingPolicy",
        "metadata": {"name": "p"},
        "spec": {
            "validationActions": ["Audit"],
            "failurePolicy": "Ignore",
            "webhookConfiguration": {"timeoutSeconds": 3},
            "matchConstraints": {"resourceRules": [resource_rule], **(match or {})},
            "validations": [{"expression": e, "message": "m"} for e in expressions or (GOOD_CEL,)],
            **spec,
        },
    }


def but(manifest: Manifest, path: str, value: Any) -> Manifest:
    """The manifest with one field changed, or taken away by None."""
    changed = copy.deepcopy(manifest)
    *above, last = [int(s) if s.isdigit() else s for s in path.split("/")]
    held: Any = changed
    for step in above:
        held = held[step]
    if value is None:
        del held[last]
    else:
        held[last] = value
    return changed


def deny(key: str, operator: str, value: Any, *kinds: str, **body: Any) -> Manifest:
    """A deny rule with one condition."""
    conditions = {"any": [{"key": key, "operator": operator, "value": value}]}
    return rule({"deny": {"conditions": conditions}}, *kinds, **body)


def native(**pods: Any) -> Manifest:
    """A native policy."""
    made = cel(pods=pods)
    return {
        **made,
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
    }


def overridden(*entries: Manifest, action: str = "Audit", **spec: Any) -> Manifest:
    """A policy whose rule has these overrides."""
    return rules(rule({"failureAction": action, "failureActionOverrides": list(entries)}), **spec)


def exception(**spec: Any) -> Manifest:
    """An exception of the CEL kinds."""
    refs = [{"name": "p", "kind": "ValidatingPolicy"}]
    return {
        "apiVersion": "policies.kyverno.io/v1",
        "kind": "PolicyException",
        "metadata": {"name": "e", "namespace": "shop"},
        "spec": {"policyRefs": refs, "expiresAt": "2030-01-01T00:00:00Z", **spec},
    }


def old_exception(*names: str, **resources: Any) -> Manifest:
    """An exception for rules."""
    matched = {"kinds": ["Pod"], "namespaces": ["shop"], **resources}
    return {
        "apiVersion": "kyverno.io/v2",
        "kind": "PolicyException",
        "metadata": {"name": "e", "namespace": "shop"},
        "spec": {
            "exceptions": [{"policyName": "p", "ruleNames": list(names)}],
            "match": {"any": [{"resources": matched}]},
            "expiresAt": "2030-01-01T00:00:00Z",
        },
    }


def kyverno(*version: int) -> Facts:
    return Facts(kyverno=(version[0], version[1], version[2]))


def kubernetes(minor: int) -> Facts:
    return Facts(kubernetes=(1, minor, 0))


PLAIN = rules(rule({"pattern": GOOD_PATTERN}))
CEL = cel()
QUOTED = 'request.object.metadata.annotations."x.io/*"'
SHOP = {"matchLabels": {"stage": "enforce"}}
SPEC_OVERRIDE = {"action": "Enforce", "namespaces": ["shop"]}
CHANGED = {
    "name": "c",
    "expression": "request.operation == 'CREATE' || object.spec != oldObject.spec",
}
IN_SHOP = {"name": "n", "expression": "request.namespace in ['shop']"}
CONTAINERS_ONLY = {
    "spec": {"containers": [{"securityContext": {"seccompProfile": {"type": "RuntimeDefault"}}}]}
}
POD_ONLY = {"spec": {"securityContext": {"seccompProfile": {"type": "RuntimeDefault"}}}}
TEMPLATE = {"spec": {"template": {"metadata": {"labels": {"app": "?*"}}}}}
OPTIONAL = "object.spec.?securityContext.?seccompProfile.?type"
LISTS = "object.spec.containers + object.spec.?initContainers.orValue([]) + object.spec.?ephemeralContainers.orValue([])"
NOTHING_SET = (
    "!has(object.spec.securityContext) || !has(object.spec.securityContext.seccompProfile)"
    " || object.spec.securityContext.seccompProfile.type == 'RuntimeDefault'"
)
ALL_LEVELS = f"{OPTIONAL}.orValue('') != '' && ({LISTS}).all(c, c.name != '')"
REQUIRE = {"message": "A seccomp profile is required.", "pattern": GOOD_PATTERN}


def localhost(path: str) -> Manifest:
    profile = {"type": "Localhost", "localhostProfile": path}
    return rules(rule({"pattern": {"spec": {"securityContext": {"seccompProfile": profile}}}}))


def annotated(prefix: str, *kinds: str, key: str = "c") -> Manifest:
    pattern = {"metadata": {"=(annotations)": {f"=({prefix}/{key})": "!unconfined"}}}
    return rules(rule({"pattern": pattern}, *kinds))


CASES = (
    Case(
        "literal-question-key",
        rules(rule({"pattern": {"spec": {"securityContext?": {"runAsNonRoot": True}}}})),
        rules(rule({"pattern": {"spec": {"=(securityContext)": {"runAsNonRoot": True}}}})),
    ),
    Case(
        "pattern-never-met",
        rules(rule({"pattern": TEMPLATE}, "Pod", "Deployment")),
        rules(rule({"anyPattern": [TEMPLATE, GOOD_PATTERN]}, "Pod", "Deployment")),
    ),
    Case(
        "pattern-never-met",
        rules(rule({"pattern": {"spec": {"dnsPolicy": "Default & None"}}})),
        rules(rule({"pattern": {"spec": {"dnsPolicy": "Default | None"}}})),
    ),
    Case(
        "pattern-never-met",
        rules(rule({"pattern": {"spec": {"template": {"a": 1}}}})),
        rules(rule({"pattern": {"spec": {"template": None}}})),
    ),
    Case(
        "wildcard-annotation-key",
        rules(rule({"pattern": {"metadata": {"=(annotations)": {"=(x.io/*)": "good"}}}})),
        rules(rule({"pattern": {"metadata": {"=(annotations)": {"=(x.io/y)": "g*"}}}})),
    ),
    Case(
        "template-path-on-pods",
        rules(deny("{{ request.object.spec.template.spec.hostPID || 'no' }}", "Equals", "yes")),
        rules(
            deny("{{ request.object.spec.template.spec.hostPID || 'no' }}", "Equals", "yes", "Job")
        ),
    ),
    Case(
        "template-path-on-pods",
        rules(rule({"pattern": TEMPLATE})),
        rules(rule({"pattern": TEMPLATE}, "Job")),
    ),
    Case(
        "pattern-names-no-container",
        PLAIN,
        rules(rule({"pattern": {"spec": {"=(hostPID)": False}}})),
    ),
    Case(
        "wildcard-jmespath-key",
        rules(deny(f"{{{{ {QUOTED} || 'x' }}}}", "Equals", "{{ y }}")),
        rules(deny("{{ request.object.metadata.annotations.\"x.io/y\" || '' }}", "Equals", "x*")),
    ),
    Case(
        "deny-never-fires",
        rules(deny(f"{{{{ {QUOTED} || '' }}}}", "Equals", "bad")),
        rules(deny(f"{{{{ {QUOTED} || 'bad' }}}}", "Equals", "bad")),
    ),
    Case(
        "deny-blind-to-kinds",
        rules(deny("{{ request.object.spec.template.x || '' }}", "AnyIn", ["bad"], "Pod", "Job")),
        rules(deny("{{ request.object.spec.template.x || '' }}", "AnyIn", ["bad"], "Job")),
    ),
    Case(
        "deny-always-fires",
        rules(deny(f"{{{{ {QUOTED} || '' }}}}", "NotEquals", "good")),
        rules(deny("{{ request.object.spec.dnsPolicy || '' }}", "NotEquals", "good")),
    ),
    Case(
        "precondition-never-true",
        rules(
            rule(
                {"pattern": GOOD_PATTERN},
                preconditions=[
                    {"key": f"{{{{ {QUOTED} || '' }}}}", "operator": "In", "value": ["a/*"]}
                ],
            )
        ),
        rules(
            rule(
                {"pattern": GOOD_PATTERN},
                preconditions=[
                    {"key": "{{ request.operation }}", "operator": "In", "value": ["a/*"]}
                ],
            )
        ),
    ),
    Case(
        "deprecated-operator",
        rules(deny("{{ x }}", "NotIn", ["a"])),
        rules(deny("{{ x }}", "AnyIn", ["a"])),
    ),
    Case(
        "key-without-default",
        rules(deny("{{ request.object.metadata.annotations.team }}", "Equals", "")),
        rules(deny("{{ request.object.metadata.annotations.team || '' }}", "Equals", "")),
    ),
    Case(
        "precondition-never-true",
        rules(rule({}, preconditions=[{"key": "a", "operator": "Equals", "value": "b"}])),
        rules(rule({}, preconditions=[{"key": "a", "operator": "Equals", "value": "a"}])),
    ),
    Case(
        "localhost-contradiction",
        rules(
            rule(
                {"pattern": {"metadata": {"annotations": {"a": "runtime/default | localhost/*"}}}}
            ),
            deny("{{ x }}", "NotEquals", "runtime/default"),
        ),
        rules(
            rule({"pattern": {"metadata": {"annotations": {"a": "runtime/default"}}}}),
            deny("{{ x }}", "NotEquals", "runtime/default"),
        ),
    ),
    Case(
        "existence-not-checked",
        rules(rule({"message": "The profile must be loaded on nodes.", "pattern": POD_ONLY})),
        rules(
            rule(
                {"message": "The profile must be loaded on nodes.", "pattern": POD_ONLY},
                context=[{"name": "installed", "configMap": {"name": "profiles"}}],
            )
        ),
    ),
    Case("cel-operations-missing", rules(cel_rule(resources={})), rules(cel_rule())),
    Case("delete-judged", cel(pods={"operations": ["*"]}), CEL),
    Case("old-object-null", cel("oldObject == null || true"), native()),
    Case(
        "object-namespace-rewritten",
        rules(cel_rule("object.metadata.namespace != 'x'")),
        rules(cel_rule("request.namespace != 'x'")),
    ),
    Case(
        "object-namespace-rewritten",
        cel("object.metadata.namespace != 'x'"),
        cel("object.metadata.namespace != 'x'"),
        good_facts=kyverno(1, 19, 0),
    ),
    Case(
        "spelling-not-rewritten",
        cel("object.?spec.hostPID.orValue(false) == false"),
        cel("object.spec.?hostPID.orValue(false) == false"),
    ),
    Case("spelling-not-rewritten", cel('object["spec"].hostPID'), CEL),
    Case(
        "absent-counts-as-good",
        cel(f"{OPTIONAL}.orValue('RuntimeDefault') != 'x'"),
        cel(ALL_LEVELS),
    ),
    Case(
        "absent-counts-as-good",
        but(cel(NOTHING_SET), "metadata/name", "strict-seccomp"),
        but(cel(NOTHING_SET), "metadata/name", "disallow-unconfined-seccomp"),
    ),
    Case(
        "unguarded-field",
        cel("object.spec.securityContext.runAsNonRoot"),
        cel("has(object.spec.securityContext) && object.spec.securityContext.runAsNonRoot"),
    ),
    Case(
        "optional-syntax-too-new",
        cel(ALL_LEVELS),
        cel(ALL_LEVELS),
        kubernetes(28),
        good_facts=kubernetes(29),
    ),
    Case(
        "namespace-object-in-condition",
        cel(matchConditions=[{"name": "n", "expression": "namespaceObject.metadata.name != 'x'"}]),
        cel("namespaceObject.metadata.name != 'x'"),
    ),
    Case("user-in-validation", cel("request.userInfo.username != 'x'"), CEL),
    Case(
        "init-containers-missed",
        rules(rule({"pattern": CONTAINERS_ONLY})),
        rules(rule({"pattern": GOOD_PATTERN})),
    ),
    Case(
        "init-containers-missed",
        rules(
            rule(
                {
                    "deny": {
                        "conditions": {
                            "any": [{"key": "{{ bad }}", "operator": "Equals", "value": "x"}]
                        }
                    }
                },
                context=[
                    {"name": "bad", "variable": {"jmesPath": "spec.containers[].a.seccompProfile"}}
                ],
            )
        ),
        PLAIN,
    ),
    Case("ephemeral-containers-missed", rules(rule({"pattern": CONTAINERS_ONLY})), PLAIN),
    Case("override-unchecked", rules(rule({"pattern": POD_ONLY})), PLAIN),
    Case("override-unchecked", cel(f"{OPTIONAL}.orValue('') != ''"), cel(ALL_LEVELS)),
    Case(
        "pod-level-unchecked", rules(rule({"anyPattern": [CONTAINERS_ONLY, GOOD_PATTERN]})), PLAIN
    ),
    Case(
        "pod-level-unchecked",
        cel(
            "object.spec.containers.all(c, c.?securityContext.?seccompProfile.?type.orValue('') != '')"
        ),
        cel(ALL_LEVELS),
    ),
    Case(
        "apparmor-annotation-only",
        annotated(APPARMOR),
        annotated(APPARMOR),
        good_facts=kubernetes(29),
    ),
    Case(
        "apparmor-annotation-only",
        cel(f"object.metadata.annotations['{APPARMOR}/x'] != 'unconfined'"),
        cel(
            f"object.metadata.annotations['{APPARMOR}/x'] != 'unconfined' || c.appArmorProfile.type != ''"
        ),
    ),
    Case("controller-annotations", annotated(APPARMOR, "Deployment"), annotated(APPARMOR)),
    Case(
        "controller-annotations",
        cel(
            f"object.metadata.annotations['{APPARMOR}/x'] == ''",
            pods={"resources": ["deployments"]},
        ),
        cel(f"object.metadata.annotations['{APPARMOR}/x'] == ''"),
    ),
    Case(
        "apparmor-annotation-required",
        rules(rule({"pattern": {"metadata": {"annotations": {f"{APPARMOR}/c": "?*"}}}})),
        annotated(APPARMOR),
    ),
    Case(
        "localhost-wildcard-literal", cel("x in ['localhost/*']"), cel("x.startsWith('localhost/')")
    ),
    Case(
        "pod-security-without-apparmor-field",
        rules(rule({"podSecurity": {"level": "baseline", "version": "latest"}})),
        rules(rule({"podSecurity": {"level": "baseline", "version": "latest"}})),
        kyverno(1, 12, 0),
        good_facts=kyverno(1, 13, 0),
    ),
    Case(
        "dead-seccomp-annotation",
        annotated("seccomp.security.alpha.kubernetes.io", key="pod"),
        annotated("seccomp.security.alpha.kubernetes.io", key="pod"),
        good_facts=kubernetes(24),
    ),
    Case(
        "localhost-without-list",
        cel(f"{OPTIONAL} in ['RuntimeDefault', 'Localhost']"),
        cel(f"{OPTIONAL} in ['RuntimeDefault']"),
    ),
    Case("absolute-localhost-path", localhost("/profiles/x.json"), localhost("profiles/x.json")),
    Case(
        "absolute-localhost-path",
        cel("c.localhostProfile.startsWith('/var/lib/kubelet/seccomp/profiles')"),
        cel("c.localhostProfile.startsWith('profiles/')"),
    ),
    Case("localhost-prefix-in-field", localhost("localhost/x"), localhost("x")),
    Case("localhost-prefix-in-field", cel("c.localhostProfile == 'localhost/x'"), CEL),
    Case(
        "windows-denied",
        rules(rule(REQUIRE)),
        rules(
            rule(
                REQUIRE,
                preconditions=[
                    {
                        "key": "{{ request.object.spec.os.name || '' }}",
                        "operator": "NotEquals",
                        "value": "windows",
                    }
                ],
            )
        ),
    ),
    Case(
        "lower-case-action",
        but(PLAIN, "spec/validationFailureAction", "enforce"),
        but(PLAIN, "spec/validationFailureAction", "Enforce"),
    ),
    Case("refused-action", rules(rule({"failureAction": "audit"})), PLAIN),
    Case("refused-action", cel(validationActions=["Audit", "Enforce"]), CEL),
    Case(
        "spec-level-action",
        but(
            but(PLAIN, "spec/validationFailureAction", "Enforce"),
            "spec/rules/0/validate/failureAction",
            None,
        ),
        but(PLAIN, "spec/validationFailureAction", "Audit"),
    ),
    Case("enforce-at-start", but(PLAIN, "spec/rules/0/validate/failureAction", "Enforce"), PLAIN),
    Case(
        "enforce-at-start",
        cel(validationActions=["Deny"]),
        cel(validationActions=["Deny"], matchConditions=[IN_SHOP]),
    ),
    Case("actions-missing", but(CEL, "spec/validationActions", None), CEL),
    Case("actions-missing", but(CEL, "spec/validationActions", []), CEL),
    Case(
        "nothing-exempt",
        but(PLAIN, "spec/rules/0/validate/failureAction", "Enforce"),
        rules(
            rule(
                {"failureAction": "Enforce", "pattern": GOOD_PATTERN},
                exclude={"any": [{"resources": {"namespaces": ["kube-system"]}}]},
            )
        ),
    ),
    Case(
        "frozen-objects",
        cel(validationActions=["Deny"]),
        cel(validationActions=["Deny"], matchConditions=[CHANGED]),
    ),
    Case(
        "frozen-objects",
        rules(cel_rule(validate={"failureAction": "Enforce"})),
        rules(cel_rule(validate={"failureAction": "Enforce"}, celPreconditions=[CHANGED])),
    ),
    Case(
        "frozen-objects",
        rules(rule({"failureAction": "Enforce", "allowExistingViolations": False})),
        rules(rule({"failureAction": "Enforce", "allowExistingViolations": True})),
    ),
    Case("admission-off", but(PLAIN, "spec/admission", False), PLAIN),
    Case("admission-off", cel(evaluation={"admission": {"enabled": False}}), CEL),
    Case(
        "override-names-and-selector",
        overridden({**SPEC_OVERRIDE, "namespaceSelector": SHOP}),
        overridden(SPEC_OVERRIDE),
    ),
    Case(
        "override-ignored-by-rule-action",
        but(PLAIN, "spec/validationFailureActionOverrides", [SPEC_OVERRIDE]),
        overridden(SPEC_OVERRIDE, validationFailureActionOverrides=[SPEC_OVERRIDE]),
    ),
    Case(
        "override-selector-at-policy",
        but(
            PLAIN,
            "spec/validationFailureActionOverrides",
            [{"action": "Enforce", "namespaceSelector": SHOP}],
        ),
        overridden({"action": "Enforce", "namespaceSelector": SHOP}),
    ),
    Case(
        "override-empty-names",
        overridden({"action": "Enforce", "namespaces": []}),
        overridden(SPEC_OVERRIDE),
    ),
    Case(
        "override-selector-unreadable",
        overridden(
            {
                "action": "Enforce",
                "namespaceSelector": {"matchExpressions": [{"key": "a", "operator": "Is"}]},
            }
        ),
        overridden(
            {
                "action": "Enforce",
                "namespaceSelector": {"matchExpressions": [{"key": "a", "operator": "Exists"}]},
            }
        ),
    ),
    Case(
        "override-selector-ignored",
        overridden({"action": "Enforce", "namespaceSelector": SHOP}),
        overridden({"action": "Enforce", "namespaceSelector": SHOP}),
        kyverno(1, 16, 2),
        good_facts=kyverno(1, 16, 3),
    ),
    Case(
        "override-opens-hole",
        overridden(SPEC_OVERRIDE),
        overridden(SPEC_OVERRIDE),
        kyverno(1, 13, 2),
        good_facts=kyverno(1, 13, 3),
    ),
    Case(
        "override-overlap",
        overridden(
            {"action": "Enforce", "namespaces": ["team-*"]},
            {"action": "Audit", "namespaces": ["team-x"]},
        ),
        overridden(SPEC_OVERRIDE, {"action": "Audit", "namespaces": ["team-x"]}),
    ),
    Case(
        "override-at-policy",
        but(PLAIN, "spec/validationFailureActionOverrides", [SPEC_OVERRIDE]),
        overridden(SPEC_OVERRIDE),
    ),
    Case(
        "override-freezes-objects",
        overridden(SPEC_OVERRIDE),
        overridden(SPEC_OVERRIDE, action="Enforce"),
    ),
    Case(
        "mixed-kinds",
        rules(rule({}, "Pod", "Deployment")),
        rules(rule({}, "apps/v1/Deployment", "Job")),
    ),
    Case(
        "match-stops-autogen",
        rules(rule({}, resources={"selector": SHOP})),
        rules(rule({}, resources={"namespaceSelector": SHOP})),
    ),
    Case(
        "autogen-by-annotation",
        rules(rule({}), annotations={"pod-policies.kyverno.io/autogen-controllers": "Deployment"}),
        rules(rule({}), annotations={"pod-policies.kyverno.io/autogen-controllers": "CronJob,Job"}),
    ),
    Case(
        "cronjob-not-judged",
        rules(rule({}, "Deployment")),
        rules(rule({}, "Deployment", "CronJob")),
    ),
    Case("controllers-not-judged", rules(rule({}, "Deployment")), PLAIN),
    Case("pods-judged-again", rules(rule({}, "Pod", "Job")), PLAIN),
    Case(
        "match-without-any",
        but(PLAIN, "spec/rules/0/match", {"resources": {"kinds": ["Pod"]}}),
        PLAIN,
    ),
    Case("namespace-on-cluster-policy", but(PLAIN, "metadata/namespace", "kyverno"), PLAIN),
    Case("nothing-matched", but(PLAIN, "spec/rules/0/match", {}), PLAIN),
    Case("nothing-matched", but(CEL, "spec/matchConstraints", {}), CEL),
    Case("cel-autogen-off", cel(match={"objectSelector": SHOP}), CEL),
    Case("cel-autogen-off", cel(pods={"resources": ["pods", "pods/ephemeralcontainers"]}), CEL),
    Case("cel-autogen-off", cel(autogen={"podControllers": {"controllers": []}}), CEL),
    Case("cel-autogen-off", cel(pods={"resourceNames": ["one"]}), CEL),
    Case(
        "selector-stops-autogen",
        cel(match={"namespaceSelector": SHOP}),
        cel(match={"namespaceSelector": SHOP}),
        good_facts=kyverno(1, 19, 0),
    ),
    Case("debug-not-seen", CEL, cel(pods={"resources": ["pods", "pods/ephemeralcontainers"]})),
    Case("native-sees-pods-alone", native(), native(resources=["pods", "deployments"])),
    Case(
        "selector-in-shared-webhook",
        but(cel(match={"namespaceSelector": SHOP}), "spec/webhookConfiguration", {}),
        cel(match={"namespaceSelector": SHOP}),
        kyverno(1, 18, 2),
    ),
    Case(
        "shared-webhook",
        but(CEL, "spec/webhookConfiguration", {}),
        but(CEL, "spec/webhookConfiguration", {}),
        kyverno(1, 18, 2),
        good_facts=kyverno(1, 19, 0),
    ),
    Case(
        "namespaced-without-controllers",
        {**but(CEL, "spec/webhookConfiguration", {}), "kind": "NamespacedValidatingPolicy"},
        {**CEL, "kind": "NamespacedValidatingPolicy"},
    ),
    Case("fail-on-audit", but(PLAIN, "spec/webhookConfiguration", {}), PLAIN),
    Case("fail-on-audit", but(CEL, "spec/failurePolicy", "Fail"), CEL),
    Case(
        "webhook-conditions-dropped",
        but(PLAIN, "spec/webhookConfiguration", {"matchConditions": [IN_SHOP]}),
        but(PLAIN, "spec/webhookConfiguration", {"matchConditions": [IN_SHOP]}),
        kubernetes(27),
        good_facts=kubernetes(28),
    ),
    Case(
        "generated-native-policy",
        rules(rule({"cel": {"generate": True}})),
        rules(rule({"cel": {"generate": False}})),
    ),
    Case(
        "generated-native-policy",
        cel(autogen={"validatingAdmissionPolicy": {"enabled": True}}),
        CEL,
    ),
    Case("background-off", but(PLAIN, "spec/background", False), PLAIN),
    Case("background-off", cel(evaluation={"background": {"enabled": False}}), CEL),
    Case(
        "reports-disabled",
        but(PLAIN, "metadata/labels", {"reports.kyverno.io/disabled": "true"}),
        PLAIN,
    ),
    Case(
        "not-scored",
        but(PLAIN, "metadata/annotations", {"policies.kyverno.io/scored": "false"}),
        PLAIN,
    ),
    Case("never-in-background", cel(pods={"operations": ["UPDATE"]}), CEL),
    Case("never-in-background", rules(rule({}, resources={"operations": ["UPDATE"]})), PLAIN),
    Case("old-generation", PLAIN, PLAIN, good_facts=kyverno(1, 13, 4)),
    Case("thin-api-version", {**PLAIN, "apiVersion": "kyverno.io/v2beta1"}, PLAIN),
    Case(
        "old-cel-version",
        {**CEL, "apiVersion": "policies.kyverno.io/v1alpha1"},
        {**CEL, "apiVersion": "policies.kyverno.io/v1alpha1"},
        good_facts=kyverno(1, 15, 0),
    ),
    Case(
        "old-exception-version",
        {**old_exception("*"), "apiVersion": "kyverno.io/v2beta1"},
        old_exception("*"),
    ),
    Case("old-field", but(PLAIN, "spec/failurePolicy", "Ignore"), PLAIN),
    Case(
        "assert-without-effect",
        rules(rule({"assert": {}})),
        rules(rule({"assert": {}})),
        good_facts=kyverno(1, 18, 0),
    ),
    Case("exception-everywhere", exception(), exception(matchConditions=[IN_SHOP])),
    Case("exception-everywhere", old_exception("*", namespaces=[]), old_exception("*")),
    Case(
        "exception-misses-autogen",
        old_exception("x"),
        old_exception("x", "autogen-x", "autogen-cronjob-x"),
    ),
    Case("exception-without-end", but(exception(), "spec/expiresAt", None), exception()),
)
