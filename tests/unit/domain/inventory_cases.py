"""The cases of control C5, by their ids: what a pod names, what is known of the nodes, and what follows."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from policies.domain.controls import Mechanism
from policies.domain.inventory import (
    ANYWHERE,
    Inventory,
    Node,
    Observed,
    OperatorProfile,
    Outcome,
    Placement,
    Pool,
    Reference,
    Taint,
)

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LONG_AGO = NOW - timedelta(days=30)
SECCOMP, APPARMOR = Mechanism.SECCOMP, Mechanism.APPARMOR
GPU_TAINT = Taint("gpu", "yes", "NoSchedule")
GPU = Placement(selector=(("pool", "gpu"),))


def node(
    name: str, pool: str = "web", *, taints: tuple[Taint, ...] = (), age_minutes: int = 9999
) -> Node:
    joined = NOW - timedelta(minutes=age_minutes)
    return Node(name, labels={"pool": pool}, taints=taints, created_at=joined)


def profile(mechanism: Mechanism, name: str, **facts: object) -> OperatorProfile:
    return OperatorProfile(
        mechanism=mechanism, name=name, **{"state": "Installed", "created_at": LONG_AGO, **facts}
    )


def observed(one: OperatorProfile, states: dict[str, str], **facts: object) -> Observed:
    facts = {"enables_apparmor": True, **facts}
    return Observed(profiles=(one,), statuses={one.key: states}, **facts)


NODES = (node("a"), node("b"), node("c", "gpu"))
ALL = {"a": "Installed", "b": "Installed", "c": "Installed"}
OPERATOR_A = profile(SECCOMP, "a")
WEB = profile(APPARMOR, "k8s-web")


def seccomp(states: dict[str, str], nodes: tuple[Node, ...] = NODES, **facts: object) -> Inventory:
    return Inventory(nodes, observed=observed(profile(SECCOMP, "a", **facts), states))


def apparmor(**facts: object) -> Inventory:
    return Inventory(NODES, observed=observed(profile(APPARMOR, "k8s-web", **facts), ALL))


def declared(*values_of_pools: tuple[str, set[str]], nodes: tuple[Node, ...] | None) -> Inventory:
    pools = tuple(
        Pool(
            name,
            selector={"pool": name},
            profiles=frozenset(Reference(SECCOMP, value) for value in values),
            complete=frozenset({SECCOMP}),
        )
        for name, values in values_of_pools
    )
    return Inventory(nodes, pools=pools)


@dataclass(frozen=True)
class Case:
    """One row of the table."""

    id: str
    value: str
    inventory: Inventory
    outcome: Outcome
    mechanism: Mechanism = SECCOMP
    placement: Placement = ANYWHERE
    at_fault: tuple[str, ...] = ()
    hint: str = ""
    is_weak: bool = False
    said: str = field(default="")


A = "operator/a.json"
CASES = (
    Case("P01", A, seccomp(ALL), Outcome.PASS, said="all 3 nodes"),
    Case(
        "P02",
        A,
        seccomp({"a": "Installed", "b": "Installed"}),
        Outcome.FAIL,
        at_fault=("c",),
        said="c (no status)",
    ),
    Case(
        "P03",
        A,
        seccomp({"a": "Installed"}, (node("a"), node("c", "gpu", taints=(GPU_TAINT,)))),
        Outcome.PASS,
        said="the only node",
    ),
    Case(
        "P04",
        A,
        seccomp({"a": "Installed", "b": "Installed"}),
        Outcome.FAIL,
        placement=GPU,
        at_fault=("c",),
    ),
    Case("P05", A, seccomp({**ALL, "b": "Error"}), Outcome.FAIL, at_fault=("b",), said="Error"),
    Case("P06", A, seccomp({**ALL, "b": "InProgress"}), Outcome.PENDING, at_fault=("b",)),
    Case("P07", A, seccomp(ALL, is_deleting=True), Outcome.FAIL, said="being removed"),
    Case("P08", A, seccomp(ALL, is_disabled=True), Outcome.FAIL, said="disabled"),
    Case("P09", A, seccomp(ALL, is_partial=True), Outcome.FAIL, said="never installed"),
    Case("P10", "operator/ns/a.json", seccomp(ALL), Outcome.FAIL, hint=A),
    Case("P11", "operator/ns/a.json", seccomp(ALL, namespace="ns"), Outcome.PASS),
    Case(
        "P12",
        "a.json",
        declared(("web", {"a.json"}), ("gpu", {"a.json"}), nodes=NODES),
        Outcome.PASS,
        said="Declared",
    ),
    Case(
        "P13",
        "a.json",
        declared(("web", {"a.json"}), ("gpu", set()), nodes=NODES),
        Outcome.FAIL,
        at_fault=("c",),
    ),
    Case(
        "P14", "a.json", Inventory(NODES), Outcome.UNKNOWN, said="Neither the operator nor an admin"
    ),
    Case("P15", "k8s-web", apparmor(mode="Enforce"), Outcome.PASS, APPARMOR),
    Case("P16", "k8s-web", apparmor(mode="Complain"), Outcome.PASS, APPARMOR, is_weak=True),
    Case("P17", "localhost/k8s-web", apparmor(), Outcome.FAIL, APPARMOR, hint="k8s-web"),
    Case(
        "P18",
        "k8s-web",
        Inventory(NODES, observed=observed(WEB, {}, enables_apparmor=False)),
        Outcome.FAIL,
        APPARMOR,
        said="enableAppArmor",
    ),
    Case("P19", "K8s-Web", apparmor(), Outcome.FAIL, APPARMOR, hint="k8s-web"),
    Case(
        "P23",
        A,
        Inventory(NODES, observed=Observed(gaps={SECCOMP: "Forbidden to list seccompprofiles."})),
        Outcome.UNKNOWN,
        said="Forbidden to list",
    ),
    Case(
        "P24 within ten minutes",
        A,
        seccomp({"a": "Installed"}, (node("a"), node("new", age_minutes=9))),
        Outcome.PENDING,
        at_fault=("new",),
        said="just joined",
    ),
    Case(
        "P24 after ten minutes",
        A,
        seccomp({"a": "Installed"}, (node("a"), node("new", age_minutes=10))),
        Outcome.FAIL,
        at_fault=("new",),
    ),
)
"""P20 to P22 are about a whole pod: they stand in the test."""
