"""Evidence about one variant in one namespace → gates → verdict. Unknown never passes."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from policies.domain.enforceability import Obstacle, sentence_of


class GateId(StrEnum):
    CONTACT = "contact"
    COLLECTION = "collection"
    ENGINE = "engine"
    POLICY = "policy"
    RESULTS = "results"
    REPORTS = "reports"
    POSTURE = "posture"
    REHEARSAL = "rehearsal"


class GateOutcome(StrEnum):
    PASS = "pass"
    FAIL = "fail"
    UNKNOWN = "unknown"


class Verdict(StrEnum):
    READY = "ready"
    BLOCKED = "blocked"
    UNKNOWN = "unknown"


HARD_GATES = frozenset({GateId.CONTACT, GateId.ENGINE, GateId.POLICY})
"""Gates that nobody can override: without them a flip could be neither made nor proven."""

EVIDENCE_GATES = frozenset({GateId.CONTACT, GateId.COLLECTION, GateId.RESULTS})
"""Gates that ask whether the evidence holds at all; while one is unknown the verdict is."""

NATIVE_EVIDENCE_GATES = frozenset({GateId.CONTACT, GateId.COLLECTION, GateId.REHEARSAL})
"""The same for a native policy: it makes no reports, so that only a rehearsal says what it thinks."""

INSTALL_GATES = (GateId.CONTACT, GateId.COLLECTION, GateId.ENGINE, GateId.POSTURE)
"""What is asked, for namespaces that are enforced, before other parameters take effect there."""


FROZEN_AFTER = timedelta(minutes=15)
"""How much longer than its scan interval an engine may take to report something (kyverno-facts 5.45)."""


@dataclass(frozen=True, slots=True)
class Gate:
    """One question behind a verdict."""

    id: GateId
    outcome: GateOutcome
    number: int | None
    """The count behind it: failing workloads, missing kinds, … None when there is nothing to count."""
    sentence: str
    as_of: datetime | None = None
    note: str = ""
    """A word for a cell of a table, where the gate's name does not say enough."""

    @property
    def is_hard(self) -> bool:
        return self.id in HARD_GATES

    @property
    def passes(self) -> bool:
        return self.outcome is GateOutcome.PASS


@dataclass(frozen=True, slots=True)
class Barred:
    """The engine judges nothing in a namespace, whatever policies say."""

    obstacles: tuple[Obstacle, ...]
    since: datetime | None
    """When a collection first found it so."""

    @property
    def sentence(self) -> str:
        return sentence_of(self.obstacles)


@dataclass(frozen=True, slots=True)
class NamespaceVerdict:
    """The verdict on one variant in one namespace, with the gates that made it."""

    namespace: str
    verdict: Verdict
    gates: tuple[Gate, ...]
    barred: Barred | None = None
    """Why the namespace is not enforceable; None where it is, as far as anybody knows."""

    def gate(self, gate_id: GateId) -> Gate:
        return next(gate for gate in self.gates if gate.id is gate_id)

    def asks(self, gate_id: GateId) -> bool:
        """Say whether this gate is one of them: a native policy has no reports to ask for."""
        return any(gate.id is gate_id for gate in self.gates)

    @property
    def open_gates(self) -> tuple[Gate, ...]:
        """Gates that do not pass."""
        return tuple(gate for gate in self.gates if not gate.passes)

    @property
    def reason(self) -> str:
        """One sentence: the first gate that decided."""
        wanted = GateOutcome.UNKNOWN if self.verdict is Verdict.UNKNOWN else GateOutcome.FAIL
        for gate in self.open_gates:
            if gate.outcome is wanted:
                return gate.sentence
        return self.open_gates[0].sentence if self.open_gates else "Every gate passes."


@dataclass(frozen=True, slots=True)
class Tally:
    """Results of one policy in one namespace."""

    pass_count: int
    fail_count: int
    warn_count: int
    error_count: int
    skip_count: int
    failing_workload_count: int
    judged_workload_count: int
    newest_at: datetime | None
    oldest_at: datetime | None
    gone_workload_count: int = 0
    """Of workloads that are gone by now, and not among the failing ones."""

    @property
    def judged_count(self) -> int:
        return self.pass_count + self.fail_count + self.warn_count + self.error_count


