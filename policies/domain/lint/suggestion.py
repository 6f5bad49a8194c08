"""What our template would write instead: the one bridge from what a policy means to a variant of the library."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from policies.domain.controls import APPARMOR_CONTROLS, BASE_CONTROLS, SECCOMP_CONTROLS, Control
from policies.domain.library import (
    API_VERSIONS,
    TEMPLATES,
    CompiledObject,
    Target,
    VariantSpec,
    compile_objects,
)
from policies.domain.library.records import NAME_LIMIT
from policies.domain.lint.intent import Intent
from policies.domain.lint.policy import Family, Policy
from policies.domain.lint.versions import Facts, known_before, known_from
from policies.domain.parameters import Parameters

_NOT_IN_NAMES = re.compile(r"[^a-z0-9]+")
_RESERVED = re.compile(r"(-enforce|-debug|-binding)+(-[0-9]+)?$")


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A variant that does what a policy means, and its Audit object."""

    spec: VariantSpec
    objects: tuple[CompiledObject, ...]


def suggest(policy: Policy, intents: Sequence[Intent], facts: Facts) -> Suggestion | None:
    """Find the variant that carries out what a policy means; None when it means none of our controls."""
    # Which profiles are installed is not in the policy: that list is the variant's to keep.
    controls = tuple(i.control for i in intents if i.control in BASE_CONTROLS)
    template = _template(controls)
    if template is None:
        return None
    target, api_version = _target(policy, facts)
    spec = VariantSpec(
        name=_name(policy.name, template),
        template=template,
        target=target,
        api_version=api_version,
        parameters=Parameters(controls=controls),
    )
    return Suggestion(spec, compile_objects(spec, ()))


def _template(controls: Collection[Control]) -> str | None:
    seccomp = any(control in SECCOMP_CONTROLS for control in controls)
    apparmor = any(control in APPARMOR_CONTROLS for control in controls)
    wanted = {
        (True, False): "seccomp",
        (False, True): "apparmor",
        (True, True): "confined-pods",
    }.get((seccomp, apparmor), "")
    return wanted if wanted in TEMPLATES else None


def _target(policy: Policy, facts: Facts) -> tuple[Target, str]:
    """Choose by the cluster's Kyverno; where it is unknown, stay with the kind that was given."""
    known = facts.kyverno
    if known is None:
        cel = policy.family is Family.CEL
        target = Target.VALIDATING_POLICY if cel else Target.CLUSTER_POLICY
        return target, API_VERSIONS[target][0]
    if known_before(known, (1, 17, 0)) and policy.family is not Family.CEL:
        return Target.CLUSTER_POLICY, API_VERSIONS[Target.CLUSTER_POLICY][0]
    version = "v1alpha1"
    if known_from(known, (1, 16, 0)):
        version = "v1" if known_from(known, (1, 17, 0)) else "v1beta1"
    return Target.VALIDATING_POLICY, f"policies.kyverno.io/{version}"


def _name(text: str, template: str) -> str:
    plain = _NOT_IN_NAMES.sub("-", text.lower()).strip("-")[:NAME_LIMIT].strip("-")
    return _RESERVED.sub("", plain).strip("-") or template
