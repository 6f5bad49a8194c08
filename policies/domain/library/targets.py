"""From what is known of a cluster to the kind of policy and API version to write there, with the reason in words.

A person may override what is merely not recommended, never what is unsafe.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from policies.domain.controls import Mechanism
from policies.domain.facts import APPARMOR_FIELDS_SINCE
from policies.domain.library.records import API_VERSIONS, Target

Version = tuple[int, int, int]

_VERSION = re.compile(r"v?(\d+)\.(\d+)(?:\.(\d+))?")
_VALIDATING_POLICY = Target.VALIDATING_POLICY
_CLUSTER_POLICY = Target.CLUSTER_POLICY
_CONDITIONS_SINCE = (1, 28)
_NATIVE_SINCE = (1, 30)
_CEL_RULES_SINCE = (1, 11)
_RULE_ACTION_SINCE = (1, 13)
_VALIDATING_POLICY_SINCE = (1, 14)
_STABLE_SINCE = (1, 17)
"""ValidatingPolicies have been at v1 since, and ClusterPolicies are deprecated."""
_LEGACY_ENDS = (1, 20)
_TESTED = ((1, 13, 4), (1, 18, 2), (1, 19, 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetFacts:
    """What decides which kind of policy fits a cluster. None is unknown, except where it says otherwise."""

    kubernetes: tuple[int, int] | None
    kyverno: Version | None = None
    has_kyverno: bool = True
    """False: none was found. True with `kyverno` None: one runs, but its version is not known."""
    kyverno_versions: tuple[Version, ...] = ()
    """Of all its parts, where more than one is known: during an upgrade they differ."""
    served: frozenset[tuple[Target, str]] = frozenset()
    """Kinds of policies with the API versions that the cluster serves."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A kind of policy and an API version for one cluster."""

    target: Target
    api_version: str
    reason: str
    """Why this one is recommended, or why it may be chosen but is not."""
    recommended: bool


def version_of(text: str) -> Version | None:
    """Read a version, such as the tag of an image; None when there is none in it."""
    found = _VERSION.match(text)
    return (int(found[1]), int(found[2]), int(found[3] or 0)) if found else None


def choose(facts: TargetFacts, mechanisms: Iterable[Mechanism]) -> Choice | None:
    """Recommend what to write on this cluster; None where nothing would be safe."""
    return next((c for c in choices(facts, mechanisms) if c.recommended), None)


def choices(facts: TargetFacts, mechanisms: Iterable[Mechanism]) -> tuple[Choice, ...]:
    """Give everything that is safe on this cluster, the recommended one first."""
    about = tuple(mechanisms)
    safe = [
        (target, version)
        for target in _preferred(facts)
        for version in API_VERSIONS[target]
        if unsafe(target, version, facts, about) is None
    ]
    return tuple(
        Choice(target, version, _reason(target, version, facts, first=index == 0), index == 0)
        for index, (target, version) in enumerate(safe)
    )


def unsafe(
    target: Target, api_version: str, facts: TargetFacts, mechanisms: Iterable[Mechanism]
) -> str | None:
    """Say why this kind of policy in this version must not be written on this cluster; None when it may be."""
    return next(_hazards(target, api_version, facts, tuple(mechanisms)), None)


def cautions(target: Target, facts: TargetFacts) -> tuple[str, ...]:
    """Say what to know about this kind of policy on this cluster. None of it forbids anything."""
    return tuple(_cautions(target, facts))


# Hazards


def _hazards(
    target: Target, api_version: str, facts: TargetFacts, mechanisms: tuple[Mechanism, ...]
) -> Iterator[str]:
    if (target, api_version) not in facts.served:
        yield f"This cluster does not serve {target} in {api_version}."
    if facts.kubernetes is None:
        yield "The version of Kubernetes is not known."
        return
    if Mechanism.APPARMOR in mechanisms and facts.kubernetes < APPARMOR_FIELDS_SINCE:
        yield (
            f"Kubernetes {_words(facts.kubernetes)} drops appArmorProfile before any policy sees it; the fields"
            f" came with {_words(APPARMOR_FIELDS_SINCE)}."
        )
    if target is Target.NATIVE:
        if facts.kubernetes < _NATIVE_SINCE:
            yield (
                f"Kubernetes {_words(facts.kubernetes)} does not have native policies as stable yet; they are since"
                f" {_words(_NATIVE_SINCE)}."
            )
        return
    if facts.kubernetes < _CONDITIONS_SINCE:
        yield (
            f"Kubernetes {_words(facts.kubernetes)} drops the conditions that keep a policy to its namespaces; they"
            f" count since {_words(_CONDITIONS_SINCE)}."
        )
    yield from _kyverno_hazards(target, facts)


