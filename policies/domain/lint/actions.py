"""Flaws of the failure action: words that are refused or mean something else, and denying too early or too much."""

from collections.abc import Iterator

from policies.domain.lint.effects import (
    ACTION,
    SPEC_ACTION,
    cel_actions,
    denies_everywhere,
    has_exemptions,
)
from policies.domain.lint.policy import Family, Policy
from policies.domain.lint.reading import everything, items, mapping, word
from policies.domain.lint.records import Lint, Severity, Spot
from policies.domain.lint.versions import Facts

_LOWER = ("audit", "enforce")


def lower_case_action(policy: Policy, _facts: Facts) -> Iterator[Spot]:
    """`enforce` or `audit` in small letters, at the policy."""
    if policy.family is Family.RULES and policy.spec.get(SPEC_ACTION) in _LOWER:
        yield Spot(("spec", SPEC_ACTION))


def refused_action(policy: Policy, _facts: Facts) -> Iterator[Spot]:
    """A word that the API refuses, at a rule or a CEL policy."""
    for rule in policy.validating:
        stated = rule.validate.get(ACTION)
        if isinstance(stated, str) and stated not in ("Audit", "Enforce"):
            yield Spot((*rule.steps, "validate", ACTION))
    if policy.family is Family.CEL:
        for place, stated in enumerate(items(policy.spec.get("validationActions"))):
            if stated not in ("Audit", "Deny", "Warn"):
                yield Spot(("spec", "validationActions", place))


def spec_level_action(policy: Policy, _facts: Facts) -> Iterator[Spot]:
    """The action stands at the policy and not at its rules."""
    stated = word(policy.spec.get(SPEC_ACTION))
    # The API fills in Audit by itself: in a stored policy that says nothing about who wrote it.
    is_default = stated == "Audit" and policy.is_stored
    if not stated or is_default:
        return
    if any(ACTION not in rule.validate for rule in policy.validating):
        yield Spot(("spec", SPEC_ACTION))


def enforce_at_start(policy: Policy, _facts: Facts) -> Iterator[Spot]:
    """It denies in every namespace at once."""
    if not denies_everywhere(policy):
        return
    if policy.family is Family.CEL:
        stated = "validationActions" in policy.spec
        yield Spot(("spec", "validationActions") if stated else ("spec",))
    elif SPEC_ACTION in policy.spec and not any(ACTION in r.validate for r in policy.validating):
        yield Spot(("spec", SPEC_ACTION))
    else:
        for rule in policy.validating:
            if word(rule.validate.get(ACTION)).lower() == "enforce":
                yield Spot((*rule.steps, "validate", ACTION))


def actions_missing(policy: Policy, _facts: Facts) -> Iterator[Spot]:
    """A ValidatingPolicy without validationActions."""
    if policy.family is Family.CEL and not items(policy.spec.get("validationActions")):
        yield Spot(
            ("spec", "validationActions") if "validationActions" in policy.spec else ("spec",)
        )


def nothing_exempt(policy: Policy, _facts: Facts) -> Iterator[Spot]:
    """It denies everywhere and leaves nothing out by itself."""
    if denies_everywhere(policy) and not has_exemptions(policy):
        yield Spot(("spec",))


def frozen_objects(policy: Policy, _facts: Facts) -> Iterator[Spot]:
    """It denies updates of what already fails."""
    if policy.family is Family.CEL:
        subresources = bool(policy.resources) and all("/" in r for r in policy.resources)
        judges_edits = "oldObject" not in everything(policy.spec.get("matchConditions"))
        if "Deny" in cel_actions(policy) and judges_edits and not subresources:
            yield Spot(
                ("spec", "matchConditions" if "matchConditions" in policy.spec else "validations")
            )
        return
    for rule in policy.validating:
        if word(rule.validate.get(ACTION) or policy.spec.get(SPEC_ACTION)).lower() != "enforce":
            continue
        if rule.cel and "oldObject" not in everything(rule.body.get("celPreconditions")):
            yield Spot((*rule.steps, "validate", "cel"))
        if rule.validate.get("allowExistingViolations") is False and not rule.cel:
            yield Spot((*rule.steps, "validate", "allowExistingViolations"))


