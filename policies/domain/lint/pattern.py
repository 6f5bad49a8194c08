"""Flaws of patterns: keys that stand for nothing, and shapes that no object can meet."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from policies.domain.lint.policy import CONTROLLERS, Policy, Rule
from policies.domain.lint.reading import Steps, anchor_of, bare, keys, mapping
from policies.domain.lint.records import Lint, Severity, Spot
from policies.domain.lint.versions import Facts

_OWN_KEYS = {
    "Pod": frozenset({"template", "jobTemplate"}),
    "CronJob": frozenset({"template", "containers", "initContainers", "securityContext"}),
    **{
        kind: frozenset({"jobTemplate", "containers", "initContainers", "securityContext"})
        for kind in CONTROLLERS
        if kind != "CronJob"
    },
}
"""By kind: keys that its spec never has."""


def literal_question_key(policy: Policy, _facts: Facts) -> Iterator[Spot]:
    """A key that ends in `?` and is no anchor."""
    for _rule, steps, pattern in _patterns(policy):
        for at, key in keys(pattern, steps):
            if is_literal_question(at, key):
                yield Spot(at)


def is_literal_question(steps: Steps, key: str) -> bool:
    """Say whether a key ends in a question mark that Kyverno takes literally."""
    anchor, name = anchor_of(key)
    # In the names of labels and annotations `?` is a wildcard.
    in_metadata = any(bare(str(step)) in ("labels", "annotations") for step in steps[:-1])
    return anchor is None and name.endswith("?") and not in_metadata


def pattern_never_met(policy: Policy, _facts: Facts) -> Iterator[Spot]:
    """All branches of a pattern demand what a matched kind cannot have."""
    for rule in policy.validating:
        lost = [kind for kind in rule.kinds if rule.patterns and _is_lost(rule, kind)]
        if lost:
            steps = rule.patterns[0][0]
            whole = steps if steps[-1] == "pattern" else steps[:-1]
            yield Spot(whole, f"Denied whatever it says: every {_listed(lost)}.")


def _is_lost(rule: Rule, kind: str) -> bool:
    return all(_unmeetable(pattern, kind, ()) for _steps, pattern in rule.patterns)


def _unmeetable(pattern: object, kind: str, above: Steps) -> bool:
    if isinstance(pattern, str):
        return _contradicts_itself(pattern)
    if isinstance(pattern, list):
        return any(_unmeetable(item, kind, (*above, 0)) for item in pattern)
    return any(_key_unmeetable(k, v, kind, above) for k, v in mapping(pattern).items())


def _key_unmeetable(key: object, value: object, kind: str, above: Steps) -> bool:
    anchor, name = anchor_of(str(key))
    if anchor is not None:
        return False  # conditional, optional or forbidden: it may well be met by absence
    at = (*above, name)
    missing = is_literal_question(at, name) or (
        above == ("spec",) and name in _OWN_KEYS.get(kind, frozenset())
    )
    if missing:
        return _demands_something(value)
    return _unmeetable(value, kind, at)


def _demands_something(value: object) -> bool:
    """A null, or a negation, is met by a key that is not there."""
    if isinstance(value, Mapping):
        return any(anchor_of(str(key))[0] is None for key in value)
    return value is not None and not (isinstance(value, str) and value.strip().startswith("!"))


def _contradicts_itself(text: str) -> bool:
    """`a & b` with two different plain words."""
    parts = {part.strip() for part in text.split("&")}
    plain = {p for p in parts if p.isalnum() and not p.isdigit()}
    return "|" not in text and len(plain) > 1


def wildcard_annotation_key(policy: Policy, _facts: Facts) -> Iterator[Spot]:
    """A wildcard in the key of an annotation or label of a pattern."""
    for _rule, steps, pattern in _patterns(policy):
        for at, key in keys(pattern, steps):
            held_by = bare(str(at[-2])) if len(at) > 1 else ""
            if held_by in ("annotations", "labels") and any(c in bare(key) for c in "*?"):
                yield Spot(at)


def template_path_on_pods(policy: Policy, _facts: Facts) -> Iterator[Spot]:
    """A rule that matches only Pod asks for `spec.template`."""
    for rule in policy.validating:
        if rule.kinds != ("Pod",):
            continue
        for at, text in rule.texts:
            if "object.spec.template" in text or "object.spec.jobTemplate" in text:
                yield Spot(at)
        for steps, pattern in rule.patterns:
            for at, key in keys(pattern, steps):
                if bare(key) in ("template", "jobTemplate") and bare(str(at[-2])) == "spec":
                    yield Spot(at)


def pattern_names_no_container(policy: Policy, _facts: Facts) -> Iterator[Spot]:
    """A pattern over containers, whose failure names a path and no container."""
    for rule in policy.validating:
        if any(_has_containers(pattern) for _steps, pattern in rule.patterns):
            yield Spot((*rule.steps, "validate", "message"))


def _has_containers(pattern: object) -> bool:
    return any(bare(key).lower().endswith("containers") for _at, key in keys(pattern))


def _patterns(policy: Policy) -> Iterator[tuple[Rule, Steps, Any]]:
    for rule in policy.validating:
        for steps, pattern in rule.patterns:
            yield rule, steps, pattern


def _listed(kinds: Iterable[str]) -> str:
    return ", ".join(kinds)


LINTS = (
    Lint(
        id="literal-question-key",
        severity=Severity.ERROR,
        title="A key ends in `?`, which Kyverno takes literally",
        what_happens="A question mark does not make a key optional. The pattern demands a key of"
        " exactly this name, no object has one, and so this branch fails for every object.",
        since="All versions of Kyverno.",
        fix="Write an optional key as `=(key)`. For pods and their controllers no optional key is"
        " needed: match Pod alone, write the path of a pod, and let autogen do the rest.",
        references=("E14", "E23"),
        find=literal_question_key,
    ),
    Lint(
        id="pattern-never-met",
        severity=Severity.ERROR,
        title="The pattern cannot be met, so the rule denies everything",
        what_happens="Every branch demands a key that the matched objects cannot have. Under"
        " Enforce nothing of these kinds is admitted any more, good or bad; under Audit all of it"
        " is reported.",
        since="All versions of Kyverno.",
        fix="Write the path that the matched kind has: `spec.containers` for Pod,"
        " `spec.template.spec` for controllers, `spec.jobTemplate.spec.template.spec` for CronJob.",
        references=("E14", "E23"),
        find=pattern_never_met,
    ),
    Lint(
        id="wildcard-annotation-key",
        severity=Severity.ERROR,
        title="A wildcard key is compared with one annotation, at random",
        what_happens="Kyverno replaces the key by the first one that matches, from a map without"
        " an order. One good annotation satisfies it for all containers; with a good and a bad one"
        " the verdict changes from request to request.",
        since="All versions of Kyverno.",
        fix="Look the annotation up for each container by its own name, after the field; with CEL,"
        " over all annotations with the prefix.",
        references=("E34", "E39"),
        find=wildcard_annotation_key,
    ),
    Lint(
        id="template-path-on-pods",
        severity=Severity.ERROR,
        title="A rule for Pod asks for a template",
        what_happens="A pod has no `spec.template`, and autogen puts its own in front, so that"
        " the generated rules look at `spec.template.spec.template`. A deny condition never holds;"
        " a pattern denies every pod.",
        since="All versions of Kyverno with autogen.",
        fix="Write the path of a pod, and only that.",
        references=("E7",),
        find=template_path_on_pods,
    ),
    Lint(
        id="pattern-names-no-container",
        severity=Severity.INFO,
        title="A failure does not say which container is at fault",
        what_happens="A pattern that is not met answers with the path of the first field that"
        " failed, and with this message. The name of the container is not in it.",
        since="All versions of Kyverno.",
        fix="Use CEL or a foreach, whose message can name the container.",
        references=("E13",),
        find=pattern_names_no_container,
    ),
)
