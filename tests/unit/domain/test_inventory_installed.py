"""The list of installed references that a policy carries."""

from dataclasses import replace

from policies.domain.inventory import (
    Inventory,
    Observed,
    Pool,
    Reference,
    Taint,
    installed_references,
)
from tests.unit.domain.inventory_cases import (
    ALL,
    APPARMOR,
    NODES,
    NOW,
    SECCOMP,
    declared,
    node,
    profile,
    seccomp,
)


def listed(inventory: Inventory) -> tuple[str, ...] | None:
    return installed_references(inventory, SECCOMP, now=NOW)


def test_installed_references_observed_are_those_on_every_node() -> None:
    everywhere, somewhere = profile(SECCOMP, "b"), profile(SECCOMP, "a")
    statuses = {everywhere.key: ALL, somewhere.key: {"a": "Installed"}}
    observed = Observed(profiles=(everywhere, somewhere), statuses=statuses)

    assert listed(Inventory(NODES, observed=observed)) == ("operator/b.json",)


def test_installed_references_leave_out_tainted_nodes() -> None:
    tainted = node("c", taints=(Taint("gpu", "", "NoSchedule"),))

    assert listed(seccomp({"a": "Installed"}, (node("a"), tainted))) == ("operator/a.json",)


def test_installed_references_wait_for_a_node_that_just_joined() -> None:
    nodes = (node("a"), node("new", age_minutes=1))

    assert listed(seccomp({"a": "Installed"}, nodes)) == ("operator/a.json",)


def test_installed_references_of_one_fresh_node_are_not_assumed() -> None:
    assert listed(seccomp({}, (node("new", age_minutes=1),))) == ()


def test_installed_references_add_what_pools_declare() -> None:
    pools = declared(("web", {"own.json"}), ("gpu", {"own.json"}), nodes=NODES).pools

    found = listed(replace(seccomp(ALL), pools=pools))

    assert found == ("operator/a.json", "own.json")


def test_installed_references_declared_completely_need_no_nodes() -> None:
    inventory = declared(("web", {"a.json", "b.json"}), ("gpu", {"b.json"}), nodes=None)

    assert listed(inventory) == ("b.json",)


def test_installed_references_without_a_complete_inventory_are_none() -> None:
    some = frozenset({Reference(SECCOMP, "a.json")})
    unfinished = (Pool("every", profiles=some),)
    assert listed(Inventory(NODES)) is None
    assert listed(Inventory()) is None
    assert listed(Inventory(NODES, pools=unfinished)) is None
    assert listed(Inventory(None, pools=unfinished)) is None
    assert listed(replace(seccomp(ALL), nodes=None)) is None
    assert listed(Inventory(NODES, observed=Observed(gaps={SECCOMP: "Forbidden."}))) is None
    assert listed(declared(("web", {"a.json"}), nodes=NODES)) is None


def test_installed_references_of_a_mechanism_that_the_operator_lacks_are_none() -> None:
    inventory = Inventory(NODES, observed=Observed(missing=frozenset({APPARMOR})))

    assert installed_references(inventory, APPARMOR, now=NOW) is None
