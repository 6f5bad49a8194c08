"""What a policy about profiles overlooks in a pod: lists of containers, the pod's own value, or a container's override."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from policies.domain.lint.policy import Family, Policy, Rule
from policies.domain.lint.reading import Steps, bare, everything, first_key, keys
from policies.domain.lint.records import Lint, Severity, Spot
from policies.domain.lint.versions import Facts

PROFILE_FIELDS = ("seccompProfile", "appArmorProfile")
_CONTAINERS = re.compile(r"\bcontainers\b")
_POD_LEVEL = re.compile(r"\bspec\s*\.\s*\??\s*(?:template\.spec\.)?securityContext\b")


@dataclass(frozen=True, slots=True)
class Unit:
    """A rule of a ClusterPolicy, or the whole of a CEL policy: what has to see all containers by itself."""

    steps: Steps
    body: Mapping[str, Any]
    mentions: str
    rule: Rule | None

    @property
    def has_profile(self) -> bool:
        return any(field in self.mentions for field in PROFILE_FIELDS)


def units(policy: Policy) -> Iterator[Unit]:
    """Go through the parts of a policy that read a seccomp or AppArmor field themselves."""
    if policy.family in (Family.CEL, Family.NATIVE):
        whole = Unit(("spec",), policy.spec, policy.mentions, None)
        if whole.has_profile:
            yield whole
    for rule in policy.validating:
        if "podSecurity" not in rule.validate:
            part = Unit((*rule.steps, "validate"), rule.validate, rule.mentions, rule)
            if part.has_profile:
                yield part


def init_containers_missed(policy: Policy, _facts: Facts) -> Iterator[Spot]:
    """`containers` is looked at, `initContainers` nowhere."""
    return _list_missed(policy, "initContainers")


def ephemeral_containers_missed(policy: Policy, _facts: Facts) -> Iterator[Spot]:
    """`containers` is looked at, `ephemeralContainers` nowhere."""
    return _list_missed(policy, "ephemeralContainers")


def _list_missed(policy: Policy, wanted: str) -> Iterator[Spot]:
    # A policy may have a rule of its own for each list.
    if wanted in policy.mentions:
        return
    for unit in units(policy):
        if _CONTAINERS.search(unit.mentions):
            yield Spot(first_key(unit.body, "containers", unit.steps))


def override_unchecked(policy: Policy, _facts: Facts) -> Iterator[Spot]:
    """The pod's value is judged where no container's is."""
    for unit in units(policy):
        branches = unit.rule.patterns if unit.rule else ()
        for steps, pattern in branches:
            pod_level, container_level = _levels(pattern)
            if pod_level and not container_level:
                yield Spot(steps)
        if not branches and "ontainers" not in policy.mentions:
            yield Spot(unit.steps)


def pod_level_unchecked(policy: Policy, _facts: Facts) -> Iterator[Spot]:
    """Containers are judged where the pod's own value is not."""
    elsewhere = _POD_LEVEL.search(policy.mentions) is not None
    for unit in units(policy):
        branches = unit.rule.patterns if unit.rule else ()
        for steps, pattern in branches:
            pod_level, container_level = _levels(pattern)
            is_branch = isinstance(steps[-1], int)
            if container_level and not pod_level and (is_branch or not elsewhere):
                yield Spot(steps)
        if not branches and not elsewhere and _CONTAINERS.search(unit.mentions):
            yield Spot(first_key(unit.body, "containers", unit.steps))


def _levels(pattern: object) -> tuple[bool, bool]:
    """Say whether a pattern asks for a profile at the pod, and at containers."""
    pod_level = container_level = False
    for at, key in keys(pattern):
        if bare(key) in PROFILE_FIELDS:
            above = [bare(step) for step in at[:-1] if isinstance(step, str)]
            inside = any(step.lower().endswith("containers") for step in above)
            pod_level, container_level = pod_level or not inside, container_level or inside
    return pod_level, container_level


def mentions_windows(policy: Policy) -> bool:
    """Say whether the policy knows of Windows at all."""
    return "windows" in everything(policy.manifest.get("spec")).lower()


LINTS = (
    Lint(
        id="init-containers-missed",
        severity=Severity.ERROR,
        title="Init containers and sidecars are not looked at",
        what_happens="A container in initContainers may be Unconfined, or have nothing set, and"
        " passes. Sidecars are init containers too, and run as long as the pod.",
        since="All versions; sidecars since Kubernetes 1.28.",
        fix="Go through initContainers, containers and ephemeralContainers alike.",
        references=("E9", "E16"),
        find=init_containers_missed,
    ),
    Lint(
        id="ephemeral-containers-missed",
        severity=Severity.WARNING,
        title="Ephemeral containers are not looked at",
        what_happens="A container that `kubectl debug` adds may be Unconfined and passes, though"
        " a ClusterPolicy on Pod is asked about it.",
        since="Kubernetes 1.25, where ephemeral containers became stable.",
        fix="Go through initContainers, containers and ephemeralContainers alike.",
        references=("E9", "V8"),
        find=ephemeral_containers_missed,
    ),
    Lint(
        id="override-unchecked",
        severity=Severity.ERROR,
        title="The pod's value is accepted, whatever its containers override it with",
        what_happens="A container's own profile replaces the pod's as a whole. A pod with"
        " RuntimeDefault and a container with Unconfined passes here, and that container runs"
        " without a profile.",
        since="All versions.",
        fix="Judge in the same place that no container has a bad value of its own.",
        references=("E15",),
        find=override_unchecked,
    ),
    Lint(
        id="pod-level-unchecked",
        severity=Severity.WARNING,
        title="The pod's own value is not looked at",
        what_happens="A pod-level Unconfined passes as long as every container sets its own value,"
        " and a container that inherits a good value from its pod is refused. The Pod Security"
        " Standards do neither.",
        since="All versions.",
        fix="Let a container inherit a good value of the pod, and let a bad one of the pod fail.",
        references=("E16", "E20", "8.7", "T31"),
        find=pod_level_unchecked,
    ),
)
