"""What the Security Profiles Operator installs under which name, and how far it is with it on one node."""

from collections.abc import Iterable
from datetime import datetime

from policies.domain.controls import Mechanism
from policies.domain.inventory.records import (
    GRACE,
    Node,
    Observed,
    OperatorProfile,
    Outcome,
    ProfileState,
    Reference,
)

FOLDER = "operator/"
TRACE = "log-enricher-trace"
"""The profile of a recording. Its path keeps the operator's namespace in recorded pods, whatever the version."""
APPARMOR_PREFIX = "localhost/"
_SUFFIX = ".json"
_UNDER_WAY = frozenset({"", ProfileState.PENDING, ProfileState.IN_PROGRESS})
_OF_STATE = {
    ProfileState.PARTIAL: "is one part of a recording and is never installed",
    ProfileState.DISABLED: "is disabled",
    ProfileState.TERMINATING: "is being removed",
}


def value_of(profile: OperatorProfile) -> str:
    """Say what a pod writes to get this profile."""
    if profile.mechanism is Mechanism.APPARMOR:
        return profile.name
    if profile.localhost_value:
        return profile.localhost_value
    file = profile.name if profile.name.endswith(_SUFFIX) else f"{profile.name}{_SUFFIX}"
    middle = f"{profile.namespace}/" if profile.namespace else ""
    return f"{FOLDER}{middle}{file}"


def find_profile(reference: Reference, observed: Observed) -> OperatorProfile | None:
    """Find the profile that this reference means, exactly as the node will look for it."""
    for profile in _of(reference.mechanism, observed):
        if reference.value == value_of(profile) or _is_trace(reference, profile):
            return profile
    return None


def find_near(reference: Reference, values: Iterable[str]) -> str:
    """Find among what is known a value that was probably meant: other case, prefix or folder; else empty."""
    wanted = _folded(reference)
    others = (Reference(reference.mechanism, value) for value in values)
    near = (o.value for o in others if o != reference and _folded(o) == wanted)
    return min(near, default="")


def known_values(mechanism: Mechanism, observed: Observed) -> tuple[str, ...]:
    """Name what a pod may write to get one of the operator's profiles."""
    return tuple(value_of(profile) for profile in _of(mechanism, observed))


def trouble_of(profile: OperatorProfile, observed: Observed) -> tuple[str, str] | None:
    """Say in a word and in a sentence why this profile is on no node, whichever; None when its nodes decide."""
    state = _state_of(profile)
    if state in _OF_STATE:
        return state.value, f"{profile.name} {_OF_STATE[state]}."
    if profile.mechanism is Mechanism.APPARMOR and observed.enables_apparmor is False:
        why = "The operator's AppArmor is switched off (enableAppArmor), so no node has it."
        return "AppArmor off", why
    return None


def _state_of(profile: OperatorProfile) -> ProfileState:
    """Say what holds for the profile as a whole: what it is beats what its status says, which may lag behind."""
    if profile.is_partial:
        return ProfileState.PARTIAL
    if profile.is_disabled:
        return ProfileState.DISABLED
    if profile.is_deleting:
        return ProfileState.TERMINATING
    known = {state.value: state for state in ProfileState}
    return known.get(profile.state, ProfileState.PENDING)


def on_node(
    profile: OperatorProfile, state: str | None, node: Node, now: datetime
) -> tuple[Outcome, str]:
    """Lookup one profile on one node by what the daemon there says, with a word or two for it.

    `state` is None when the node says nothing of this profile.
    """
    if state == ProfileState.INSTALLED:
        return Outcome.PASS, ProfileState.INSTALLED.value
    if state in _UNDER_WAY:
        return Outcome.PENDING, state or "not begun"
    if state is not None:
        known = state in {member.value for member in ProfileState}
        return (Outcome.FAIL, state) if known else (Outcome.UNKNOWN, state)
    if _is_young(node.created_at, now):
        return Outcome.PENDING, "just joined"
    if _is_young(profile.created_at, now) or profile.state in _UNDER_WAY - {""}:
        return Outcome.PENDING, "not begun"
    return Outcome.FAIL, "no status"


def is_trace(profile: OperatorProfile) -> bool:
    """Say whether this is the permissive profile under which the operator records."""
    return profile.mechanism is Mechanism.SECCOMP and profile.name == TRACE


def _of(mechanism: Mechanism, observed: Observed) -> Iterable[OperatorProfile]:
    return (profile for profile in observed.profiles if profile.mechanism is mechanism)


def _is_trace(reference: Reference, profile: OperatorProfile) -> bool:
    path = reference.value
    return is_trace(profile) and path.startswith(FOLDER) and path.endswith(f"/{TRACE}{_SUFFIX}")


def _is_young(created_at: datetime | None, now: datetime) -> bool:
    return created_at is not None and now - created_at < GRACE


def _folded(reference: Reference) -> str:
    """Take away what people get wrong: case, the annotation's prefix, the namespace in the operator's folder."""
    value = reference.value.strip().casefold()
    if reference.mechanism is Mechanism.APPARMOR:
        return value.removeprefix(APPARMOR_PREFIX)
    if value.startswith(FOLDER):
        return FOLDER + value.rpartition("/")[2]
    return value
