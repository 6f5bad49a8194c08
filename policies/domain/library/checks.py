"""The checks of a variant: for each control the CEL that names who is at fault, and the words for it.

Kyverno's autogen rewrites text, so `object.spec` and `object.metadata` stand in expressions literally. Optional syntax
(`.?`) is left out: engines before Kubernetes 1.29 do not know it. The same rules in Python stand in
`policies.domain.posture`; `tests.contract.agreement` holds both together on a real API server.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from policies.domain.controls import Control, Mechanism
from policies.domain.library import apparmor, localhost, seccomp
from policies.domain.library.cel import Variable, quoted
from policies.domain.library.records import VariantSpec
from policies.domain.posture.records import Finding, Posture

THE_POD = "the pod"
"""Stands among the names of containers for a field of the pod; no container can be called so."""
NAMES_LIMIT = 200
"""Characters: API servers cut long warnings."""

# The narrower checks first: a ValidatingPolicy stops at the first that fails and says only that.
_ORDER = (
    Control.DENY_UNCONFINED_SECCOMP,
    Control.DENY_UNCONFINED_APPARMOR,
    Control.REQUIRE_SECCOMP,
    Control.REQUIRE_APPARMOR,
    Control.ALLOWED_PROFILES,
    Control.PROFILE_INSTALLED,
)
_FAULTS = {
    Control.REQUIRE_SECCOMP: "withoutSeccomp",
    Control.DENY_UNCONFINED_SECCOMP: "unconfinedSeccomp",
    Control.REQUIRE_APPARMOR: "withoutAppArmor",
    Control.DENY_UNCONFINED_APPARMOR: "unconfinedAppArmor",
    Control.ALLOWED_PROFILES: "disallowed",
    Control.PROFILE_INSTALLED: "notInstalled",
}
_LEADS = {
    Control.REQUIRE_SECCOMP: "A seccomp profile is required",
    Control.DENY_UNCONFINED_SECCOMP: "Unconfined seccomp is not allowed",
    Control.REQUIRE_APPARMOR: "An AppArmor profile is required",
    Control.DENY_UNCONFINED_APPARMOR: "Unconfined AppArmor is not allowed",
    Control.ALLOWED_PROFILES: "The Localhost profile is not an allowed one",
    Control.PROFILE_INSTALLED: "The Localhost profile is not known to be on every node",
}
_FIELDS = {Mechanism.SECCOMP: "seccompProfile.type", Mechanism.APPARMOR: "appArmorProfile.type"}


@dataclass(frozen=True, slots=True)
class Check:
    """One control of a variant as CEL, with its words."""

    control: Control
    faults: str
    """The variable that lists who is at fault."""
    lead: str
    advice: str

    @property
    def expression(self) -> str:
        """True means that the pod meets the control."""
        return f"size(variables.{self.faults}) == 0"

    @property
    def message(self) -> str:
        """What is said where the names cannot be."""
        return f"{self.lead}. {self.advice}"

    @property
    def message_expression(self) -> str:
        """Name those at fault; the result must stay on one line and below 5 KiB."""
        names = f"variables.{self.faults}.join(', ')"
        cut = f"{names}.substring(0, {NAMES_LIMIT}) + '...'"
        return (
            f"{quoted(self.lead + ' for ')} +\n"
            f"(size({names}) <= {NAMES_LIMIT} ? {names} : {cut}) +\n"
            f"{quoted('. ' + self.advice)}"
        )

    def message_for(self, names: Iterable[str]) -> str:
        """Give the words of `message_expression` for these names."""
        text = ", ".join(names)
        shown = text if len(text) <= NAMES_LIMIT else text[:NAMES_LIMIT] + "..."
        return f"{self.lead} for {shown}. {self.advice}"


def checks_of(spec: VariantSpec) -> tuple[Check, ...]:
    """Give the variant's checks in the order in which they are judged."""
    return tuple(
        Check(control, _FAULTS[control], _LEADS[control], _advice(spec, control))
        for control in _ORDER
        if control in spec.controls
    )


def variables_of(spec: VariantSpec) -> tuple[Variable, ...]:
    """Give the variables that the checks of this variant use."""
    return tuple(_variables(spec))


def names_at_fault(posture: Posture, control: Control) -> tuple[str, ...]:
    """Give the names that a policy's message lists for this posture, in its order."""
    findings = [finding for finding in posture.findings if finding.control is control]
    names: dict[str, None] = {}
    for mechanism in Mechanism:
        of_it = [finding for finding in findings if finding.mechanism is mechanism]
        names |= dict.fromkeys(_names(posture, of_it))
    return tuple(names)


def _names(posture: Posture, findings: list[Finding]) -> Iterator[str]:
    if any(finding.role is None for finding in findings):
        yield THE_POD
    at_fault = {(finding.role, finding.container) for finding in findings}
    yield from (c.name for c in posture.containers if (c.role, c.name) in at_fault)


def _variables(spec: VariantSpec) -> Iterator[Variable]:
    yield Variable("judged", _judged(spec))
    yield Variable("containers", _CONTAINERS)
    if Mechanism.SECCOMP in spec.mechanisms:
        yield from seccomp.variables(spec.parameters)
    if Mechanism.APPARMOR in spec.mechanisms:
        yield from apparmor.variables(spec.parameters)
    yield from localhost.variables(spec.parameters, spec.mechanisms)


_CONTAINERS = """\
!variables.judged ? [] :
(has(object.spec.initContainers) ? object.spec.initContainers : []) +
object.spec.containers +
(has(object.spec.ephemeralContainers) ? object.spec.ephemeralContainers : [])"""
_WINDOWS = "has(object.spec.os) && object.spec.os.name == 'windows'"


def _judged(spec: VariantSpec) -> str:
    """Say which pods are judged.

    Excluded labels stand here and not in a condition: a condition would leave `skip` in reports, Kyverno before 1.19
    writes that for every object in the cluster, and one text does for pods and templates under every kind of policy.
    """
    excluded = [_has_label(key, value) for key, value in spec.parameters.excluded_labels]
    if not excluded:
        return f"!({_WINDOWS})"
    return (
        f"!({_WINDOWS}) &&\n"
        "!(has(object.metadata) && has(object.metadata.labels) && (\n  "
        + " ||\n  ".join(excluded)
        + "))"
    )


def _has_label(key: str, value: str) -> str:
    present = f"{quoted(key)} in object.metadata.labels"
    if not value:
        return present
    return f"({present} && object.metadata.labels[{quoted(key)}] == {quoted(value)})"


def _advice(spec: VariantSpec, control: Control) -> str:
    own = spec.parameters.message
    return f"{_usual_advice(spec, control)} {own}".rstrip()


def _usual_advice(spec: VariantSpec, control: Control) -> str:
    if control is Control.ALLOWED_PROFILES:
        return "Use RuntimeDefault or one of the profiles that this policy allows."
    if control is Control.PROFILE_INSTALLED:
        return "Use RuntimeDefault or a profile that is installed."
    if control in (Control.REQUIRE_SECCOMP, Control.DENY_UNCONFINED_SECCOMP):
        mechanism = Mechanism.SECCOMP
    else:
        mechanism = Mechanism.APPARMOR
    types = " or ".join(spec.parameters.of(mechanism).types)
    return f"Set securityContext.{_FIELDS[mechanism]} to {types}, on the pod or on the container."
