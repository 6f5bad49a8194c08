"""Control C5: every case by its id, and what decides where neither the operator nor an admin says enough."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from policies.domain.controls import Control, Mechanism
from policies.domain.inventory import (
    ANYWHERE,
    Availability,
    Inventory,
    Lookup,
    Node,
    Observed,
    Outcome,
    Placement,
    Pool,
    Reference,
    Verdict,
    placement_of,
    pool_of,
    references_of,
    verdict,
    worst,
)
from policies.domain.objects import Pod, WorkloadKind
from policies.domain.parameters import Parameters
from policies.domain.posture import assess
from tests.unit.domain.inventory_cases import (
    ALL,
    APPARMOR,
    CASES,
    GPU_TAINT,
    LONG_AGO,
    NODES,
    NOW,
    SECCOMP,
    Case,
    declared,
    node,
    observed,
    profile,
    seccomp,
)


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.id)
def test_verdict_case_gives_outcome_nodes_and_hint(case: Case) -> None:
    found = verdict(Reference(case.mechanism, case.value), case.placement, case.inventory, NOW)

    assert (found.outcome, found.nodes, found.hint, found.is_weak) == (
        case.outcome,
        case.at_fault,
        case.hint,
        case.is_weak,
    )
    assert case.said in found.reason


def of_pod(spec: dict[str, Any], inventory: Inventory) -> Verdict:
    pod = msgspec.convert({"metadata": {"name": "p"}, "spec": spec}, Pod)
    controls = Parameters(controls=(Control.REQUIRE_SECCOMP,))
    posture = assess(WorkloadKind.POD, pod, parameters=controls)
    placement = placement_of(WorkloadKind.POD, pod.spec)
    named = references_of(posture.containers)
    return worst(verdict(one.reference, placement, inventory, NOW) for one in named)


def container(name: str, profile_type: str, path: str | None = None) -> dict[str, Any]:
    fields = {"type": profile_type} | ({"localhostProfile": path} if path else {})
    return {"name": name, "securityContext": {"seccompProfile": fields}}


def test_verdict_p20_runtime_default_only_is_not_applicable() -> None:
    found = of_pod({"containers": [container("app", "RuntimeDefault")]}, seccomp(ALL))

    assert found.outcome is Outcome.NOT_APPLICABLE


def test_verdict_p21_windows_pod_is_not_applicable() -> None:
    spec = {
        "os": {"name": "windows"},
        "containers": [container("app", "Localhost", "operator/a.json")],
    }

    assert of_pod(spec, seccomp({})).outcome is Outcome.NOT_APPLICABLE


def test_verdict_p22_one_container_unknown_makes_the_pod_unknown() -> None:
    spec = {
        "containers": [
            container("app", "Localhost", "operator/a.json"),
            container("log-tail", "Localhost", "profiles/own.json"),
        ]
    }

    assert of_pod(spec, seccomp(ALL)).outcome is Outcome.UNKNOWN


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        (("pass", "pending"), "pending"),
        (("pending", "unknown", "pass"), "unknown"),
        (("unknown", "fail", "pending"), "fail"),
        (("not-applicable", "pass"), "pass"),
    ],
)
def test_worst_of_several_follows_the_order(outcomes: tuple[str, ...], expected: str) -> None:
    assert worst(Verdict(Outcome(one), "") for one in outcomes).outcome == expected


def test_cases_are_complete() -> None:
    in_table = {case.id.split()[0] for case in CASES}
    assert in_table | {"P20", "P21", "P22"} == {f"P{number:02}" for number in range(1, 25)}


def judged(value: str, inventory: Inventory, mechanism: Mechanism = SECCOMP) -> Verdict:
    return verdict(Reference(mechanism, value), ANYWHERE, inventory, NOW)


def test_verdict_localhost_without_a_name_fails_whatever_is_known() -> None:
    assert judged("", Inventory()).outcome is Outcome.FAIL


def test_verdict_apparmor_named_unconfined_fails_whatever_is_known() -> None:
    assert judged("Unconfined", Inventory(), APPARMOR).outcome is Outcome.FAIL
    assert judged("unconfined", Inventory(), SECCOMP).outcome is Outcome.UNKNOWN


def test_verdict_path_outside_the_operators_folder_stays_unknown() -> None:
    found = judged("profiles/own.json", seccomp(ALL))

    assert found.outcome is Outcome.UNKNOWN
    assert "nobody has declared" in found.reason


def test_verdict_unknown_apparmor_name_stays_unknown() -> None:
    inventory = Inventory(NODES, observed=observed(profile(APPARMOR, "k8s-web"), ALL))

    assert judged("nginx-confined", inventory, APPARMOR).outcome is Outcome.UNKNOWN


def test_verdict_path_that_the_operator_lacks_and_pools_declare_passes() -> None:
    pools = declared(("web", {"own.json"}), ("gpu", {"own.json"}), nodes=NODES).pools

    assert judged("own.json", replace(seccomp(ALL), pools=pools)).outcome is Outcome.PASS


def test_verdict_path_that_neither_has_and_lists_are_complete_fails() -> None:
    pools = declared(("web", {"own.json"}), ("gpu", {"own.json"}), nodes=NODES).pools

    assert judged("other.json", replace(seccomp(ALL), pools=pools)).outcome is Outcome.FAIL


def test_verdict_in_operators_folder_without_such_profile_fails() -> None:
    assert judged("operator/nope.json", seccomp(ALL)).outcome is Outcome.FAIL


def test_verdict_forbidden_and_declared_everywhere_passes_as_declared() -> None:
    gap = Observed(gaps={SECCOMP: "Forbidden."})
    inventory = replace(
        declared(("web", {"a.json"}), ("gpu", {"a.json"}), nodes=NODES), observed=gap
    )

    assert judged("a.json", inventory).outcome is Outcome.PASS
    assert judged("b.json", inventory).outcome is Outcome.UNKNOWN


def test_verdict_mechanism_that_the_operator_lacks_goes_to_what_is_declared() -> None:
    inventory = Inventory(NODES, observed=Observed(missing=frozenset({APPARMOR})))

    assert "Neither the operator nor an admin" in judged("k8s-web", inventory, APPARMOR).reason


def test_verdict_nodes_not_read_is_unknown_with_the_reason() -> None:
    inventory = replace(seccomp(ALL), nodes=None, nodes_gap="Forbidden to list nodes.")

    found = judged("operator/a.json", inventory)

    assert (found.outcome, found.reason) == (Outcome.UNKNOWN, "Forbidden to list nodes.")


def test_verdict_no_node_takes_the_pod_is_unknown() -> None:
    nowhere = Placement(selector=(("pool", "none"),))

    found = verdict(Reference(SECCOMP, "operator/a.json"), nowhere, seccomp(ALL), NOW)

    assert found.outcome is Outcome.UNKNOWN


def test_verdict_node_that_may_take_the_pod_and_lacks_it_is_unknown() -> None:
    perhaps = Placement(runtime_class="gvisor")
    nodes = (node("a"), node("c", taints=(GPU_TAINT,)))

    found = verdict(
        Reference(SECCOMP, "operator/a.json"), perhaps, seccomp({"a": "Installed"}, nodes), NOW
    )

    assert (found.outcome, found.nodes) == (Outcome.UNKNOWN, ("c",))
    assert "cannot be told" in found.reason


def test_verdict_node_in_no_declared_pool_is_unknown() -> None:
    found = judged("a.json", declared(("web", {"a.json"}), nodes=NODES))

    assert (found.outcome, found.nodes) == (Outcome.UNKNOWN, ("c",))


def test_verdict_list_not_complete_is_unknown() -> None:
    inventory = Inventory(NODES, pools=(Pool("every"),))

    assert judged("a.json", inventory).outcome is Outcome.UNKNOWN


def test_verdict_pool_without_apparmor_fails() -> None:
    listed = frozenset({Reference(APPARMOR, "k8s-web")})
    pool = Pool("every", apparmor=Availability.NO, profiles=listed)

    found = judged("k8s-web", Inventory(NODES, pools=(pool,)), APPARMOR)

    assert found.outcome is Outcome.FAIL
    assert "no AppArmor" in found.reason


@pytest.mark.parametrize(
    ("placement", "outcome"),
    [
        (ANYWHERE, Outcome.FAIL),
        (Placement(selector=(("pool", "web"),)), Outcome.PASS),
        (Placement(selector=(("zone", "west"),)), Outcome.UNKNOWN),
        (Placement(node_name="b"), Outcome.UNKNOWN),
    ],
)
def test_verdict_declared_pools_without_nodes_go_by_the_pools_labels(
    placement: Placement, outcome: Outcome
) -> None:
    inventory = declared(("web", {"a.json"}), ("gpu", set()), nodes=None)

    found = verdict(Reference(SECCOMP, "a.json"), placement, inventory, NOW)

    assert found.outcome is outcome


def test_verdict_declared_name_in_other_case_gets_a_hint() -> None:
    found = judged("A.json", declared(("web", {"a.json"}), nodes=None))

    assert (found.outcome, found.hint) == (Outcome.FAIL, "a.json")


@pytest.mark.parametrize("value", ["operator/spo/log-enricher-trace.json"])
def test_verdict_recorders_path_passes_as_weak(value: str) -> None:
    one = profile(SECCOMP, "log-enricher-trace")

    found = judged(value, Inventory(NODES, observed=observed(one, ALL)))

    assert (found.outcome, found.is_weak) == (Outcome.PASS, True)


def test_verdict_fresh_profile_without_status_is_pending() -> None:
    inventory = seccomp({}, created_at=NOW - timedelta(minutes=1), state="")

    assert judged("operator/a.json", inventory).outcome is Outcome.PENDING


def test_verdict_state_that_nobody_knows_is_unknown() -> None:
    assert judged("operator/a.json", seccomp({**ALL, "b": "Baked"})).outcome is Outcome.UNKNOWN


def test_verdict_terminating_state_without_deletion_fails() -> None:
    assert judged("operator/a.json", seccomp(ALL, state="Terminating")).outcome is Outcome.FAIL


def test_verdict_value_that_the_operator_tells_counts() -> None:
    inventory = seccomp(ALL, localhost_value="operator/elsewhere/a.json")

    assert judged("operator/elsewhere/a.json", inventory).outcome is Outcome.PASS


def test_lookup_many_nodes_names_three_and_counts_the_rest() -> None:
    nodes = tuple(Node(f"n{number:04}", created_at=LONG_AGO) for number in range(5000))

    found = Lookup(seccomp({}, nodes), NOW).verdict(Reference(SECCOMP, "operator/a.json"), ANYWHERE)

    assert len(found.nodes) == 5000
    assert found.reason.endswith("and 4997 more.")


def test_verdict_reference_of_a_windows_pod_is_not_applicable() -> None:
    windows = Placement(is_windows=True)

    found = verdict(Reference(SECCOMP, "operator/a.json"), windows, seccomp({}), NOW)

    assert found.outcome is Outcome.NOT_APPLICABLE


def test_verdict_complain_mode_that_is_missing_somewhere_fails_and_is_not_weak() -> None:
    one = profile(APPARMOR, "k8s-web", mode="Complain")

    found = judged("k8s-web", Inventory(NODES, observed=observed(one, {})), APPARMOR)

    assert (found.outcome, found.is_weak) == (Outcome.FAIL, False)


@pytest.mark.parametrize(
    ("inventory", "where", "expected"),
    [
        (seccomp(ALL), NODES[0], (Outcome.PASS, "Installed")),
        (seccomp({}), NODES[0], (Outcome.FAIL, "no status")),
        (seccomp(ALL, is_disabled=True), NODES[0], (Outcome.FAIL, "Disabled")),
        (seccomp(ALL), Node("w", os="windows"), (Outcome.NOT_APPLICABLE, "Windows")),
        (
            declared(("web", {"operator/a.json"}), nodes=NODES),
            NODES[0],
            (Outcome.PASS, "declared"),
        ),
        (
            declared(("web", {"x.json"}), nodes=NODES),
            NODES[0],
            (Outcome.FAIL, "not declared"),
        ),
        (
            Inventory(NODES, observed=Observed(gaps={SECCOMP: "Forbidden."})),
            NODES[0],
            (Outcome.UNKNOWN, ""),
        ),
        (
            replace(
                declared(("web", {"operator/a.json"}), nodes=NODES),
                observed=observed(profile(SECCOMP, "other"), ALL),
            ),
            NODES[0],
            (Outcome.PASS, "declared"),
        ),
    ],
)
def test_on_node_says_what_the_node_has(
    inventory: Inventory, where: Node, expected: tuple[Outcome, str]
) -> None:
    assert Lookup(inventory, NOW).on_node(Reference(SECCOMP, "operator/a.json"), where) == expected


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (node("a", "gpu"), "gpu"),
        (node("b", "web"), "every"),
        (Node("c"), "every"),
    ],
)
def test_pool_of_node_is_the_narrowest_declared(where: Node, expected: str) -> None:
    assert pool_of(where, (Pool("every"), Pool("gpu", selector={"pool": "gpu"}))) == expected


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ({"eks.amazonaws.com/nodegroup": "burst"}, "burst"),
        ({"node-role.kubernetes.io/control-plane": ""}, "control plane"),
        ({}, "other nodes"),
    ],
)
def test_pool_of_node_that_nobody_declared_goes_by_its_labels(
    labels: dict[str, str], expected: str
) -> None:
    assert pool_of(Node("a", labels=labels), ()) == expected


def test_lookup_of_one_reference_on_several_nodes_says_each_nodes_own() -> None:
    lookup = Lookup(seccomp({"a": "Installed", "b": "Error"}), NOW)

    found = [lookup.on_node(Reference(SECCOMP, "operator/a.json"), where) for where in NODES]

    assert [phrase for _, phrase in found] == ["Installed", "Error", "no status"]
