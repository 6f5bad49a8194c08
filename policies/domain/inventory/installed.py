"""The list that a policy with the control `profile-installed` carries: what is on every node that takes a plain pod."""

from dataclasses import replace
from datetime import datetime

from policies.domain.controls import Mechanism
from policies.domain.inventory.declared import declared_values
from policies.domain.inventory.operator import known_values
from policies.domain.inventory.placement import ANYWHERE
from policies.domain.inventory.records import GRACE, Inventory, Outcome, Reference
from policies.domain.inventory.verdicts import Lookup


def installed_references(
    inventory: Inventory, mechanism: Mechanism, *, now: datetime
) -> tuple[str, ...] | None:
    """Name what is installed on every schedulable Linux node, sorted; None when no inventory is complete.

    A node that has only just joined does not shorten the list: it would refuse pods for as long as it takes to
    install. What lies on nodes by other means than the operator and the declared pools is not in it.
    """
    lookup = Lookup(_settled(inventory, now), now)
    if not _is_complete(lookup, mechanism):
        return None
    observed = inventory.observed
    known = set(declared_values(mechanism, inventory.pools))
    if observed is not None and mechanism not in observed.missing:
        known.update(known_values(mechanism, observed))
    return tuple(
        value
        for value in sorted(known)
        if lookup.verdict(Reference(mechanism, value), ANYWHERE).outcome is Outcome.PASS
    )


def _is_complete(lookup: Lookup, mechanism: Mechanism) -> bool:
    inventory = lookup.inventory
    observed = inventory.observed
    if observed is not None and mechanism not in observed.missing:
        return mechanism not in observed.gaps and inventory.nodes is not None
    if inventory.nodes is None:
        return bool(inventory.pools) and all(mechanism in p.complete for p in inventory.pools)
    takers = lookup.takers(ANYWHERE)
    return bool(takers) and all(
        any(pool.holds(node) and mechanism in pool.complete for pool in inventory.pools)
        for node, _ in takers
    )


def _settled(inventory: Inventory, now: datetime) -> Inventory:
    """Leave out the nodes that have just joined, unless there are no others."""
    nodes = inventory.nodes or ()
    settled = tuple(n for n in nodes if n.created_at is None or now - n.created_at >= GRACE)
    return replace(inventory, nodes=settled) if settled else inventory
