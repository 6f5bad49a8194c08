"""Kinds, versions and fields that are going away, or that drop what is written into them."""

from collections.abc import Iterator

from policies.domain.lint.policy import Family, Policy
from policies.domain.lint.records import Lint, Severity, Spot
from policies.domain.lint.versions import Facts, known_before, known_from, maybe_from

_OLD_FIELDS = {
    "failurePolicy": "webhookConfiguration.failurePolicy",
    "webhookTimeoutSeconds": "webhookConfiguration.timeoutSeconds",
    "schemaValidation": "nothing: it has no effect",
}


def old_generation(policy: Policy, facts: Facts) -> Iterator[Spot]:
    """A kind of the kyverno.io generation."""
    # For a policy of ours the kind was chosen with the cluster, and is offered to be changed there.
    if policy.group == "kyverno.io" and not policy.is_ours:
        if known_before(facts.kyverno, (1, 14, 0)):
            return  # there is nothing to move to
        warned = known_from(facts.kyverno, (1, 17, 0))
        yield Spot(("kind",), severity=Severity.WARNING if warned else None)


def thin_version(policy: Policy, _facts: Facts) -> Iterator[Spot]:
    """ClusterPolicy or Policy as v2beta1."""
    if policy.family is Family.RULES and policy.version == "v2beta1":
        loses = any("allowExistingViolations" in rule.validate for rule in policy.validating)
        detail = "Here allowExistingViolations is lost." if loses else ""
        yield Spot(("apiVersion",), detail, Severity.ERROR if loses else None)


def old_cel_version(policy: Policy, facts: Facts) -> Iterator[Spot]:
    """v1alpha1 or v1beta1 of a CEL kind on a Kyverno that serves v1."""
    if policy.group != "policies.kyverno.io" or policy.is_ours or policy.version == "v1":
        return
    if maybe_from(facts.kyverno, (1, 17, 0)):
        early = policy.version == "v1alpha1"
        yield Spot(("apiVersion",), severity=None if early else Severity.INFO)


def old_exception_version(policy: Policy, _facts: Facts) -> Iterator[Spot]:
    """A kyverno.io PolicyException before v2."""
    if (
        policy.family is Family.EXCEPTION
        and policy.group == "kyverno.io"
        and policy.version != "v2"
    ):
        yield Spot(("apiVersion",))


def old_fields(policy: Policy, _facts: Facts) -> Iterator[Spot]:
    """Fields of the spec that have a successor."""
    if policy.family is Family.RULES:
        for field, successor in _OLD_FIELDS.items():
            if field in policy.spec:
                yield Spot(("spec", field), f"Its successor is {successor}.")


def assert_without_effect(policy: Policy, facts: Facts) -> Iterator[Spot]:
    """`validate.assert`."""
    if maybe_from(facts.kyverno, (1, 19, 0)):
        for rule in policy.validating:
            if "assert" in rule.validate:
                yield Spot((*rule.steps, "validate", "assert"))


LINTS = (
    Lint(
        id="old-generation",
        severity=Severity.INFO,
        title="The kyverno.io kinds are deprecated",
        what_happens="Kyverno 1.19 still enforces them and answers each write with a warning. What"
        " follows is planned and not settled: writes refused first, then policies that are stored"
        " and no longer carried out.",
        since="Deprecated since Kyverno 1.17; removal planned for 1.20.",
        fix="Move to ValidatingPolicy where Kyverno is 1.17 or newer.",
        references=("E12", "T7", "1.12"),
        find=old_generation,
    ),
    Lint(
        id="thin-api-version",
        severity=Severity.WARNING,
        title="This API version drops fields",
        what_happens="v2beta1 has a thinner schema than v1: what it does not know is gone after"
        " the write, allowExistingViolations for one.",
        since="Kyverno 1.13 to 1.19.",
        fix="Write kyverno.io/v1.",
        references=("T26", "1.2"),
        find=thin_version,
    ),
    Lint(
        id="old-cel-version",
        severity=Severity.WARNING,
        title="There is a newer version of this API",
        what_happens="It is still served. v1alpha1 is marked as deprecated and will be the first"
        " to go.",
        since="v1beta1 since Kyverno 1.16, v1 since 1.17.",
        fix="Write policies.kyverno.io/v1 where Kyverno is 1.17 or newer.",
        references=("1.4", "T26"),
        find=old_cel_version,
    ),
    Lint(
        id="old-exception-version",
        severity=Severity.WARNING,
        title="There is a newer version of this exception",
        what_happens="kyverno.io/v2beta1 is still served and marked as deprecated.",
        since="Deprecated in Kyverno 1.13 to 1.19.",
        fix="Write kyverno.io/v2.",
        references=("1.7",),
        find=old_exception_version,
    ),
    Lint(
        id="old-field",
        severity=Severity.INFO,
        title="This field has a successor",
        what_happens="It still counts, and may not stand beside its successor: with both the"
        " policy is refused.",
        since="Deprecated in Kyverno 1.13 to 1.19.",
        fix="Move the value to the successor.",
        references=("2.8",),
        find=old_fields,
    ),
    Lint(
        id="assert-without-effect",
        severity=Severity.ERROR,
        title="validate.assert does nothing",
        what_happens="The rule is accepted and judges nothing any more.",
        since="Kyverno 1.19.",
        fix="Write the demand as CEL.",
        references=("1.18",),
        find=assert_without_effect,
    ),
)
