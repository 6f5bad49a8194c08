"""What the library takes in and hands out: a variant's parameters, and the objects that it compiles to."""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from policies.domain.controls import Control

Manifest = dict[str, Any]

NAME_LIMIT = 40
"""Leaves room for `-enforce-debug-NN` and for the webhook names that Kyverno builds from it."""
_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_RESERVED_ENDING = re.compile(r"-enforce(-debug)?(-[0-9]+)?$")


class InvalidVariant(ValueError):
    """These parameters make no variant; the message says which one and why."""


class InvalidNamespace(ValueError):
    """This is not the name of a namespace."""


class Target(StrEnum):
    """The kind of policy that a variant compiles to."""

    CLUSTER_POLICY = "ClusterPolicy"
    VALIDATING_POLICY = "ValidatingPolicy"


API_VERSIONS: dict[Target, tuple[str, ...]] = {
    Target.CLUSTER_POLICY: ("kyverno.io/v1",),
    Target.VALIDATING_POLICY: (
        "policies.kyverno.io/v1",
        "policies.kyverno.io/v1beta1",
        "policies.kyverno.io/v1alpha1",
    ),
}
"""By target, newest first."""


class ObjectRole(StrEnum):
    """What an object does for its variant."""

    AUDIT = "audit"
    TWIN = "twin"
    COMPANION = "companion"


@dataclass(frozen=True, slots=True)
class Template:
    """A policy of the library, with the values its parameter `controls` may take."""

    name: str
    title: str
    choices: tuple[tuple[Control, ...], ...]


SECCOMP = Template(
    name="seccomp",
    title="Seccomp profiles",
    choices=(
        (Control.REQUIRE_SECCOMP, Control.DENY_UNCONFINED_SECCOMP),
        (Control.DENY_UNCONFINED_SECCOMP,),
    ),
)
TEMPLATES: dict[str, Template] = {SECCOMP.name: SECCOMP}


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
    controls: tuple[Control, ...]

    def __post_init__(self) -> None:
        if not is_dns_label(self.name) or len(self.name) > NAME_LIMIT:
            raise InvalidVariant(
                f"The name {self.name!r} must be small letters, digits and dashes, at most {NAME_LIMIT}."
            )
        if _RESERVED_ENDING.search(self.name):
            raise InvalidVariant(f"The name {self.name!r} ends like the name of a twin.")
        if self.template not in TEMPLATES:
            raise InvalidVariant(f"There is no template {self.template!r}.")
        if self.api_version not in API_VERSIONS[self.target]:
            raise InvalidVariant(f"{self.target} has no API version {self.api_version!r}.")
        # Two spellings of the same choice must compile to the same bytes.
        ordered = tuple(control for control in Control if control in self.controls)
        if ordered not in TEMPLATES[self.template].choices:
            raise InvalidVariant(f"The template {self.template!r} has no such choice of controls.")
        object.__setattr__(self, "controls", ordered)


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


def is_dns_label(text: str) -> bool:
    """Say whether the text is fit for the name of a namespace."""
    return len(text) <= 63 and _DNS_LABEL.fullmatch(text) is not None
