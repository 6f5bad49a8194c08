"""Flaws in what a policy matches: kinds that nobody judges, a match that Kyverno reads otherwise, and the object's own head."""

from collections.abc import Iterator

from policies.domain.lint.policy import (
    AUTOGEN_ANNOTATION,
    CLUSTER_SCOPED,
    CONTROLLERS,
    Family,
    Policy,
)
from policies.domain.lint.reading import mapping, word
from policies.domain.lint.records import Lint, Severity, Spot
from policies.domain.lint.versions import Facts


def mixed_kinds(policy: Policy, _facts: Facts) -> Iterator[Spot]:
    """Pod beside other kinds in one list."""
    for rule in policy.rules:
        for block in rule.matches:
            if "Pod" in block.kinds and len(block.kinds) > 1:
                yield Spot((*block.steps, "kinds"))


def match_stops_autogen(policy: Policy, _facts: Facts) -> Iterator[Spot]:
    """A name, a selector or an annotation in a match or an exclude of a policy on pods."""
    if not any("Pod" in rule.kinds for rule in policy.rules):
        return
    for rule in policy.rules:
        for block in (*rule.matches, *rule.excludes):
            for field in ("name", "names", "selector", "annotations"):
                if block.resources.get(field):
                    yield Spot((*block.steps, field))


def autogen_by_annotation(policy: Policy, _facts: Facts) -> Iterator[Spot]:
    """The annotation that turns generated rules off, or leaves CronJob out."""
    asked = policy.annotations.get(AUTOGEN_ANNOTATION)
    is_asked = policy.family is Family.RULES and isinstance(asked, str)
    if is_asked and "CronJob" not in str(asked) and asked != "all":
        yield Spot(("metadata", "annotations", AUTOGEN_ANNOTATION))


def cronjob_not_judged(policy: Policy, _facts: Facts) -> Iterator[Spot]:
    """Controllers of pods are listed by hand, and CronJob is not among them."""
    for rule in policy.validating:
        if _lists_controllers(policy, rule.kinds) and "CronJob" not in rule.kinds:
            yield Spot(_kinds_of(rule.matches[0].steps))


def controllers_not_judged(policy: Policy, _facts: Facts) -> Iterator[Spot]:
    """Controllers of pods are listed by hand, and some beside CronJob are missing."""
    for rule in policy.validating:
        if _lists_controllers(policy, rule.kinds):
            missing = [k for k in CONTROLLERS if k not in rule.kinds and k != "CronJob"]
            if missing:
                yield Spot(_kinds_of(rule.matches[0].steps), f"Missing: {', '.join(missing)}.")


def pods_judged_again(policy: Policy, _facts: Facts) -> Iterator[Spot]:
    """Pod and its controllers are both matched, so that one flaw is reported at each level."""
    for rule in policy.validating:
        if "Pod" in rule.kinds and any(kind in CONTROLLERS for kind in rule.kinds):
            yield Spot(_kinds_of(rule.matches[0].steps))


def match_without_any(policy: Policy, _facts: Facts) -> Iterator[Spot]:
    """`match.resources` or `exclude.resources` without `any` or `all`."""
    for rule in policy.rules:
        for field in ("match", "exclude"):
            if "resources" in mapping(rule.body.get(field)):
                yield Spot((*rule.steps, field, "resources"))


def namespace_on_cluster_policy(policy: Policy, _facts: Facts) -> Iterator[Spot]:
    """`metadata.namespace` on a kind that has none."""
    if policy.kind in CLUSTER_SCOPED and word(policy.metadata.get("namespace")):
        yield Spot(("metadata", "namespace"))


def nothing_matched(policy: Policy, _facts: Facts) -> Iterator[Spot]:
    """A rule whose match names no kind, or a CEL policy without a resource rule."""
    for rule in policy.validating:
        if not rule.kinds:
            yield Spot((*rule.steps, "match") if "match" in rule.body else rule.steps)
    if policy.family is Family.CEL and not policy.resources:
        yield Spot(("spec", "matchConstraints"))


def _lists_controllers(policy: Policy, kinds: tuple[str, ...]) -> bool:
    by_hand = any(kind in CONTROLLERS for kind in kinds)
    return by_hand and not ("Pod" in kinds and policy.has_autogen) and "*" not in kinds


