"""Profiles on nodes: what is known of them, where pods may run, and whether what a container names is there."""

from policies.domain.inventory.grouping import pool_of
from policies.domain.inventory.installed import installed_references
from policies.domain.inventory.placement import (
    ANYWHERE,
    Placement,
    placement_fields,
    placement_of,
    read_placement,
)
from policies.domain.inventory.records import (
    Availability,
    Inventory,
    Node,
    NodeStatus,
    Observed,
    OperatorProfile,
    OperatorSettings,
    Outcome,
    Pool,
    ProfileState,
    Reference,
    Taint,
    Verdict,
)
from policies.domain.inventory.references import Named, references_of
from policies.domain.inventory.verdicts import Lookup, verdict, worst

__all__ = [
    "ANYWHERE",
    "Availability",
    "Inventory",
    "Lookup",
    "Named",
    "Node",
    "NodeStatus",
    "Observed",
    "OperatorProfile",
    "OperatorSettings",
    "Outcome",
    "Placement",
    "Pool",
    "ProfileState",
    "Reference",
    "Taint",
    "Verdict",
    "installed_references",
    "placement_fields",
    "placement_of",
    "pool_of",
    "read_placement",
    "references_of",
    "verdict",
    "worst",
]