def admission_off(policy: Policy, _facts: Facts) -> Iterator[Spot]:
    """Admission is switched off."""
    if policy.family is Family.RULES and policy.spec.get("admission") is False:
        yield Spot(("spec", "admission"))
    evaluation = mapping(policy.spec.get("evaluation"))
    if policy.family is Family.CEL and mapping(evaluation.get("admission")).get("enabled") is False:
        yield Spot(("spec", "evaluation", "admission", "enabled"))


LINTS = (
    Lint(
        id="lower-case-action",
        severity=Severity.WARNING,
        title="The failure action is written in small letters",
        what_happens="At the policy Kyverno still takes it, with a warning at each write. Copied"
        " to the field that replaces this one, validate.failureAction, the same word is refused.",
        since="Warned about since Kyverno 1.10; the rule's field (1.13) takes capitals only.",
        fix="Write Audit or Enforce.",
        references=("E2", "2.1", "2.3"),
        find=lower_case_action,
    ),
    Lint(
        id="refused-action",
        severity=Severity.ERROR,
        title="The API refuses this action",
        what_happens="The policy cannot be written at all: the field takes Audit and Enforce at a"
        " rule, and Audit, Deny and Warn in a CEL policy, in exactly this spelling.",
        since="failureAction since Kyverno 1.13, validationActions since 1.14.",
        fix="Write one of the words that the field takes.",
        references=("E2", "2.3"),
        find=refused_action,
    ),
    Lint(
        id="spec-level-action",
        severity=Severity.WARNING,
        title="The failure action stands at the policy, where it is deprecated",
        what_happens="It works until it is removed. Together with actions at rules or with"
        " overrides it is read differently in two places of Kyverno.",
        since="Deprecated since Kyverno 1.13.",
        fix="Write validate.failureAction on each rule.",
        references=("E2", "2.1"),
        find=spec_level_action,
    ),
    Lint(
        id="enforce-at-start",
        severity=Severity.WARNING,
        title="It denies in all namespaces from the first second",
        what_happens="Whatever fails is refused as soon as this is applied: new pods of old"
        " workloads, pods after a drain, the next run of a CronJob. Nobody saw a report before.",
        since="All versions.",
        fix="Start in Audit, read the reports, then enforce namespace by namespace.",
        references=("E3",),
        find=enforce_at_start,
    ),
    Lint(
        id="actions-missing",
        severity=Severity.ERROR,
        title="Without validationActions the policy denies",
        what_happens="An absent or empty list means Deny, not Audit; the API fills in nothing, so"
        " that it is not seen in the stored object either.",
        since="All versions with ValidatingPolicy (Kyverno 1.14).",
        fix="Write validationActions: [Audit, Warn], and never remove the field to reset it.",
        references=("T1", "3.2"),
        find=actions_missing,
    ),
    Lint(
        id="nothing-exempt",
        severity=Severity.INFO,
        title="It denies everywhere and exempts nothing by itself",
        what_happens="Agents for network, storage and nodes often need to be privileged or"
        " Unconfined. Only Kyverno's own filters keep kube-system and its own namespace out, and"
        " those are settings of the cluster that somebody may have changed.",
        since="All versions; the filters stand in Kyverno's ConfigMap.",
        fix="Name the namespaces that are enforced, or write exceptions with an end.",
        references=("E11", "T11"),
        find=nothing_exempt,
    ),
    Lint(
        id="frozen-objects",
        severity=Severity.WARNING,
        title="What already fails can no longer be edited",
        what_happens="Under a denying policy an update of an object that already fails is refused,"
        " whatever was changed: a label, the number of replicas, a finalizer. CEL rules know no"
        " allowance for existing failures.",
        since="CEL rules: all versions. allowExistingViolations exists since Kyverno 1.13.",
        fix="Judge only what changed: a condition `request.operation == 'CREATE' || object.spec !="
        " oldObject.spec`.",
        references=("V4", "2.29", "T5"),
        find=frozen_objects,
    ),
    Lint(
        id="admission-off",
        severity=Severity.WARNING,
        title="Admission is switched off",
        what_happens="Requests are not judged, so nothing is refused and nobody is warned,"
        " whatever the action says; only background reports remain.",
        since="All versions that have the field.",
        fix="Take the field away, or set it to true.",
        references=("T12", "5.35"),
        find=admission_off,
    ),
)
