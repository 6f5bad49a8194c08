"""The parameters of a variant: which controls, what they demand of profiles, of whom, and in which words."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from policies.domain.controls import IMPLIED, SECCOMP_CONTROLS, Control, Mechanism, in_order
from policies.domain.objects import WorkloadKind
from policies.domain.parameters import plain
from policies.domain.parameters.checks import AUDIT, problems_of
from policies.domain.parameters.problems import InvalidParameters
from policies.domain.parameters.profiles import ProfileParameters, in_fixed_order


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """The parameters of one variant, each list in a fixed order.

    Raises:
        InvalidParameters: with every parameter that is not fit.
    """

    controls: tuple[Control, ...] = SECCOMP_CONTROLS
    failure_action: str = AUDIT
    """What the policy starts with. Only Audit: enforcing takes a flip."""
    seccomp: ProfileParameters = field(default_factory=ProfileParameters)
    apparmor: ProfileParameters = field(default_factory=ProfileParameters)
    apparmor_annotations: bool = True
    """Whether the cluster still reads AppArmor annotations."""
    excluded_namespaces: tuple[str, ...] = ()
    excluded_labels: tuple[tuple[str, str], ...] = ()
    """Pods that carry one of these labels are left alone; an empty value stands for any."""
    kinds: tuple[WorkloadKind, ...] = tuple(WorkloadKind)
    """The kinds whose pod template is judged when they are written; pods always are."""
    message: str = ""
    """A sentence for those who are refused, after secprof's own: whom to ask, what to read."""

    def __post_init__(self) -> None:
        problems = problems_of(self)
        if problems:
            raise InvalidParameters(problems)
        settle = object.__setattr__
        implied = [IMPLIED[c] for c in self.controls if c in IMPLIED]
        settle(self, "controls", in_order([*self.controls, *implied]))
        settle(self, "seccomp", self.seccomp.settled(Mechanism.SECCOMP))
        settle(self, "apparmor", self.apparmor.settled(Mechanism.APPARMOR))
        settle(self, "excluded_namespaces", in_fixed_order(self.excluded_namespaces))
        settle(self, "excluded_labels", tuple(sorted(set(self.excluded_labels))))
        kinds = {WorkloadKind.POD, *self.kinds}
        settle(self, "kinds", tuple(kind for kind in WorkloadKind if kind in kinds))
        settle(self, "message", self.message.strip())

    def of(self, mechanism: Mechanism) -> ProfileParameters:
        """Give what is demanded of this mechanism's profiles."""
        return self.seccomp if mechanism is Mechanism.SECCOMP else self.apparmor

    def excludes(self, labels: Mapping[str, str] | None) -> bool:
        """Say whether pods with these labels are left alone."""
        own = labels or {}
        return any(key in own and value in ("", own[key]) for key, value in self.excluded_labels)

    def to_json(self) -> dict[str, Any]:
        """Write the parameters as plain JSON types, those with their default value left out."""
        changed = plain.changes(self, _USUAL)
        return {"controls": [str(control) for control in self.controls], **changed}

    @classmethod
    def from_json(cls, stored: object) -> Self:
        """Read what `to_json` wrote, or what a person wrote into a file.

        Raises:
            InvalidParameters: a name is unknown, a value has the wrong type, or a parameter is not fit.
        """
        return cls(**plain.read(stored))


_USUAL = Parameters()
