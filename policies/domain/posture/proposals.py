"""What to put where a finding is: the profile that the parameters propose, and the change in one line."""

import re
from typing import Any

from policies.domain.controls import Control, Mechanism
from policies.domain.facts import TYPICAL, ClusterFacts
from policies.domain.parameters import (
    LOCALHOST,
    RUNTIME_DEFAULT,
    Parameters,
    ProfileParameters,
    reference_of,
)
from policies.domain.posture.controls import is_allowed
from policies.domain.posture.declared import APPARMOR_PREFIX, FIELDS
from policies.domain.posture.records import Finding

_CONTAINER = re.compile(r"\.(?:initContainers|containers|ephemeralContainers)\[.*")
_ANNOTATION = re.compile(r"metadata\.annotations\[(.*)\]")


def proposed_profile(mechanism: Mechanism, parameters: Parameters) -> dict[str, Any]:
    """Give the profile that meets these parameters, as it is written into a security context.

    It is the default one; or RuntimeDefault where a list rules the default out and the types let RuntimeDefault in.
    """
    part = parameters.of(mechanism)
    reference = reference_of(part.default)
    if not reference:
        return {"type": RUNTIME_DEFAULT}
    if RUNTIME_DEFAULT in part.types and not _meets_lists(reference, mechanism, part, parameters):
        return {"type": RUNTIME_DEFAULT}
    return {"type": LOCALHOST, "localhostProfile": reference}


def _meets_lists(
    reference: str, mechanism: Mechanism, part: ProfileParameters, parameters: Parameters
) -> bool:
    asks = parameters.controls.__contains__
    missing = part.installed is not None and reference not in part.installed
    if missing and asks(Control.PROFILE_INSTALLED):
        return False
    return not asks(Control.ALLOWED_PROFILES) or is_allowed(mechanism, reference, parameters)


def annotation_of(profile: dict[str, Any]) -> str:
    """Write a profile as the text of an AppArmor annotation."""
    if profile["type"] == RUNTIME_DEFAULT:
        return "runtime/default"
    return f"localhost/{profile['localhostProfile']}"


def annotation_key(finding: Finding) -> str:
    """Give the key of the annotation at fault; empty when a field is at fault."""
    found = _ANNOTATION.search(finding.path)
    return found.group(1) if found else ""


def fix_for(finding: Finding, parameters: Parameters, facts: ClusterFacts = TYPICAL) -> str:
    """Say in one line what to change in the object, with the path in it."""
    return fix_with(proposed_profile(finding.mechanism, parameters), finding, facts)


def fix_with(profile: dict[str, Any], finding: Finding, facts: ClusterFacts = TYPICAL) -> str:
    """Say the same for a profile that was proposed before."""
    key = annotation_key(finding)
    if key.startswith(APPARMOR_PREFIX) and not facts.has_apparmor_fields:
        return f"Set {finding.path}: {annotation_of(profile)}"
    if key:
        place = f"container {finding.container}" if finding.container else "the pod"
        setting = _setting("", finding.mechanism, profile)
        return f"Remove {finding.path}, and set {setting} on {place}"
    field = f".{FIELDS[finding.mechanism]}"
    at = finding.path[: finding.path.index(field)]
    # Where nothing is set, the pod is the one place that serves every container.
    place = at if finding.declared else _CONTAINER.sub("", at)
    change = f"Set {_setting(place, finding.mechanism, profile)}"
    if finding.declared == LOCALHOST and profile["type"] == RUNTIME_DEFAULT:
        change += f", and remove {at}{field}.localhostProfile"
    return change


def _setting(place: str, mechanism: Mechanism, profile: dict[str, Any]) -> str:
    field = f"{place}.{FIELDS[mechanism]}".removeprefix(".")
    return " and ".join(f"{field}.{name}: {value}" for name, value in profile.items())
