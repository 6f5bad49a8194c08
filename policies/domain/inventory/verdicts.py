"""The control C5: does every node that a pod may use have the profiles that its containers name. Unknown never passes."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime

from policies.domain.controls import Mechanism
from policies.domain.inventory import operator
from policies.domain.inventory.declared import (
    declared_values,
    on_declared_node,
    on_pool,
    pool_fit,
)
from policies.domain.inventory.placement import Fit, Placement, fit
from policies.domain.inventory.reading import COMPLAIN
from policies.domain.inventory.records import (
    Inventory,
    Node,
    Observed,
    OperatorProfile,
    Outcome,
    Reference,
    Verdict,
)

WORST_FIRST = (
    Outcome.FAIL,
    Outcome.UNKNOWN,
    Outcome.PENDING,
    Outcome.PASS,
    Outcome.NOT_APPLICABLE,
)
NAMED_NODES = 3
"""How many nodes a sentence names."""
NOTHING_KNOWN = "Neither the operator nor an admin says what lies on these nodes."
NO_PROFILE = "unconfined"
"""Of AppArmor: a Localhost profile of this name is refused by one runtime and is none with the other."""


@dataclass(frozen=True, slots=True)
class _Place:
    """A node or a pool that takes the pod, surely or perhaps, and what it says."""

    name: str
    is_sure: bool
    outcome: Outcome
    phrase: str


@dataclass(frozen=True, slots=True)
class Lookup:
    """Looks references up in one inventory; keep one for many, it remembers where pods may go."""

    inventory: Inventory
    now: datetime
    _takers: dict[Placement, tuple[tuple[Node, bool], ...]] = field(default_factory=dict)
    _profiles: dict[Reference, OperatorProfile | None] = field(default_factory=dict)

    def verdict(self, reference: Reference, placement: Placement) -> Verdict:
        """Say whether a profile is on every node that the pod may use."""
        if placement.is_windows:
            return Verdict(Outcome.NOT_APPLICABLE, "Windows pods have no such profiles.")
        if not reference.value.strip():
            return Verdict(Outcome.FAIL, "Localhost is asked for, and no profile is named.")
        if reference.mechanism is Mechanism.APPARMOR and reference.value.casefold() == NO_PROFILE:
            return Verdict(Outcome.FAIL, f"{reference.value} is the name of no profile.")
        observed = self.inventory.observed
        if observed is None or reference.mechanism in observed.missing:
            return self._declared(reference, placement)
        if gap := observed.gaps.get(reference.mechanism):
            declared = self._declared(reference, placement)
            is_good = declared.outcome is Outcome.PASS
            return declared if is_good else Verdict(Outcome.UNKNOWN, gap)
        profile = self._find(reference, observed)
        if profile is None:
            return self._not_of_operator(reference, placement, observed)
        return self._observed(profile, placement, observed)

    def on_node(self, reference: Reference, node: Node) -> tuple[Outcome, str]:
        """Say whether one node has a profile, with a word or two for it; who may use the node is not asked."""
        if not node.is_linux:
            return Outcome.NOT_APPLICABLE, "Windows"
        observed, gap = self.inventory.observed, ""
        if observed is not None and reference.mechanism not in observed.missing:
            gap = observed.gaps.get(reference.mechanism, "")
            profile = None if gap else self._find(reference, observed)
            if profile is not None:
                return self._on_node(profile, node, observed)
        outcome, phrase = on_declared_node(reference, node, self.inventory.pools)
        return (outcome, phrase) if outcome is Outcome.PASS or not gap else (Outcome.UNKNOWN, "")

    def _find(self, reference: Reference, observed: Observed) -> OperatorProfile | None:
        if reference not in self._profiles:
            self._profiles[reference] = operator.find_profile(reference, observed)
        return self._profiles[reference]

    def _on_node(
        self, profile: OperatorProfile, node: Node, observed: Observed
    ) -> tuple[Outcome, str]:
        if trouble := operator.trouble_of(profile, observed):
            return Outcome.FAIL, trouble[0]
        states = observed.statuses.get(profile.key, {})
        return operator.on_node(profile, states.get(node.name), node, self.now)

    def _observed(
        self, profile: OperatorProfile, placement: Placement, observed: Observed
    ) -> Verdict:
        if trouble := operator.trouble_of(profile, observed):
            return Verdict(Outcome.FAIL, trouble[1])
        if self.inventory.nodes is None:
            return Verdict(Outcome.UNKNOWN, self.inventory.nodes_gap)
        places = self._places(placement, lambda node: self._on_node(profile, node, observed))
        found = _summed(places, "node", "Installed on")
        if profile.mode == COMPLAIN:
            return _weakened(found, "It is in Complain mode: it records and denies nothing.")
        if operator.is_trace(profile):
            return _weakened(found, "It is the profile of a recording: it denies nothing.")
        return found

    def _not_of_operator(
        self, reference: Reference, placement: Placement, observed: Observed
    ) -> Verdict:
        declared = self._declared(reference, placement)
        if declared.outcome is Outcome.PASS:
            return declared
        near = operator.find_near(reference, operator.known_values(reference.mechanism, observed))
        if near or reference.value.startswith(_ONLY_OF_OPERATOR[reference.mechanism]):
            reason = f"The operator installs nothing that is named {reference.value}."
            return Verdict(Outcome.FAIL, reason, hint=near)
        if self.inventory.pools:
            return declared
        reason = (
            f"The operator does not install {reference.value}; "
            "whether something else does, nobody has declared."
        )
        return Verdict(Outcome.UNKNOWN, reason)

    def _declared(self, reference: Reference, placement: Placement) -> Verdict:
        pools = self.inventory.pools
        if not pools:
            return Verdict(Outcome.UNKNOWN, NOTHING_KNOWN)
        if self.inventory.nodes is not None:
            places = self._places(placement, lambda node: on_declared_node(reference, node, pools))
            found = _summed(places, "node", "Declared for")
        else:
            fits = ((pool, pool_fit(placement, pool)) for pool in pools)
            places = tuple(
                _Place(pool.name, taken is Fit.YES, *on_pool(reference, pool))
                for pool, taken in fits
                if taken is not Fit.NO
            )
            found = _summed(places, "pool", "Declared for")
        if found.outcome is Outcome.PASS:
            return found
        return replace(
            found,
            hint=operator.find_near(reference, declared_values(reference.mechanism, pools)),
        )

    def _places(
        self, placement: Placement, judge: Callable[[Node], tuple[Outcome, str]]
    ) -> tuple[_Place, ...]:
        return tuple(
            _Place(node.name, is_sure, *judge(node)) for node, is_sure in self.takers(placement)
        )

    def takers(self, placement: Placement) -> tuple[tuple[Node, bool], ...]:
        """Name the nodes that may take a pod, each with whether that is sure."""
        if placement not in self._takers:
            fits = ((node, fit(placement, node)) for node in self.inventory.nodes or ())
            self._takers[placement] = tuple(
                (node, taken is Fit.YES) for node, taken in fits if taken is not Fit.NO
            )
        return self._takers[placement]


_ONLY_OF_OPERATOR = {
    Mechanism.SECCOMP: operator.FOLDER,
    Mechanism.APPARMOR: operator.APPARMOR_PREFIX,
}
"""What begins like this is the operator's or wrong: nothing else writes into its folder, and the prefix is no name."""


