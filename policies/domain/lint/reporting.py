"""Flaws that empty or bend the reports: what is not looked at in the background, suppressed, or not scored."""

from collections.abc import Iterator

from policies.domain.lint.policy import Family, Policy
from policies.domain.lint.reading import mapping, mappings, words
from policies.domain.lint.records import Lint, Severity, Spot
from policies.domain.lint.versions import Facts

_DISABLED = "reports.kyverno.io/disabled"
_SCORED = "policies.kyverno.io/scored"


def background_off(policy: Policy, _facts: Facts) -> Iterator[Spot]:
    """Background scans are switched off."""
    # The twin of a variant is quiet on purpose: its Audit policy reports.
    if policy.is_ours:
        return
    if policy.family is Family.RULES and policy.spec.get("background") is False:
        yield Spot(("spec", "background"))
    evaluation = mapping(policy.spec.get("evaluation"))
    if (
        policy.family is Family.CEL
        and mapping(evaluation.get("background")).get("enabled") is False
    ):
        yield Spot(("spec", "evaluation", "background", "enabled"))


def reports_disabled(policy: Policy, _facts: Facts) -> Iterator[Spot]:
    """The label that suppresses reports."""
    if _DISABLED in policy.labels and policy.family in (Family.RULES, Family.CEL):
        yield Spot(("metadata", "labels", _DISABLED))


def not_scored(policy: Policy, _facts: Facts) -> Iterator[Spot]:
    """The annotation that turns fail into warn."""
    if str(policy.annotations.get(_SCORED, "")).lower() == "false":
        yield Spot(("metadata", "annotations", _SCORED))


def update_only(policy: Policy, _facts: Facts) -> Iterator[Spot]:
    """Operations without CREATE."""
    if policy.is_ours:
        return  # the companion judges an update by its nature
    for rule in policy.validating:
        for block in rule.matches:
            stated = words(block.resources.get("operations"))
            if stated and "CREATE" not in stated:
                yield Spot((*block.steps, "operations"))
    if policy.family is Family.CEL and not all("/" in r for r in policy.resources):
        match = mapping(policy.spec.get("matchConstraints"))
        for place, entry in mappings(match.get("resourceRules")):
            stated = words(entry.get("operations"))
            if stated and not {"CREATE", "*"}.intersection(stated):
                yield Spot(("spec", "matchConstraints", "resourceRules", place, "operations"))


LINTS = (
    Lint(
        id="background-off",
        severity=Severity.WARNING,
        title="What already runs is never reported",
        what_happens="Without background scans only new requests leave results. No failing result"
        " then says nothing about the workloads that are there, and no readiness can be read from it.",
        since="All versions.",
        fix="Leave background scans on for a policy in Audit.",
        references=("5.30", "T6"),
        find=background_off,
    ),
    Lint(
        id="reports-disabled",
        severity=Severity.WARNING,
        title="A label suppresses the reports of this policy",
        what_happens="It judges and reports nothing: an empty report looks like a clean one.",
        since="All versions that know the label.",
        fix="Take the label away while the policy is in Audit.",
        references=("9.8",),
        find=reports_disabled,
    ),
    Lint(
        id="not-scored",
        severity=Severity.WARNING,
        title="Failing results are reported as warnings",
        what_happens="With this annotation every fail becomes a warn. Whoever counts fails counts"
        " none.",
        since="All versions.",
        fix="Take the annotation away, or count warn as fail.",
        references=("T20", "9.7"),
        find=not_scored,
    ),
    Lint(
        id="never-in-background",
        severity=Severity.WARNING,
        title="Background scans cannot judge this",
        what_happens="They evaluate each object as if it were created. What matches no CREATE gets"
        " no result from them.",
        since="All versions.",
        fix="Add CREATE to the operations.",
        references=("5.29",),
        find=update_only,
    ),
)
