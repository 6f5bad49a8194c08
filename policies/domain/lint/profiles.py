"""Flaws of values: dead annotations of seccomp, and Localhost profiles by paths that no kubelet takes."""

import re
from collections.abc import Iterator

from policies.domain.lint.containers import mentions_windows, units
from policies.domain.lint.intent import requires_profile
from policies.domain.lint.policy import Policy
from policies.domain.lint.reading import MESSAGES, bare, first_read, texts
from policies.domain.lint.records import Lint, Severity, Spot
from policies.domain.lint.versions import Facts, maybe_from

SECCOMP_ANNOTATION = "seccomp.security.alpha.kubernetes.io"
_HOST_PATH = re.compile(r"(?:^|['\"\s|])(/var/lib/kubelet/seccomp|/etc/apparmor\.d)\b")
_PREFIXED = re.compile(r"['\"]localhost/")


def seccomp_annotation(policy: Policy, facts: Facts) -> Iterator[Spot]:
    """The annotations of before 1.19 are asked for."""
    if SECCOMP_ANNOTATION not in policy.mentions or not maybe_from(facts.kubernetes, (1, 25, 0)):
        return
    alone = "seccompProfile" not in policy.mentions
    if at := first_read(policy.spec, SECCOMP_ANNOTATION, ("spec",)):
        yield Spot(at, severity=None if alone else Severity.INFO)


def localhost_without_list(policy: Policy, _facts: Facts) -> Iterator[Spot]:
    """Localhost is allowed, and which profile does not matter."""
    # Our templates judge by type alone where the variant has no list; its page says so.
    if policy.is_ours:
        return
    for unit in units(policy):
        if "Localhost" in unit.mentions and "localhostProfile" not in policy.mentions:
            said = texts(unit.body, unit.steps)
            at = next((s for s, t in said if s[-1] not in MESSAGES and _allows_localhost(t)), None)
            if at is not None:
                yield Spot(at)


def _allows_localhost(text: str) -> bool:
    return "Localhost" in text and (
        "|" in text or "'" in text or '"' in text or text == "Localhost"
    )


def absolute_localhost_path(policy: Policy, _facts: Facts) -> Iterator[Spot]:
    """A path of the node's file system, or one that begins with a slash, as localhostProfile."""
    for at, text in policy.texts:
        if at[-1] in MESSAGES:
            continue
        in_field = any(isinstance(s, str) and bare(s) == "localhostProfile" for s in at)
        if (in_field and text.strip().startswith("/")) or _HOST_PATH.search(text):
            yield Spot(at)


def prefixed_localhost_name(policy: Policy, _facts: Facts) -> Iterator[Spot]:
    """`localhost/` in front of the value of a field."""
    for at, text in policy.texts:
        in_field = any(isinstance(s, str) and bare(s) == "localhostProfile" for s in at)
        in_cel = "localhostProfile" in text and "annotations" not in text and _PREFIXED.search(text)
        if (in_field and "localhost/" in text) or in_cel:
            yield Spot(at)


def windows_denied(policy: Policy, _facts: Facts) -> Iterator[Spot]:
    """A profile is demanded of pods that may not have one."""
    if requires_profile(policy) and not mentions_windows(policy):
        yield Spot(("spec",))


LINTS = (
    Lint(
        id="dead-seccomp-annotation",
        severity=Severity.ERROR,
        title="It asks for a seccomp annotation that nothing reads any more",
        what_happens="Whatever the annotation says, the container gets the profile of the field,"
        " or none. A rule on the annotation passes pods that run without a profile.",
        since="Ignored by kubelets since Kubernetes 1.25, by everything since 1.27.",
        fix="Ask for securityContext.seccompProfile.",
        references=("E27",),
        find=seccomp_annotation,
    ),
    Lint(
        id="localhost-without-list",
        severity=Severity.INFO,
        title="Any Localhost profile is good enough",
        what_happens="The type alone is judged. A profile that allows everything passes, and so"
        " does one that no node has: its pods are admitted and never start.",
        since="All versions.",
        fix="Allow Localhost by a list of names or anchored patterns, and know what is installed.",
        references=("E17", "E21", "T33"),
        find=localhost_without_list,
    ),
    Lint(
        id="absolute-localhost-path",
        severity=Severity.ERROR,
        title="localhostProfile is no path of the node",
        what_happens="For seccomp it is relative to the kubelet's seccomp directory, and the API"
        " server refuses an absolute path; for AppArmor it is the name of a loaded profile. No"
        " pod can meet this.",
        since="All versions with the fields (seccomp 1.19, AppArmor 1.30).",
        fix="Write profiles/name.json for seccomp, and the plain name for AppArmor.",
        references=("E21",),
        find=absolute_localhost_path,
    ),
    Lint(
        id="localhost-prefix-in-field",
        severity=Severity.ERROR,
        title="The prefix `localhost/` belongs to the annotation, not to the field",
        what_happens="localhostProfile holds the bare name or path. A pod that is right does not"
        " match, and one that matches has a profile that nobody installed under this name.",
        since="All versions with the fields.",
        fix="Leave `localhost/` out.",
        references=("E46",),
        find=prefixed_localhost_name,
    ),
    Lint(
        id="windows-denied",
        severity=Severity.INFO,
        title="Windows pods are denied",
        what_happens="The API forbids them to set these fields, and this policy demands it. On a"
        " cluster with Windows nodes none of their pods gets in.",
        since="All versions; spec.os since Kubernetes 1.23.",
        fix="Let pods with spec.os.name windows pass.",
        references=("E10",),
        find=windows_denied,
    ),
)