@dataclass(frozen=True, slots=True)
class ReportsEvidence:
    """What is known about the reports of one engine on a cluster as a whole."""

    limits: tuple[str, ...] = ()
    """Why failures may be missing from them by the engine's own settings, a sentence each."""
    newest_at: datetime | None = None
    """The newest result of all; None when nothing is known of it."""
    scan_interval: timedelta | None = None
    """After which the engine judges everything anew; None when that is not known."""


USUAL_REPORTS = ReportsEvidence()


@dataclass(frozen=True, slots=True)
class ClusterEvidence:
    """What is known about the cluster as a whole."""

    contact_state: str
    contact_message: str
    contacted_at: datetime | None
    engine_state: str
    engine_message: str
    engine_checked_at: datetime | None
    collected_at: datetime | None
    """When the last run that is behind every needed kind's snapshot began; None when a kind was never read."""
    missing_kinds: tuple[str, ...]
    """Needed kinds whose newest read failed or which were never read."""
    stale_after: timedelta
    rehearsal_valid: timedelta
    reports: ReportsEvidence = USUAL_REPORTS


@dataclass(frozen=True, slots=True)
class PolicyEvidence:
    """What is known about the variant's Audit policy on the cluster."""

    exists: bool
    drifted: bool
    """The objects on the cluster are not those that secprof wrote last."""
    changed_at: datetime | None
    is_native: bool = False
    """The API server itself judges by it: there is no engine behind it, and nothing reports on it."""


@dataclass(frozen=True, slots=True)
class RehearsalEvidence:
    """The last finished rehearsal in this namespace."""

    started_at: datetime
    finished_at: datetime
    workload_count: int
    refused_count: int
    unjudged_count: int


@dataclass(frozen=True, slots=True)
class ExemptEvidence:
    """How much of what is known about one namespace is about workloads that an exception in force exempts."""

    workload_count: int = 0
    """Those that live."""
    posture_count: int = 0
    """Those that do not meet the controls, and need not."""
    report_count: int = 0
    """Those of which reports say that they fail: the engine has not judged them anew yet."""
    refused_count: int = 0
    """Those whose pods the rehearsal saw refused."""


NOBODY_EXEMPT = ExemptEvidence()


@dataclass(frozen=True, slots=True)
class NamespaceEvidence:
    """What is known about one namespace."""

    namespace: str
    is_system: bool
    tally: Tally | None
    workload_count: int
    reportable_count: int
    """Workloads of the kinds that the engine reports on."""
    posture_failing_count: int
    rehearsal: RehearsalEvidence | None
    unreadable_count: int = 0
    """Objects here that could not be understood, so nobody judged them."""
    is_judged: bool = True
    """Whether the last collection judged workloads by what this variant asks."""
    is_excluded: bool = False
    """The variant leaves this namespace alone."""
    exempt: ExemptEvidence = NOBODY_EXEMPT
    barred: Barred | None = None
    """What of Kyverno's own settings keeps it from judging here; a native policy does not care."""

    @property
    def also_exempt(self) -> str:
        """What a gate's sentence says of them: an exempted workload neither fails nor passes."""
        count = self.exempt.workload_count
        return f" {count} exempted." if count else ""


def assess_namespace(
    cluster: ClusterEvidence, policy: PolicyEvidence, evidence: NamespaceEvidence, *, now: datetime
) -> NamespaceVerdict:
    """Answer every gate for one namespace and draw the verdict."""
    reports = (
        () if policy.is_native else (_results(cluster, policy, evidence, now), _reports(evidence))
    )
    gates = (
        _contact(cluster),
        _collection(cluster, now),
        _engine(cluster, policy, now),
        _policy(policy, evidence),
        *reports,
        _posture(cluster, evidence),
        _rehearsal(policy, evidence, cluster.rehearsal_valid, now),
    )
    decisive = NATIVE_EVIDENCE_GATES if policy.is_native else EVIDENCE_GATES
    barred = _barred(policy, evidence)
    return NamespaceVerdict(evidence.namespace, _verdict(gates, decisive), gates, barred)


