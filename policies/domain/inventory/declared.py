"""What the declared pools say of one profile, on one node or, where nodes cannot be read, on one pool."""

from collections.abc import Iterable

from policies.domain.controls import Mechanism
from policies.domain.inventory.placement import Fit, Placement
from policies.domain.inventory.records import Availability, Node, Outcome, Pool, Reference


def on_declared_node(
    reference: Reference, node: Node, pools: tuple[Pool, ...]
) -> tuple[Outcome, str]:
    """Lookup one profile on one node by the pools that hold it, with a word or two for it."""
    return _judged(reference, [pool for pool in pools if pool.holds(node)])


def on_pool(reference: Reference, pool: Pool) -> tuple[Outcome, str]:
    """Lookup one profile on the nodes of one pool."""
    return _judged(reference, [pool])


def pool_fit(placement: Placement, pool: Pool) -> Fit:
    """Say whether nodes of this pool take the pod, by the pool's labels alone."""
    shared = [(key, value) for key, value in placement.selector if key in pool.selector]
    if any(pool.selector[key] != value for key, value in shared):
        return Fit.NO
    is_sure = (
        len(shared) == len(placement.selector)
        and placement.terms is None
        and not placement.node_name
    )
    return Fit.YES if is_sure else Fit.MAYBE


def declared_values(mechanism: Mechanism, pools: Iterable[Pool]) -> tuple[str, ...]:
    """Name what is declared anywhere of one mechanism, sorted."""
    return tuple(
        sorted({r.value for pool in pools for r in pool.profiles if r.mechanism is mechanism})
    )


def _judged(reference: Reference, pools: list[Pool]) -> tuple[Outcome, str]:
    if not pools:
        return Outcome.UNKNOWN, "in no declared pool"
    if reference.mechanism is Mechanism.APPARMOR and any(
        pool.apparmor is Availability.NO for pool in pools
    ):
        return Outcome.FAIL, "no AppArmor"
    if any(reference in pool.profiles for pool in pools):
        return Outcome.PASS, "declared"
    if any(reference.mechanism in pool.complete for pool in pools):
        return Outcome.FAIL, "not declared"
    return Outcome.UNKNOWN, "list not complete"
