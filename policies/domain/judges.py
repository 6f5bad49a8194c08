"""A judge: what a variant asks of pods, without the kind of policy that asks it. Evidence is counted per judge.

Variants that ask the same thing share a judge. What only changes words (message, location) makes no other one.
"""

import hashlib
from dataclasses import dataclass, field, replace

from policies.domain.controls import BASE_CONTROLS, Control, Mechanism
from policies.domain.library import TEMPLATES, VariantSpec
from policies.domain.objects import WorkloadKind
from policies.domain.parameters import Parameters
from policies.domain.plans import canonical_json

_HASH_LENGTH = 10


@dataclass(frozen=True, slots=True)
class Judge:
    """Controls with everything that decides how they are judged."""

    parameters: Parameters
    """Those that decide nothing are at their defaults."""
    mechanisms: tuple[Mechanism, ...] = tuple(Mechanism)
    """Whose Localhost profiles count for C5 and C6."""
    is_plain: bool = field(init=False, compare=False)
    """Whether the base judge's findings of these controls are all that this one would find."""
    key: str = field(init=False, compare=False)
    """Names the judge, the same for the same judge: its controls, and a hash of what is not at its default."""

    def __post_init__(self) -> None:
        # Asked for each of many thousand workloads: worked out once.
        settle = object.__setattr__
        only_controls = Parameters(controls=self.controls)
        ids = ",".join(sorted(self.controls))
        is_plain = self.parameters == only_controls and set(self.controls) <= set(BASE_CONTROLS)
        settle(self, "is_plain", is_plain)
        settle(self, "key", ids if is_plain else f"{ids}#{self._hash()}")

    @property
    def controls(self) -> tuple[Control, ...]:
        return self.parameters.controls

    @property
    def tag(self) -> str:
        """What its findings are marked with where they are stored; plain judges share those of the base judge."""
        return "" if self.is_plain else self.key

    def reports_on(self, kind: WorkloadKind) -> bool:
        """Say whether a policy that asks this judges objects of this kind when they are written."""
        return kind in self.parameters.kinds

    def excludes(self, namespace: str) -> bool:
        """Say whether pods of this namespace are left alone."""
        return namespace in self.parameters.excluded_namespaces

    def _hash(self) -> str:
        asked = {
            "mechanisms": [str(mechanism) for mechanism in self.mechanisms],
            **self.parameters.to_json(),
        }
        return hashlib.sha256(canonical_json(asked)).hexdigest()[:_HASH_LENGTH]


BASE_JUDGE = Judge(Parameters(controls=BASE_CONTROLS))
"""The four controls that need no list of profiles, with default parameters; heard on every cluster."""


def judge_of(spec: VariantSpec) -> Judge:
    """Give the judge that a variant stands for."""
    asked = spec.parameters
    parameters = replace(
        asked,
        seccomp=replace(asked.seccomp, location=""),
        apparmor=replace(asked.apparmor, location=""),
        message="",
    )
    return Judge(parameters, spec.mechanisms)


def usual_judges() -> tuple[Judge, ...]:
    """Name the judges of the library's usual choices with default parameters, each once."""
    choices = [choice for template in TEMPLATES.values() for choice in template.choices]
    return tuple(dict.fromkeys(Judge(Parameters(controls=choice)) for choice in choices))
