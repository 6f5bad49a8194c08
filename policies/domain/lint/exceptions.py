"""Flaws of PolicyExceptions: wider than they look, narrower than they look, and without an end."""

from collections.abc import Iterator

from policies.domain.lint.policy import Family, Policy
from policies.domain.lint.reading import items, mapping, mappings, words
from policies.domain.lint.records import Lint, Severity, Spot
from policies.domain.lint.versions import Facts

_NARROWING = ("namespaces", "names", "name", "selector", "namespaceSelector", "annotations")


def exempts_everything(policy: Policy, _facts: Facts) -> Iterator[Spot]:
    """Nothing narrows the exception down."""
    if policy.family is not Family.EXCEPTION:
        return
    if policy.group == "policies.kyverno.io":
        if not items(policy.spec.get("matchConditions")):
            yield Spot(("spec",))
        return
    match = mapping(policy.spec.get("match"))
    for quantifier in ("any", "all"):
        for place, block in mappings(match.get(quantifier)):
            resources = mapping(block.get("resources"))
            if not any(resources.get(field) for field in _NARROWING):
                yield Spot(("spec", "match", quantifier, place))


def misses_autogen(policy: Policy, _facts: Facts) -> Iterator[Spot]:
    """A rule is named without its generated rules."""
    if policy.family is not Family.EXCEPTION:
        return
    for place, entry in mappings(policy.spec.get("exceptions")):
        names = words(entry.get("ruleNames"))
        plain = [n for n in names if not n.startswith("autogen-") and "*" not in n]
        covered = set(names)
        if (
            any({f"autogen-{n}", f"autogen-cronjob-{n}"} - covered for n in plain)
            and "*" not in names
        ):
            yield Spot(("spec", "exceptions", place, "ruleNames"))


def without_end(policy: Policy, _facts: Facts) -> Iterator[Spot]:
    """No end is written."""
    if policy.family is Family.EXCEPTION and "expiresAt" not in policy.spec:
        yield Spot(("spec",))


LINTS = (
    Lint(
        id="exception-everywhere",
        severity=Severity.ERROR,
        title="The exception holds in the whole cluster",
        what_happens="The namespace that an exception lies in does not limit it. Without a"
        " condition it exempts every object of the kinds in every namespace.",
        since="All versions, where exceptions are switched on.",
        fix="Name the namespaces and workloads that it is for.",
        references=("T9", "4.10"),
        find=exempts_everything,
    ),
    Lint(
        id="exception-misses-autogen",
        severity=Severity.WARNING,
        title="The exception does not cover the generated rules",
        what_happens="The pod is exempt, its Deployment or CronJob is still refused: autogen's"
        " rules have names of their own.",
        since="kyverno.io exceptions, all versions.",
        fix="Name autogen-<rule> and autogen-cronjob-<rule> as well.",
        references=("4.2", "V11"),
        find=misses_autogen,
    ),
    Lint(
        id="exception-without-end",
        severity=Severity.INFO,
        title="The exception has no end",
        what_happens="It stays until somebody remembers it.",
        since="expiresAt exists since Kyverno 1.19; it is not punctual, and scans ignore it.",
        fix="Ask for an exception with an end here: secprof takes it away on every version.",
        references=("T34", "4.1"),
        find=without_end,
    ),
)
