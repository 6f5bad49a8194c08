"""What is demanded of the profiles of one mechanism, and the words in which parameters name a profile."""

import re
from dataclasses import dataclass

from policies.domain.controls import Mechanism

PROFILE_TYPES = ("RuntimeDefault", "Localhost")
"""The types that a profile may have and still confine; every other one counts as bad."""
RUNTIME_DEFAULT, LOCALHOST = PROFILE_TYPES
LOCALHOST_PREFIX = "Localhost:"

_LOCATIONS = {Mechanism.SECCOMP: "/var/lib/kubelet/seccomp", Mechanism.APPARMOR: "/etc/apparmor.d"}
_UNSAFE_PATH = re.compile(r"(^|/)\.{0,2}(/|\Z)")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileParameters:
    """What is demanded of the profiles of one mechanism."""

    types: tuple[str, ...] = PROFILE_TYPES
    """The types that meet `require-…`."""
    allowed: tuple[str, ...] = ()
    """Patterns that a Localhost profile must match one of, for `allowed-profiles`: `*` stays within a folder, `**`
    crosses folders. Empty: none is allowed."""
    denied: tuple[str, ...] = ()
    """Patterns that it must not match, whatever is allowed."""
    default: str = RUNTIME_DEFAULT
    """The profile that fixes propose: `RuntimeDefault`, or `Localhost:` with its path or name."""
    location: str = ""
    """The folder on a node where Localhost profiles lie; empty for the usual one."""
    installed: tuple[str, ...] | None = None
    """The Localhost profiles known to be on every node, for `profile-installed`. None: not known, and nothing fails."""

    def settled(self, mechanism: Mechanism) -> "ProfileParameters":
        """Put each list into its fixed order, and fill in the usual folder."""
        return ProfileParameters(
            types=tuple(t for t in PROFILE_TYPES if t in self.types),
            allowed=in_fixed_order(self.allowed),
            denied=in_fixed_order(self.denied),
            default=self.default,
            location=self.location.rstrip("/") or _LOCATIONS[mechanism],
            installed=None if self.installed is None else in_fixed_order(self.installed),
        )


def in_fixed_order(values: tuple[str, ...]) -> tuple[str, ...]:
    """Sort texts, each once."""
    return tuple(sorted(set(values)))


def reference_of(default: str) -> str:
    """Give the path or name in `Localhost:…`; empty for RuntimeDefault."""
    return default.removeprefix(LOCALHOST_PREFIX) if default.startswith(LOCALHOST_PREFIX) else ""


def is_safe_path(reference: str) -> bool:
    """Say whether a seccomp path is relative, stays below its folder and is written the one normal way."""
    return _UNSAFE_PATH.search(reference) is None


def is_unconfined(name: str | None) -> bool:
    """Say whether an AppArmor profile's name is the word that CRI-O takes for no profile at all."""
    return name is not None and name.lower() == "unconfined"
