"""Gates and verdicts: each gate in each outcome, and unknown never passes."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from policies.domain.readiness import (
    EVIDENCE_GATES,
    HARD_GATES,
    INSTALL_GATES,
    ClusterEvidence,
    ExemptEvidence,
    GateId,
    GateOutcome,
    NamespaceEvidence,
    NamespaceVerdict,
    PolicyEvidence,
    RehearsalEvidence,
    Tally,
    Verdict,
    assess_install,
    assess_namespace,
)

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
CHANGED_AT = NOW - 60 * MINUTE

CLUSTER = ClusterEvidence(
    contact_state="ok",
    contact_message="",
    contacted_at=NOW,
    engine_state="up",
    engine_message="",
    engine_checked_at=NOW,
    collected_at=NOW - MINUTE,
    missing_kinds=(),
    stale_after=15 * MINUTE,
    rehearsal_valid=24 * 60 * MINUTE,
)
POLICY = PolicyEvidence(exists=True, drifted=False, changed_at=CHANGED_AT)
TALLY = Tally(
    pass_count=4,
    fail_count=0,
    warn_count=0,
    error_count=0,
    skip_count=1,
    failing_workload_count=0,
    judged_workload_count=2,
    newest_at=NOW - MINUTE,
    oldest_at=NOW - 2 * MINUTE,
)
REHEARSAL = RehearsalEvidence(
    started_at=NOW - 2 * MINUTE,
    finished_at=NOW - MINUTE,
    workload_count=2,
    refused_count=0,
    unjudged_count=0,
)
NAMESPACE = NamespaceEvidence(
    namespace="team-a",
    is_system=False,
    tally=TALLY,
    workload_count=2,
    reportable_count=2,
    posture_failing_count=0,
    rehearsal=REHEARSAL,
)


def assess(
    cluster: ClusterEvidence = CLUSTER,
    policy: PolicyEvidence = POLICY,
    namespace: NamespaceEvidence = NAMESPACE,
) -> NamespaceVerdict:
    return assess_namespace(cluster, policy, namespace, now=NOW)


def test_assess_with_every_gate_passing_is_ready() -> None:
    verdict = assess()

    assert verdict.verdict is Verdict.READY
    assert verdict.open_gates == ()
    assert verdict.reason == "Every gate passes."
    assert [gate.id for gate in verdict.gates] == list(GateId)


FAIL, UNKNOWN = GateOutcome.FAIL, GateOutcome.UNKNOWN


@pytest.mark.parametrize(
    ("changes", "gate", "outcome", "number", "says"),
    [
        (
            {"contact_state": "unreachable", "contact_message": "Nothing listens there."},
            GateId.CONTACT,
            UNKNOWN,
            None,
            "Nothing listens there.",
        ),
        ({"contact_state": "unknown"}, GateId.CONTACT, UNKNOWN, None, "not asked yet"),
        ({"missing_kinds": ("pods",)}, GateId.COLLECTION, UNKNOWN, 1, "to the end: pods."),
        ({"missing_kinds": tuple("abcd")}, GateId.COLLECTION, UNKNOWN, 4, "a, b, c …"),
        ({"collected_at": None}, GateId.COLLECTION, UNKNOWN, None, "Nothing was collected"),
        (
            {"collected_at": NOW - 16 * MINUTE},
            GateId.COLLECTION,
            UNKNOWN,
            None,
            "16 minutes old",
        ),
        ({"engine_state": "down"}, GateId.ENGINE, FAIL, None, "Engine down."),
        (
            {"engine_state": "down", "engine_message": "Engine down: no endpoints"},
            GateId.ENGINE,
            FAIL,
            None,
            "no endpoints",
        ),
        ({"engine_state": "unknown"}, GateId.ENGINE, UNKNOWN, None, "Nobody has asked"),
        ({"engine_checked_at": None}, GateId.ENGINE, UNKNOWN, None, "Nobody has asked"),
        ({"engine_checked_at": NOW - 16 * MINUTE}, GateId.ENGINE, UNKNOWN, None, "is old"),
    ],
)
def test_gate_of_the_cluster_says_what_is_wrong(
    changes: dict[str, Any], gate: GateId, outcome: GateOutcome, number: int | None, says: str
) -> None:
    found = assess(cluster=replace(CLUSTER, **changes)).gate(gate)

    assert (found.outcome, found.number) == (outcome, number)
    assert says in found.sentence


@pytest.mark.parametrize(
    ("policy", "namespace", "says"),
    [
        ({"exists": False}, {}, "install the variant first"),
        ({"drifted": True}, {}, "Install it again"),
        ({}, {"is_system": True}, "has no effect"),
    ],
)
def test_gate_of_the_policy_fails_and_says_what_to_do(
    policy: dict[str, Any], namespace: dict[str, Any], says: str
) -> None:
    verdict = assess(policy=replace(POLICY, **policy), namespace=replace(NAMESPACE, **namespace))

    assert verdict.gate(GateId.POLICY).outcome is FAIL
    assert says in verdict.gate(GateId.POLICY).sentence
    assert verdict.verdict is Verdict.BLOCKED


@pytest.mark.parametrize(
    ("tally", "outcome", "number", "says"),
    [
        (None, UNKNOWN, 0, "No report"),
        (replace(TALLY, pass_count=0), UNKNOWN, 0, "No report"),
        (replace(TALLY, oldest_at=None), UNKNOWN, 4, "do not say when"),
        (
            replace(TALLY, oldest_at=CHANGED_AT - timedelta(seconds=1)),
            UNKNOWN,
            4,
            "older than the policy",
        ),
        (replace(TALLY, judged_workload_count=1), UNKNOWN, 1, "cover 1 of 2 workloads"),
        (replace(TALLY, oldest_at=CHANGED_AT), GateOutcome.PASS, 4, "4 results"),
        (replace(TALLY, judged_workload_count=3), GateOutcome.PASS, 4, "4 results"),
    ],
)
def test_results_gate_asks_for_fresh_results_on_every_workload(
    tally: Tally | None, outcome: GateOutcome, number: int, says: str
) -> None:
    found = assess(namespace=replace(NAMESPACE, tally=tally)).gate(GateId.RESULTS)

    assert (found.outcome, found.number) == (outcome, number)
    assert says in found.sentence


def test_results_gate_compares_whole_seconds_as_reports_carry_them() -> None:
    policy = replace(POLICY, changed_at=CHANGED_AT + timedelta(milliseconds=900))
    namespace = replace(NAMESPACE, tally=replace(TALLY, oldest_at=CHANGED_AT))

    assert assess(policy=policy, namespace=namespace).gate(GateId.RESULTS).passes


@pytest.mark.parametrize(
    ("changes", "gate", "outcome", "number", "says"),
    [
        ({"tally": None}, GateId.REPORTS, UNKNOWN, None, "No report"),
        (
            {"tally": replace(TALLY, failing_workload_count=1)},
            GateId.REPORTS,
            FAIL,
            1,
            "name 1 workload that",
        ),
        ({"posture_failing_count": 2}, GateId.POSTURE, FAIL, 2, "2 workloads would be refused"),
        ({"unreadable_count": 1}, GateId.POSTURE, UNKNOWN, 1, "1 object here could not be read"),
        ({"unreadable_count": 3}, GateId.POSTURE, UNKNOWN, 3, "3 objects"),
        ({"workload_count": 0}, GateId.POSTURE, GateOutcome.PASS, 0, "no workload here"),
        ({"rehearsal": None}, GateId.REHEARSAL, UNKNOWN, None, "Not rehearsed"),
        (
            {"rehearsal": replace(REHEARSAL, refused_count=1)},
            GateId.REHEARSAL,
            FAIL,
            1,
            "would refuse 1 workload",
        ),
        (
            {"rehearsal": replace(REHEARSAL, unjudged_count=2)},
            GateId.REHEARSAL,
            UNKNOWN,
            2,
            "no verdict on 2 workloads",
        ),
        (
            {"rehearsal": replace(REHEARSAL, finished_at=NOW - 1441 * MINUTE)},
            GateId.REHEARSAL,
            UNKNOWN,
            None,
            "is old",
        ),
        (
            {"rehearsal": replace(REHEARSAL, started_at=CHANGED_AT - MINUTE)},
            GateId.REHEARSAL,
            UNKNOWN,
            None,
            "is old",
        ),
    ],
)
def test_gate_of_the_namespace_says_what_is_wrong(
    changes: dict[str, Any], gate: GateId, outcome: GateOutcome, number: int | None, says: str
) -> None:
    found = assess(namespace=replace(NAMESPACE, **changes)).gate(gate)

    assert (found.outcome, found.number) == (outcome, number)
    assert says in found.sentence


@pytest.mark.parametrize(
    ("cluster", "namespace", "verdict", "reason"),
    [
        # Evidence that does not hold leaves the verdict unknown, whatever else it says.
        ({"contact_state": "tls"}, {"posture_failing_count": 1}, Verdict.UNKNOWN, "not asked"),
        ({"missing_kinds": ("pods",)}, {"posture_failing_count": 1}, Verdict.UNKNOWN, "pods"),
        ({}, {"tally": None, "posture_failing_count": 1}, Verdict.UNKNOWN, "No report"),
        ({}, {"posture_failing_count": 1}, Verdict.BLOCKED, "1 workload would"),
        ({"engine_state": "down"}, {}, Verdict.BLOCKED, "Engine down."),
        ({"engine_state": "down"}, {"rehearsal": None}, Verdict.BLOCKED, "Engine down."),
        ({}, {"rehearsal": None}, Verdict.UNKNOWN, "Not rehearsed"),
        ({"engine_state": "unknown"}, {}, Verdict.UNKNOWN, "Nobody has asked"),
        ({}, {"unreadable_count": 1}, Verdict.UNKNOWN, "could not be read"),
    ],
)
def test_verdict_is_drawn_from_the_first_gate_that_decides(
    cluster: dict[str, Any], namespace: dict[str, Any], verdict: Verdict, reason: str
) -> None:
    found = assess(cluster=replace(CLUSTER, **cluster), namespace=replace(NAMESPACE, **namespace))

    assert found.verdict is verdict
    assert reason in found.reason


def test_reason_without_a_deciding_gate_is_that_of_the_first_open_one() -> None:
    gates = assess(namespace=replace(NAMESPACE, rehearsal=None)).gates

    assert NamespaceVerdict("team-a", Verdict.BLOCKED, gates).reason == "Not rehearsed yet."


@pytest.mark.parametrize("gate_id", GateId)
def test_hard_gates_are_those_that_nobody_can_override(gate_id: GateId) -> None:
    gate = assess().gate(gate_id)

    assert gate.is_hard is (gate_id in HARD_GATES)
    assert gate.passes
    assert GateId.CONTACT in HARD_GATES & EVIDENCE_GATES


NATIVE = replace(POLICY, is_native=True)
UNREPORTED = replace(NAMESPACE, tally=None, reportable_count=0)


def test_assess_of_a_native_policy_asks_for_no_report() -> None:
    verdict = assess(policy=NATIVE, namespace=UNREPORTED)

    assert verdict.verdict is Verdict.READY
    assert not verdict.asks(GateId.RESULTS)
    assert not verdict.asks(GateId.REPORTS)
    assert verdict.asks(GateId.REHEARSAL)
    assert verdict.gate(GateId.ENGINE).sentence == "The API server judges by itself."


@pytest.mark.parametrize(
    ("rehearsal", "expected"),
    [
        (None, Verdict.UNKNOWN),
        (replace(REHEARSAL, unjudged_count=1), Verdict.UNKNOWN),
        (replace(REHEARSAL, refused_count=1), Verdict.BLOCKED),
    ],
)
def test_native_policy_that_was_not_rehearsed_is_unknown_whatever_posture_says(
    rehearsal: RehearsalEvidence | None, expected: Verdict
) -> None:
    namespace = replace(UNREPORTED, rehearsal=rehearsal, posture_failing_count=1)

    assert assess(policy=NATIVE, namespace=namespace).verdict is expected


def test_namespace_that_was_not_judged_under_these_parameters_is_unknown() -> None:
    verdict = assess(namespace=replace(NAMESPACE, is_judged=False, workload_count=0))

    gate = verdict.gate(GateId.POSTURE)
    assert (verdict.verdict, gate.outcome, gate.number) == (Verdict.UNKNOWN, UNKNOWN, None)
    assert gate.sentence == "Not judged under these parameters yet: collect again."


def test_excluded_namespace_is_blocked_for_good() -> None:
    verdict = assess(namespace=replace(NAMESPACE, is_excluded=True))

    gate = verdict.gate(GateId.POLICY)
    assert (verdict.verdict, gate.outcome, gate.is_hard) == (Verdict.BLOCKED, FAIL, True)
    assert "excludes the namespace" in gate.sentence


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, Verdict.READY),
        ({"rehearsal": None, "tally": None}, Verdict.READY),
        ({"posture_failing_count": 2}, Verdict.BLOCKED),
        ({"is_judged": False}, Verdict.UNKNOWN),
    ],
)
def test_install_asks_what_the_parameters_would_do_where_they_are_enforced(
    changes: dict[str, Any], expected: Verdict
) -> None:
    verdict = assess_install(CLUSTER, POLICY, replace(NAMESPACE, **changes), now=NOW)

    assert verdict.verdict is expected
    assert {gate.id for gate in verdict.gates} == set(INSTALL_GATES)


def test_exempted_workloads_neither_fail_nor_pass() -> None:
    tally = replace(TALLY, fail_count=1, failing_workload_count=1)
    evidence = replace(
        NAMESPACE,
        tally=tally,
        posture_failing_count=1,
        rehearsal=replace(REHEARSAL, refused_count=1),
        exempt=ExemptEvidence(1, 1, 1, 1),
    )

    found = assess(namespace=evidence)

    assert found.verdict is Verdict.READY
    assert found.gate(GateId.REPORTS).sentence == "No report fails. 1 exempted."
    assert found.gate(GateId.POSTURE).sentence == (
        "All 1 workloads meet the controls, idle ones included. 1 exempted."
    )
    assert found.gate(GateId.REHEARSAL).sentence == "The engine admitted 1 workload. 1 exempted."


def test_exempted_workloads_hide_no_other() -> None:
    evidence = replace(
        NAMESPACE,
        tally=replace(TALLY, failing_workload_count=2),
        posture_failing_count=2,
        rehearsal=replace(REHEARSAL, refused_count=2),
        exempt=ExemptEvidence(1, 1, 1, 1),
    )

    found = assess(namespace=evidence)

    assert found.verdict is Verdict.BLOCKED
    gates = [found.gate(g) for g in (GateId.REPORTS, GateId.POSTURE, GateId.REHEARSAL)]
    assert [gate.number for gate in gates] == [1, 1, 1]
    assert all(gate.sentence.endswith(" 1 exempted.") for gate in gates)


def test_namespace_where_all_are_exempted_is_ready_by_its_skips() -> None:
    skips = replace(
        TALLY, pass_count=0, skip_count=4, judged_workload_count=2, newest_at=None, oldest_at=None
    )
    evidence = replace(
        NAMESPACE, tally=skips, posture_failing_count=2, exempt=ExemptEvidence(2, 2, 0, 0)
    )

    found = assess(namespace=evidence)

    assert found.gate(GateId.RESULTS).outcome is GateOutcome.PASS
    assert found.gate(GateId.RESULTS).sentence == (
        "Reports skip 2 workloads, exempted one and all."
    )
    assert found.gate(GateId.POSTURE).sentence == (
        "No workload here is to meet the controls. 2 exempted."
    )
    assert found.verdict is Verdict.READY


@pytest.mark.parametrize(
    ("judged", "exempted"),
    [
        (0, 2),  # nobody was judged yet
        (1, 2),  # nor everybody
        (2, 1),  # nor is everybody exempted
    ],
)
def test_namespace_where_reports_only_skip_is_unknown_unless_all_are_exempted(
    judged: int, exempted: int
) -> None:
    skips = replace(TALLY, pass_count=0, judged_workload_count=judged, oldest_at=None)
    evidence = replace(NAMESPACE, tally=skips, exempt=ExemptEvidence(exempted, 0, 0, 0))

    assert assess(namespace=evidence).gate(GateId.RESULTS).outcome is GateOutcome.UNKNOWN