def _kyverno_hazards(target: Target, facts: TargetFacts) -> Iterator[str]:
    if not facts.has_kyverno:
        yield "No Kyverno was found on this cluster, so nothing would judge by this policy."
        return
    if facts.kyverno is None:
        return
    version, shown = facts.kyverno[:2], _words(facts.kyverno)
    if len({each[:2] for each in facts.kyverno_versions}) > 1:
        parts = ", ".join(_words(each) for each in sorted(set(facts.kyverno_versions)))
        yield f"The parts of Kyverno have different versions ({parts}): an upgrade is under way."
    if target is _CLUSTER_POLICY and version >= _LEGACY_ENDS:
        yield f"Kyverno {shown} no longer takes changes to ClusterPolicies: a rollback could be refused."
    if target is _CLUSTER_POLICY and version < _CEL_RULES_SINCE:
        yield f"Kyverno {shown} has no CEL rules; they came with {_words(_CEL_RULES_SINCE)}."
    if target is _CLUSTER_POLICY and _CEL_RULES_SINCE <= version < _RULE_ACTION_SINCE:
        yield (
            f"Kyverno {shown} does not know a failure action per rule, so the twin would not deny; it came with"
            f" {_words(_RULE_ACTION_SINCE)}."
        )
    if target is _VALIDATING_POLICY and version < _VALIDATING_POLICY_SINCE:
        yield (
            f"Kyverno {shown} has no ValidatingPolicies; they came with {_words(_VALIDATING_POLICY_SINCE)}."
        )


def _cautions(target: Target, facts: TargetFacts) -> Iterator[str]:
    if target is Target.NATIVE:
        yield "Native policies have no reports: who fails today is known from posture alone."
        return
    version = facts.kyverno
    if version is None:
        # Installs that pin an image by digest tell no version. What does not deny is never called enforced: the proof says.
        yield "The version of Kyverno is not known; whether it takes such a policy shows when it is installed."
        return
    if target is _CLUSTER_POLICY and version[:2] >= _STABLE_SINCE:
        yield "ClusterPolicies are deprecated since Kyverno 1.17; with 1.20 they can no longer be changed."
    if target is _CLUSTER_POLICY and (1, 13, 0) <= version < (1, 13, 3):
        yield "Kyverno 1.13.0 to 1.13.2 let pods pass where other policies have overrides; ours have none."
    if target is _VALIDATING_POLICY and version[:2] < _STABLE_SINCE:
        yield f"In Kyverno {_words(version)} ValidatingPolicies are not stable yet."
    if target is _VALIDATING_POLICY and (1, 16, 0) <= version < (1, 19, 0):
        yield (
            "Kyverno 1.16 to 1.18 mix up the selectors of policies that share a webhook; ours have webhooks of"
            " their own, those of others may not be called."
        )
    if version not in _TESTED:
        tested = ", ".join(map(_words, _TESTED))
        yield f"secprof has been tried with Kyverno {tested}; this is {_words(version)}."


# The order, and why


def _preferred(facts: TargetFacts) -> tuple[Target, ...]:
    if facts.kyverno is not None and facts.kyverno[:2] < _STABLE_SINCE:
        return (_CLUSTER_POLICY, _VALIDATING_POLICY, Target.NATIVE)
    return (_VALIDATING_POLICY, _CLUSTER_POLICY, Target.NATIVE)


def _reason(target: Target, api_version: str, facts: TargetFacts, *, first: bool) -> str:
    if target is Target.NATIVE:
        if not facts.has_kyverno:
            return "There is no Kyverno here, and the API server judges by itself, without reports."
        return "The API server judges by itself, whether Kyverno runs or not, but there are no reports."
    version = api_version.rpartition("/")[2]
    shown = f"Kyverno {_words(facts.kyverno)}" if facts.kyverno else "This Kyverno"
    if not first:
        return f"{shown} takes it in {version} too."
    if target is _VALIDATING_POLICY:
        return f"{shown} has ValidatingPolicies in {version}, and its older kinds come to an end."
    return f"{shown} knows ClusterPolicies best: its newer kind is not stable yet."


def _words(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
