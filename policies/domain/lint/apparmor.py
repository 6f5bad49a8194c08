"""Flaws of policies about AppArmor: annotations where there are fields, and annotations of the wrong object."""

import re
from collections.abc import Iterator

from policies.domain.lint.policy import CONTROLLERS, Family, Policy, Rule
from policies.domain.lint.reading import anchor_of, bare, first_key, first_read, keys, mapping
from policies.domain.lint.records import Lint, Severity, Spot
from policies.domain.lint.versions import Facts, known_before, maybe_from

PREFIX = "container.apparmor.security.beta.kubernetes.io"
_ANNOTATIONS = (PREFIX, "seccomp.security.alpha.kubernetes.io")
_LITERAL_LOCALHOST = re.compile(r"['\"]localhost/\*['\"]")
_OWN_ANNOTATIONS = re.compile(r"\bobject\.\??metadata\.\??annotations\b")


def annotation_only(policy: Policy, facts: Facts) -> Iterator[Spot]:
    """The annotation is read and the field is not."""
    reads = PREFIX in policy.mentions and "appArmorProfile" not in policy.mentions
    if not reads or not maybe_from(facts.kubernetes, (1, 30, 0)):
        return
    for rule in policy.validating:
        if at := first_read(rule.body, PREFIX, rule.steps):
            yield Spot(at)
    is_cel = policy.family in (Family.CEL, Family.NATIVE)
    if is_cel and (at := first_read(policy.spec, PREFIX, ("spec",))):
        yield Spot(at)


def controller_annotations(policy: Policy, _facts: Facts) -> Iterator[Spot]:
    """A controller is matched, and the annotations of its own metadata are judged."""
    for rule in policy.validating:
        if _judges_controllers_itself(policy, rule):
            yield from _own_annotations(rule)
    controllers = {f"{kind.lower()}s" for kind in CONTROLLERS}
    if policy.family in (Family.CEL, Family.NATIVE) and controllers.intersection(policy.resources):
        for found in policy.expressions:
            if _OWN_ANNOTATIONS.search(found.text) and any(
                a in policy.mentions for a in _ANNOTATIONS
            ):
                yield Spot(found.steps)


def _judges_controllers_itself(policy: Policy, rule: Rule) -> bool:
    named = any(kind in CONTROLLERS for kind in rule.kinds)
    return named and any(prefix in rule.mentions for prefix in _ANNOTATIONS)


def _own_annotations(rule: Rule) -> Iterator[Spot]:
    for steps, pattern in rule.patterns:
        for key, below in mapping(pattern).items():
            at = (*steps, str(key))
            if bare(str(key)) == "metadata" and any(
                a in k for _s, k in keys(below) for a in _ANNOTATIONS
            ):
                yield Spot(first_key(below, "annotations", at))
    for at, text in rule.texts:
        if _OWN_ANNOTATIONS.search(text) and any(prefix in text for prefix in _ANNOTATIONS):
            yield Spot(at)


def annotation_required(policy: Policy, _facts: Facts) -> Iterator[Spot]:
    """A pattern demands an AppArmor annotation."""
    for rule in policy.validating:
        for steps, pattern in rule.patterns:
            for at, key in keys(pattern, steps):
                inner = [s for s in at[len(steps) :] if isinstance(s, str)]
                if PREFIX in key and all(anchor_of(step)[0] is None for step in inner):
                    yield Spot(at)


def literal_localhost(policy: Policy, _facts: Facts) -> Iterator[Spot]:
    """CEL compares with the text `localhost/*`."""
    for found in policy.expressions:
        if _LITERAL_LOCALHOST.search(found.text):
            yield Spot(found.steps)


def old_pod_security(policy: Policy, facts: Facts) -> Iterator[Spot]:
    """podSecurity on a Kyverno whose library does not know the AppArmor field."""
    old = known_before(facts.kyverno, (1, 13, 0))
    if old or facts.kyverno is None:
        for rule in policy.validating:
            if "podSecurity" in rule.validate:
                steps = (*rule.steps, "validate", "podSecurity")
                yield Spot(steps, severity=None if old else Severity.INFO)


LINTS = (
    Lint(
        id="apparmor-annotation-only",
        severity=Severity.ERROR,
        title="Only the AppArmor annotation is read, the field never",
        what_happens="On 1.30 to 1.33 the API server copies the field of a pod into the annotation,"
        " but never that of a template: Deployments that set the field are judged as if they had"
        " nothing. Since 1.34 it is not copied for pods either. A rule that requires refuses good"
        " pods, and one that denies lets Unconfined pass.",
        since="The field exists since Kubernetes 1.30; the copy ended with 1.34.",
        fix="Read securityContext.appArmorProfile first, of pod and containers, and the annotation"
        " as the older way to say the same.",
        references=("E32", "T32"),
        find=annotation_only,
    ),
    Lint(
        id="controller-annotations",
        severity=Severity.ERROR,
        title="The annotations of a controller are judged, not those of its template",
        what_happens="What stands at a Deployment's own metadata never reaches its pods. One with"
        " the annotation there passes while its template says unconfined, and one with the right"
        " template is refused.",
        since="All versions.",
        fix="Match Pod alone: autogen turns metadata into the template's metadata.",
        references=("E33", "E45"),
        find=controller_annotations,
    ),
    Lint(
        id="apparmor-annotation-required",
        severity=Severity.INFO,
        title="Pods that AppArmor confines by default are refused",
        what_happens="Where a node has AppArmor, a container without any setting gets the runtime's"
        " profile. The policy refuses it all the same, and so demands a statement, not protection.",
        since="All versions.",
        fix="Decide: require an explicit profile, or only deny Unconfined as the Pod Security"
        " Standards do.",
        references=("E35",),
        find=annotation_required,
    ),
    Lint(
        id="localhost-wildcard-literal",
        severity=Severity.ERROR,
        title="CEL takes `localhost/*` literally",
        what_happens="No annotation has this value, so every real `localhost/name` is refused. The"
        " public chart's AppArmor policy for ValidatingPolicy does this.",
        since="All versions.",
        fix="Use startsWith('localhost/'), or a list of names.",
        references=("8.21", "T32"),
        find=literal_localhost,
    ),
    Lint(
        id="pod-security-without-apparmor-field",
        severity=Severity.WARNING,
        title="Before Kyverno 1.13 podSecurity does not know the AppArmor field",
        what_happens="Its library then reads the annotation alone: a pod with the field set to"
        " Unconfined passes the baseline and the restricted level.",
        since="Up to Kyverno 1.12; known from 1.13 on.",
        fix="Upgrade Kyverno, or add a rule on securityContext.appArmorProfile.",
        references=("3.1",),
        find=old_pod_security,
    ),
)