def _kinds_of(steps: tuple[str | int, ...]) -> tuple[str | int, ...]:
    return (*steps, "kinds")


LINTS = (
    Lint(
        id="mixed-kinds",
        severity=Severity.WARNING,
        title="Pod stands beside other kinds, which switches autogen off",
        what_happens="Kyverno generates rules for the controllers of pods only when every match"
        " that names Pod names nothing else. Here it generates none, for the whole policy: the"
        " kinds that are not listed are not judged, and each rule has to know every path itself.",
        since="All versions of Kyverno with autogen.",
        fix="Match Pod alone and let Kyverno add the rules for controllers, CronJob included; or"
        " write a rule per path.",
        references=("E5", "2.41"),
        find=mixed_kinds,
    ),
    Lint(
        id="match-stops-autogen",
        severity=Severity.WARNING,
        title="A name, selector or annotation in the match switches autogen off",
        what_happens="The whole policy judges pods only: a Deployment or CronJob that breaks it is"
        " admitted, and its pods fail later, where no person looks.",
        since="All versions of Kyverno with autogen.",
        fix="Choose by namespace or namespaceSelector, which keep autogen, or use a precondition.",
        references=("T14", "2.41"),
        find=match_stops_autogen,
    ),
    Lint(
        id="autogen-by-annotation",
        severity=Severity.WARNING,
        title="The autogen annotation leaves controllers out",
        what_happens="Rules are generated for none, or only for some, of the controllers of pods;"
        " at least CronJob is not judged before it runs.",
        since="All versions of Kyverno with autogen.",
        fix="Take the annotation away, unless the rule makes no sense for templates.",
        references=("T14", "2.40"),
        find=autogen_by_annotation,
    ),
    Lint(
        id="cronjob-not-judged",
        severity=Severity.WARNING,
        title="CronJob is not judged",
        what_happens="A CronJob that breaks the policy is admitted. It fails at each of its runs,"
        " when its Job or Pod is created, and not when somebody applies it.",
        since="All versions.",
        fix="Match Pod alone: autogen then covers CronJob at its own path.",
        references=("E8", "E5"),
        find=cronjob_not_judged,
    ),
    Lint(
        id="controllers-not-judged",
        severity=Severity.INFO,
        title="Some controllers of pods are not judged",
        what_happens="Objects of the kinds that are not listed are admitted whatever their"
        " template says; only their pods are judged.",
        since="All versions.",
        fix="Match Pod alone, and let autogen cover all controllers.",
        references=("E5",),
        find=controllers_not_judged,
    ),
    Lint(
        id="pods-judged-again",
        severity=Severity.INFO,
        title="A workload is reported once for each level",
        what_happens="The pods that a matched controller makes are judged again as pods. That is"
        " sound as a defence, and it is no double match; but one bad template counts once for the"
        " controller and once for each pod in the reports.",
        since="All versions.",
        fix="Leave it, and count workloads by their top owner.",
        references=("E6", "T20"),
        find=pods_judged_again,
    ),
    Lint(
        id="match-without-any",
        severity=Severity.INFO,
        title="The match has no `any` or `all`",
        what_happens="It is accepted and works, and the API marks the form as deprecated.",
        since="Marked as deprecated in the API of Kyverno 1.10 to 1.19.",
        fix="Write match.any[].resources.",
        references=("E4",),
        find=match_without_any,
    ),
    Lint(
        id="namespace-on-cluster-policy",
        severity=Severity.WARNING,
        title="A cluster-scoped policy has a namespace",
        what_happens="The API server drops the namespace without a word. Kyverno's own command"
        " line skips the whole policy, so that a test in CI passes by testing nothing.",
        since="The command line refuses it since Kyverno 1.17.",
        fix="Take metadata.namespace away.",
        references=("E1",),
        find=namespace_on_cluster_policy,
    ),
    Lint(
        id="nothing-matched",
        severity=Severity.ERROR,
        title="It matches no kind at all",
        what_happens="A ValidatingPolicy of this form is refused when it is written, and a rule"
        " of this form judges nothing.",
        since="All versions.",
        fix="Name the kinds: Pod for a rule, pods for a resource rule.",
        references=("3.5",),
        find=nothing_matched,
    ),
)
