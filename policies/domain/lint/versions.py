"""The versions that a finding depends on: each may be unknown, and unknown rules nothing out."""

import re
from dataclasses import dataclass

Version = tuple[int, int, int]
_NUMBERS = re.compile(r"v?(\d{1,4})\.(\d{1,4})(?:\.(\d{1,4}))?")


def read_version(text: str) -> Version | None:
    """Read `v1.36.3`, `1.19.1-rc.1` or `1.30`; None for anything else."""
    found = _NUMBERS.match(text.strip())
    if found is None:
        return None
    major, minor, patch = found.groups(default="0")
    return int(major), int(minor), int(patch)


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of the cluster that a policy is for."""

    kubernetes: Version | None = None
    kyverno: Version | None = None


UNKNOWN = Facts()


def maybe_before(version: Version | None, limit: Version) -> bool:
    """Say whether the version is below the limit, or may be."""
    return version is None or version < limit


def known_before(version: Version | None, limit: Version) -> bool:
    """Say whether the version is certainly below the limit."""
    return version is not None and version < limit


def maybe_from(version: Version | None, limit: Version) -> bool:
    """Say whether the version is the limit or above it, or may be."""
    return version is None or version >= limit


def known_from(version: Version | None, limit: Version) -> bool:
    """Say whether the version is certainly the limit or above it."""
    return version is not None and version >= limit
