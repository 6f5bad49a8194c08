"""What is known of the profiles that lie on nodes, and what a verdict on one of them says."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from policies.domain.controls import Mechanism

GRACE = timedelta(minutes=10)
"""How long a node that has joined, or a profile that was made, may be without a status: the operator needs its time."""


class Outcome(StrEnum):
    """Whether a profile that a container names is there. Only `pass` is good."""

    PASS = "pass"
    FAIL = "fail"
    PENDING = "pending"
    UNKNOWN = "unknown"
    NOT_APPLICABLE = "not-applicable"


class ProfileState(StrEnum):
    """How far the operator is with a profile, on a node or over all nodes."""

    PARTIAL = "Partial"
    DISABLED = "Disabled"
    PENDING = "Pending"
    IN_PROGRESS = "InProgress"
    INSTALLED = "Installed"
    TERMINATING = "Terminating"
    ERROR = "Error"


class Availability(StrEnum):
    """Whether the nodes of a pool have AppArmor; no API says so."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, order=True)
class Reference:
    """A profile as a pod names it."""

    mechanism: Mechanism
    value: str
    """The path of a seccomp file, or the name of a loaded AppArmor profile, as written."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a reference can be met wherever its pod may run."""

    outcome: Outcome
    reason: str
    nodes: tuple[str, ...] = ()
    """Names of the nodes, or of the declared pools, that are at fault."""
    hint: str = ""
    """What to write instead; empty when there is nothing to propose."""
    is_weak: bool = False
    """The profile is there, but it only records or complains: it denies nothing."""


@dataclass(frozen=True, slots=True)
class Taint:
    key: str
    value: str = ""
    effect: str = ""


@dataclass(frozen=True, slots=True)
class Node:
    """One node, as far as placing a pod needs it."""

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[Taint, ...] = ()
    os: str = "linux"
    os_image: str = ""
    is_ready: bool | None = None
    created_at: datetime | None = None
    kubelet_version: str = ""
    runtime: str = ""

    @property
    def is_linux(self) -> bool:
        """A node that does not say what it is counts as Linux, so that nothing is left out of a verdict."""
        return self.os != "windows"


@dataclass(frozen=True, slots=True)
class OperatorProfile:
    """A SeccompProfile or an AppArmorProfile."""

    mechanism: Mechanism
    name: str
    namespace: str = ""
    """Empty since the operator's 0.9, which made profiles cluster-wide."""
    state: str = ""
    mode: str = ""
    """`Enforce` or `Complain`, of AppArmor only."""
    is_partial: bool = False
    """One piece of a recording: the operator merges it and never installs it."""
    is_disabled: bool = False
    is_deleting: bool = False
    localhost_value: str = ""
    """What the operator says that a pod must write; empty while it has not said so."""
    created_at: datetime | None = None

    @property
    def key(self) -> tuple[Mechanism, str, str]:
        return (self.mechanism, self.namespace, self.name)


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """How far one profile is on one node, as the operator's daemon there says."""

    mechanism: Mechanism
    profile: str
    node: str
    state: str
    namespace: str = ""


@dataclass(frozen=True, slots=True)
class OperatorSettings:
    """One SecurityProfilesOperatorDaemon: what the operator was told to do."""

    namespace: str
    name: str
    state: str = ""
    enables_apparmor: bool = False


@dataclass(frozen=True, slots=True)
class Observed:
    """What the Security Profiles Operator reports on a cluster that serves its kinds."""

    profiles: tuple[OperatorProfile, ...] = ()
    statuses: Mapping[tuple[Mechanism, str, str], Mapping[str, str]] = field(default_factory=dict)
    """State by name of the node, by the key of the profile."""
    enables_apparmor: bool | None = None
    """None when nobody has said: there is no such setting to be read."""
    gaps: Mapping[Mechanism, str] = field(default_factory=dict)
    """Why nothing complete is known of a mechanism: a sentence. A mechanism that was read has none."""
    missing: frozenset[Mechanism] = frozenset()
    """Mechanisms whose kind this operator does not have."""


@dataclass(frozen=True, slots=True)
class Pool:
    """Some nodes, by their labels, and what an admin declares to lie on each of them."""

    name: str
    selector: Mapping[str, str] = field(default_factory=dict)
    """Labels that a node must carry; empty for every node."""
    apparmor: Availability = Availability.UNKNOWN
    profiles: frozenset[Reference] = frozenset()
    complete: frozenset[Mechanism] = frozenset()
    """Mechanisms whose list leaves nothing out."""

    def holds(self, node: Node) -> bool:
        return all(node.labels.get(key) == value for key, value in self.selector.items())


@dataclass(frozen=True, slots=True)
class Inventory:
    """All that is known of one cluster: its nodes, what is observed and what is declared."""

    nodes: tuple[Node, ...] | None = None
    """None when they could not be read."""
    nodes_gap: str = "The nodes of this cluster were not read yet."
    """Why there are none; only looked at when `nodes` is None."""
    observed: Observed | None = None
    """None when the operator's kinds are not served."""
    pools: tuple[Pool, ...] = ()