def _barred(policy: PolicyEvidence, evidence: NamespaceEvidence) -> Barred | None:
    return None if policy.is_native else evidence.barred


def assess_install(
    cluster: ClusterEvidence, policy: PolicyEvidence, evidence: NamespaceEvidence, *, now: datetime
) -> NamespaceVerdict:
    """Answer the gates that other parameters must pass in a namespace that is enforced, and draw the verdict."""
    asked = assess_namespace(cluster, policy, evidence, now=now)
    gates = tuple(asked.gate(gate_id) for gate_id in INSTALL_GATES)
    return NamespaceVerdict(evidence.namespace, _verdict(gates, EVIDENCE_GATES), gates)


def _verdict(gates: tuple[Gate, ...], decisive: frozenset[GateId]) -> Verdict:
    verdict = Verdict.READY
    for gate in gates:
        if gate.outcome is GateOutcome.UNKNOWN and gate.id in decisive:
            return Verdict.UNKNOWN
        if gate.outcome is GateOutcome.FAIL:
            verdict = Verdict.BLOCKED
        elif gate.outcome is GateOutcome.UNKNOWN and verdict is Verdict.READY:
            verdict = Verdict.UNKNOWN
    return verdict


def _contact(cluster: ClusterEvidence) -> Gate:
    if cluster.contact_state == "ok":
        return Gate(
            GateId.CONTACT, GateOutcome.PASS, None, "The API server answers.", cluster.contacted_at
        )
    sentence = cluster.contact_message or "The API server was not asked yet."
    return Gate(GateId.CONTACT, GateOutcome.UNKNOWN, None, sentence, cluster.contacted_at)


