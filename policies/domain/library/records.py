"""What the library takes in and hands out: a variant's parameters, and the objects that it compiles to."""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from policies.domain.controls import (
    APPARMOR_CONTROLS,
    BASE_CONTROLS,
    IMPLIED,
    SECCOMP_CONTROLS,
    Control,
    Mechanism,
)
from policies.domain.exemptions import Exemption
from policies.domain.names import is_dns_label
from policies.domain.parameters import Parameters

Manifest = dict[str, Any]

NAME_LIMIT = 40
"""Leaves room for `-enforce-debug-NN` and for the webhook names that Kyverno builds from it."""
_RESERVED_ENDING = re.compile(r"-(audit|enforce(-debug)?(-[0-9]+)?)$")
_VARIABLE_START = re.compile(r"\{\{|\$\(")


class InvalidVariant(ValueError):
    """These parameters make no variant; the message says which one and why."""


class InvalidNamespace(ValueError):
    """This is not the name of a namespace."""


class Target(StrEnum):
    """The kind of policy that a variant compiles to."""

    CLUSTER_POLICY = "ClusterPolicy"
    VALIDATING_POLICY = "ValidatingPolicy"
    NATIVE = "ValidatingAdmissionPolicy"
    """The API server's own: it needs no Kyverno."""


API_VERSIONS: dict[Target, tuple[str, ...]] = {
    Target.CLUSTER_POLICY: ("kyverno.io/v1",),
    Target.VALIDATING_POLICY: (
        "policies.kyverno.io/v1",
        "policies.kyverno.io/v1beta1",
        "policies.kyverno.io/v1alpha1",
    ),
    Target.NATIVE: ("admissionregistration.k8s.io/v1",),
}
"""By target, newest first."""
BINDING_KIND = "ValidatingAdmissionPolicyBinding"


class ObjectRole(StrEnum):
    """What an object does for its variant."""

    AUDIT = "audit"
    TWIN = "twin"
    COMPANION = "companion"
    BINDING = "binding"
    """Of a native policy only: where it audits and warns, which is everywhere."""


@dataclass(frozen=True, slots=True)
class Template:
    """A policy of the library: the mechanisms that it is about, and the controls to choose from."""

    name: str
    title: str
    mechanisms: tuple[Mechanism, ...]
    controls: tuple[Control, ...]

    @property
    def choices(self) -> tuple[tuple[Control, ...], ...]:
        """The two usual choices: require a profile, or only deny Unconfined."""
        base = [c for c in self.controls if c in BASE_CONTROLS]
        denies = tuple(c for c in base if c not in IMPLIED)
        return (tuple(base), denies)


_ABOUT_LOCALHOST = (Control.PROFILE_INSTALLED, Control.ALLOWED_PROFILES)
SECCOMP = Template(
    name="seccomp",
    title="Seccomp profiles",
    mechanisms=(Mechanism.SECCOMP,),
    controls=(*SECCOMP_CONTROLS, *_ABOUT_LOCALHOST),
)
APPARMOR = Template(
    name="apparmor",
    title="AppArmor profiles",
    mechanisms=(Mechanism.APPARMOR,),
    controls=(*APPARMOR_CONTROLS, *_ABOUT_LOCALHOST),
)
CONFINED_PODS = Template(
    name="confined-pods",
    title="Confined pods: seccomp and AppArmor",
    mechanisms=(Mechanism.SECCOMP, Mechanism.APPARMOR),
    controls=(*BASE_CONTROLS, *_ABOUT_LOCALHOST),
)
TEMPLATES: dict[str, Template] = {t.name: t for t in (SECCOMP, APPARMOR, CONFINED_PODS)}


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantSpec:
    """A template with its parameters, for one kind of policy. The name is also that of the Audit policy.

    Raises:
        InvalidVariant: a parameter is not one that the template or the API takes.
    """

    name: str
    template: str = SECCOMP.name
    target: Target
    api_version: str
    parameters: Parameters
    exemptions: tuple[Exemption, ...] = ()
    """Of a native policy only, which carries them in its own conditions; Kyverno's have objects of their own."""

    def __post_init__(self) -> None:
        if not is_dns_label(self.name) or len(self.name) > NAME_LIMIT:
            raise InvalidVariant(
                f"The name {self.name!r} must be small letters, digits and dashes, at most {NAME_LIMIT}."
            )
        if _RESERVED_ENDING.search(self.name):
            raise InvalidVariant(
                f"The name {self.name!r} ends like the name of a twin or a binding."
            )
        if self.template not in TEMPLATES:
            raise InvalidVariant(f"There is no template {self.template!r}.")
        if self.api_version not in API_VERSIONS[self.target]:
            raise InvalidVariant(f"{self.target} has no API version {self.api_version!r}.")
        if found := _VARIABLE_START.search(self.parameters.message):
            raise InvalidVariant(
                f"The message holds {found.group()!r}, which Kyverno takes for the start of a variable."
            )
        foreign = set(self.controls) - set(TEMPLATES[self.template].controls)
        if foreign:
            raise InvalidVariant(
                f"The template {self.template!r} has no control {', '.join(sorted(foreign))}."
            )

    @property
    def controls(self) -> tuple[Control, ...]:
        return self.parameters.controls

    @property
    def mechanisms(self) -> tuple[Mechanism, ...]:
        return TEMPLATES[self.template].mechanisms


@dataclass(frozen=True, slots=True)
class CompiledObject:
    """One policy object of a variant, as it is to be written."""

    role: ObjectRole
    kind: str
    api_version: str
    name: str
    manifest: Manifest
    namespaces: tuple[str, ...]
    """Where it denies, sorted; empty for the Audit policy."""


@dataclass(frozen=True, slots=True)
class ProbePods:
    """Two pods for dry-run creates: the bad one fails its variant, the good one passes."""

    bad: Manifest
    good: Manifest
