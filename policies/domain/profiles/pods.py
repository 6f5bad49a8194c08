"""What a pod says to use a custom profile: the value of the field, and a security context to copy."""

from enum import StrEnum

import yaml

from policies.domain.controls import Mechanism


class Place(StrEnum):
    """Who brings a seccomp profile to the nodes."""

    OPERATOR = "operator"
    FILE = "file"


def localhost_value(mechanism: Mechanism, name: str, place: Place) -> str:
    """Give the value of `localhostProfile`; for AppArmor it is the loaded name alone."""
    if mechanism is Mechanism.APPARMOR:
        return name
    folder = "operator" if place is Place.OPERATOR else "profiles"
    return f"{folder}/{name.removesuffix('.json')}.json"


def security_context(mechanism: Mechanism, value: str) -> str:
    """Write the part of a pod's or container's spec that uses a profile."""
    key = "seccompProfile" if mechanism is Mechanism.SECCOMP else "appArmorProfile"
    profile = {"type": "Localhost", "localhostProfile": value}
    text: str = yaml.safe_dump({"securityContext": {key: profile}}, sort_keys=False)
    return text