def _collection(cluster: ClusterEvidence, now: datetime) -> Gate:
    if cluster.missing_kinds:
        count = len(cluster.missing_kinds)
        names = ", ".join(cluster.missing_kinds[:3])
        sentence = f"Not read to the end: {names}{' …' if count > 3 else ''}."
        return Gate(GateId.COLLECTION, GateOutcome.UNKNOWN, count, sentence, cluster.collected_at)
    if cluster.collected_at is None:
        return Gate(GateId.COLLECTION, GateOutcome.UNKNOWN, None, "Nothing was collected yet.")
    if now - cluster.collected_at > cluster.stale_after:
        minutes = int((now - cluster.collected_at).total_seconds() // 60)
        sentence = f"The last complete collection is {minutes} minutes old."
        return Gate(GateId.COLLECTION, GateOutcome.UNKNOWN, None, sentence, cluster.collected_at)
    sentence = "Every kind was read to its last page."
    return Gate(GateId.COLLECTION, GateOutcome.PASS, 0, sentence, cluster.collected_at)


def _engine(cluster: ClusterEvidence, policy: PolicyEvidence, now: datetime) -> Gate:
    at = cluster.engine_checked_at
    if cluster.engine_state == "down":
        sentence = cluster.engine_message or "Engine down."
        return Gate(GateId.ENGINE, GateOutcome.FAIL, None, sentence, at)
    if cluster.engine_state != "up" or at is None:
        sentence = cluster.engine_message or "Nobody has asked the engine yet."
        return Gate(GateId.ENGINE, GateOutcome.UNKNOWN, None, sentence, at)
    if now - at > cluster.stale_after:
        return Gate(
            GateId.ENGINE, GateOutcome.UNKNOWN, None, "The engine's last answer is old.", at
        )
    sentence = "The API server judges by itself." if policy.is_native else "The engine answers."
    return Gate(GateId.ENGINE, GateOutcome.PASS, None, sentence, at)


def _policy(policy: PolicyEvidence, evidence: NamespaceEvidence) -> Gate:
    if barred := _barred(policy, evidence):
        return Gate(GateId.POLICY, GateOutcome.FAIL, None, barred.sentence, note="not enforceable")
    if evidence.is_system:
        sentence = "The engine does not judge system namespaces: enforcing here has no effect."
        return Gate(GateId.POLICY, GateOutcome.FAIL, None, sentence)
    if evidence.is_excluded:
        sentence = "This variant excludes the namespace: enforcing here has no effect."
        return Gate(GateId.POLICY, GateOutcome.FAIL, None, sentence, note="excluded")
    if not policy.exists:
        sentence = "The Audit policy is not on the cluster: install the variant first."
        return Gate(GateId.POLICY, GateOutcome.FAIL, None, sentence)
    if policy.drifted:
        sentence = (
            "The policy on the cluster is not the one that secprof wrote: somebody edited it."
            " Install it again to put it right."
        )
        return Gate(GateId.POLICY, GateOutcome.FAIL, None, sentence, policy.changed_at)
    sentence = "The policy on the cluster is the one that was approved."
    return Gate(GateId.POLICY, GateOutcome.PASS, None, sentence, policy.changed_at)


def _results(
    cluster: ClusterEvidence, policy: PolicyEvidence, evidence: NamespaceEvidence, now: datetime
) -> Gate:
    tally = evidence.tally
    if incomplete := _incomplete(cluster.reports, now):
        return incomplete
    if tally is not None and _all_exempt(tally, evidence):
        sentence = f"Reports skip {_workloads(tally.judged_workload_count)}, exempted one and all."
        return Gate(GateId.RESULTS, GateOutcome.PASS, 0, sentence)
    if tally is None or tally.judged_count == 0:
        return Gate(GateId.RESULTS, GateOutcome.UNKNOWN, 0, "No report of this policy here yet.")
    if tally.oldest_at is None:
        sentence = "Some results do not say when they were made."
        return Gate(GateId.RESULTS, GateOutcome.UNKNOWN, tally.judged_count, sentence)
    if policy.changed_at and tally.oldest_at < _second(policy.changed_at):
        sentence = "Some results are older than the policy's last change."
        return Gate(
            GateId.RESULTS, GateOutcome.UNKNOWN, tally.judged_count, sentence, tally.oldest_at
        )
    if tally.judged_workload_count < evidence.reportable_count:
        judged, there = tally.judged_workload_count, evidence.reportable_count
        sentence = f"Reports cover {judged} of {_workloads(there)} so far."
        return Gate(GateId.RESULTS, GateOutcome.UNKNOWN, judged, sentence, tally.newest_at)
    sentence = f"{tally.judged_count} results, all newer than the policy."
    return Gate(GateId.RESULTS, GateOutcome.PASS, tally.judged_count, sentence, tally.newest_at)


def _incomplete(reports: ReportsEvidence, now: datetime) -> Gate | None:
    """Say why the reports of a whole cluster tell too little; None where they do not."""
    if reports.limits:
        return Gate(GateId.RESULTS, GateOutcome.UNKNOWN, None, reports.limits[0], note="incomplete")
    if reports.newest_at is None or reports.scan_interval is None:
        return None
    if now - reports.newest_at <= reports.scan_interval + FROZEN_AFTER:
        return None
    sentence = "The engine has reported nothing for longer than its scan interval: its reports controller may be frozen."
    return Gate(GateId.RESULTS, GateOutcome.UNKNOWN, None, sentence, reports.newest_at, "frozen")


def _all_exempt(tally: Tally, evidence: NamespaceEvidence) -> bool:
    """Say whether there is nobody here to be judged: every workload that reports tell of is exempted."""
    return (
        tally.judged_count == 0
        and 0 < tally.judged_workload_count <= evidence.exempt.workload_count
        and tally.judged_workload_count >= evidence.reportable_count
    )


def _second(at: datetime) -> datetime:
    # Reports carry whole seconds (kyverno-facts 5.16).
    return at.replace(microsecond=0)


def _reports(evidence: NamespaceEvidence) -> Gate:
    tally = evidence.tally
    if tally is None:
        return Gate(GateId.REPORTS, GateOutcome.UNKNOWN, None, "No report of this policy here yet.")
    count = max(tally.failing_workload_count - evidence.exempt.report_count, 0)
    if count:
        sentence = f"Reports name {_workloads(count)} that would be refused.{evidence.also_exempt}"
        return Gate(GateId.REPORTS, GateOutcome.FAIL, count, sentence, tally.newest_at)
    if count := tally.gone_workload_count:
        sentence = f"Reports fail {_workloads(count)} that no longer exist: stale results, until the engine scans again."
        return Gate(GateId.REPORTS, GateOutcome.UNKNOWN, count, sentence, tally.newest_at, "stale")
    sentence = f"No report fails.{evidence.also_exempt}"
    return Gate(GateId.REPORTS, GateOutcome.PASS, 0, sentence, tally.newest_at)


def _posture(cluster: ClusterEvidence, evidence: NamespaceEvidence) -> Gate:
    if not evidence.is_judged:
        sentence = "Not judged under these parameters yet: collect again."
        return Gate(GateId.POSTURE, GateOutcome.UNKNOWN, None, sentence, note="not judged yet")
    count = max(evidence.posture_failing_count - evidence.exempt.posture_count, 0)
    if count:
        refused = f"{_workloads(count).capitalize()} would be refused, idle ones included."
        sentence = f"{refused}{evidence.also_exempt}"
        return Gate(GateId.POSTURE, GateOutcome.FAIL, count, sentence, cluster.collected_at)
    if evidence.unreadable_count:
        count = evidence.unreadable_count
        objects = "1 object" if count == 1 else f"{count} objects"
        sentence = f"{objects} here could not be read; the last collection names what."
        return Gate(GateId.POSTURE, GateOutcome.UNKNOWN, count, sentence, cluster.collected_at)
    others = evidence.workload_count - evidence.exempt.workload_count
    sentence = (
        f"All {others} workloads meet the controls, idle ones included.{evidence.also_exempt}"
    )
    if evidence.exempt.workload_count and others <= 0:
        sentence = f"No workload here is to meet the controls.{evidence.also_exempt}"
    if evidence.workload_count == 0:
        sentence = "There is no workload here."
    return Gate(GateId.POSTURE, GateOutcome.PASS, 0, sentence, cluster.collected_at)


def _rehearsal(
    policy: PolicyEvidence, evidence: NamespaceEvidence, valid: timedelta, now: datetime
) -> Gate:
    rehearsal = evidence.rehearsal
    if rehearsal is None:
        sentence = "Not rehearsed yet."
        return Gate(GateId.REHEARSAL, GateOutcome.UNKNOWN, None, sentence)
    at = rehearsal.finished_at
    exempted = evidence.exempt.refused_count
    if count := max(rehearsal.refused_count - exempted, 0):
        sentence = (
            f"In the rehearsal the engine would refuse {_workloads(count)}.{evidence.also_exempt}"
        )
        return Gate(GateId.REHEARSAL, GateOutcome.FAIL, count, sentence, at)
    if rehearsal.unjudged_count:
        count = rehearsal.unjudged_count
        sentence = f"The engine gave no verdict on {_workloads(count)}."
        return Gate(GateId.REHEARSAL, GateOutcome.UNKNOWN, count, sentence, at)
    if now - at > valid or (policy.changed_at and rehearsal.started_at < policy.changed_at):
        return Gate(GateId.REHEARSAL, GateOutcome.UNKNOWN, None, "The rehearsal is old.", at)
    admitted = rehearsal.workload_count - exempted
    sentence = f"The engine admitted {_workloads(admitted)}.{evidence.also_exempt}"
    return Gate(GateId.REHEARSAL, GateOutcome.PASS, 0, sentence, at)


def _workloads(count: int) -> str:
    return "1 workload" if count == 1 else f"{count} workloads"
