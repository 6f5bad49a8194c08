"""All lints, and the one function that asks each of them."""

from collections.abc import Mapping
from typing import Any

from policies.domain.lint import (
    actions,
    apparmor,
    cel,
    conditions,
    containers,
    coverage,
    deprecated,
    exceptions,
    match,
    overrides,
    pattern,
    profiles,
    reporting,
)
from policies.domain.lint.policy import Policy
from policies.domain.lint.reading import written
from policies.domain.lint.records import SEVERITIES, Lint, LintFinding, Spot
from policies.domain.lint.versions import UNKNOWN, Facts

LINTS: tuple[Lint, ...] = (
    *pattern.LINTS,
    *conditions.LINTS,
    *cel.LINTS,
    *containers.LINTS,
    *apparmor.LINTS,
    *profiles.LINTS,
    *actions.LINTS,
    *overrides.LINTS,
    *match.LINTS,
    *coverage.LINTS,
    *reporting.LINTS,
    *deprecated.LINTS,
    *exceptions.LINTS,
)


def lint(manifest: Mapping[str, Any], facts: Facts = UNKNOWN) -> tuple[LintFinding, ...]:
    """Find what is wrong with a policy: worst first, then in the order of the catalogue and of the text.

    The manifest may be odd in any way; what is no policy gives nothing.
    """
    policy = Policy(manifest)
    found = [
        _finding(policy, each, spot)
        for each in LINTS
        for spot in dict.fromkeys(each.find(policy, facts))
    ]
    return tuple(sorted(found, key=lambda f: SEVERITIES.index(f.severity)))


def _finding(policy: Policy, each: Lint, spot: Spot) -> LintFinding:
    return LintFinding(
        id=each.id,
        severity=spot.severity or each.severity,
        title=each.title,
        path=written(spot.steps),
        rule=policy.rule_at(spot.steps),
        what_happens=each.what_happens,
        detail=spot.detail,
        since=each.since,
        fix=each.fix,
        references=each.references,
        steps=spot.steps,
    )