def verdict(
    reference: Reference, placement: Placement, inventory: Inventory, now: datetime
) -> Verdict:
    """Say whether a profile is on every node that the pod may use."""
    return Lookup(inventory, now).verdict(reference, placement)


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """Give the verdict on a pod from those on its containers; without any, C5 does not apply."""
    none = Verdict(Outcome.NOT_APPLICABLE, "No container names a profile of its own.")
    return min(verdicts, key=lambda v: WORST_FIRST.index(v.outcome), default=none)


def _summed(places: tuple[_Place, ...], noun: str, good: str) -> Verdict:
    if not places:
        return Verdict(Outcome.UNKNOWN, f"No {noun} that is known takes this pod.")
    outcome = min((_weight(place) for place in places), key=WORST_FIRST.index)
    if outcome is Outcome.PASS:
        count = len(places)
        which = f"the only {noun}" if count == 1 else f"all {count} {noun}s"
        return Verdict(Outcome.PASS, f"{good} {which} that {_take(count)} this pod.")
    at_fault = tuple(place for place in places if _weight(place) is outcome)
    named = ", ".join(f"{place.name} ({place.phrase})" for place in at_fault[:NAMED_NODES])
    more = f" and {len(at_fault) - NAMED_NODES} more" if len(at_fault) > NAMED_NODES else ""
    share = f"{len(at_fault)} of {len(places)} {noun}s" if len(places) > 1 else f"the only {noun}"
    reason = f"{_LEADS[outcome]} {share}: {named}{more}."
    if not any(place.is_sure for place in at_fault):
        reason += " Whether the pod may run there cannot be told."
    return Verdict(outcome, reason, tuple(place.name for place in at_fault))


_LEADS = {
    Outcome.FAIL: "Missing on",
    Outcome.UNKNOWN: "Not known on",
    Outcome.PENDING: "Under way on",
}


def _weight(place: _Place) -> Outcome:
    """What a place counts for: where it is not sure that the pod may run, nothing but good news is news."""
    return place.outcome if place.is_sure or place.outcome is Outcome.PASS else Outcome.UNKNOWN


def _take(count: int) -> str:
    return "takes" if count == 1 else "take"


def _weakened(found: Verdict, why: str) -> Verdict:
    if found.outcome is not Outcome.PASS:
        return found
    return replace(found, reason=f"{found.reason} {why}", is_weak=True)
