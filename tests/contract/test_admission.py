"""What both clusters say to a pod: warned in Audit, refused where the twin denies, edits let through."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from policies.cluster.errors import ClusterError, RejectedByAdmission
from policies.cluster.gateway import Answer, Manifest, Verb, Write
from policies.domain.answers import AnswerOutcome, PodAnswer, read_answer
from policies.domain.controls import Control
from policies.domain.library import (
    CompiledObject,
    ObjectRole,
    Target,
    VariantSpec,
    checks_of,
    compile_objects,
    probe_pods,
)
from policies.domain.objects import WorkloadKind
from policies.domain.parameters import Parameters
from sandbox.kinds import resource_of
from tests.contract.clusters import Cluster, refused
from tests.contract.planes import eventually
from tests.contract.words import Denial, denial, failures, warnings
from tests.unit.domain.seccomp_cases import CASES, RD, UN, Case, container, pod, wrapped

ADMITTED, WARNED, REFUSED = AnswerOutcome.ADMITTED, AnswerOutcome.WARNED, AnswerOutcome.REFUSED
AUDITING = (ObjectRole.AUDIT, ObjectRole.BINDING)
BAD = pod(container("c", UN))
UNSET = pod(container("c"))
GOOD = pod(container("c"), profile=RD)
JUDGED_KINDS = (
    WorkloadKind.DEPLOYMENT,
    WorkloadKind.STATEFUL_SET,
    WorkloadKind.DAEMON_SET,
    WorkloadKind.JOB,
    WorkloadKind.CRON_JOB,
)
POD_CASES = [
    case
    for case in CASES
    # An ephemeral container cannot be created with its pod.
    if case.admissible and case.kind is WorkloadKind.POD and "ephemeralContainers" not in case.spec
]


@dataclass(frozen=True)
class Ground:
    """A variant on a cluster, with the namespace that gets enforced and its neighbour."""

    cluster: Cluster
    spec: VariantSpec
    home: str
    neighbour: str

    @property
    def compiled(self) -> tuple[CompiledObject, ...]:
        return compile_objects(self.spec, [self.home])

    @property
    def twin(self) -> str:
        return self.of(ObjectRole.TWIN).name

    @property
    def auditing(self) -> tuple[CompiledObject, ...]:
        """What warns everywhere and stops nothing."""
        return tuple(each for each in self.compiled if each.role in AUDITING)

    @property
    def denying(self) -> tuple[CompiledObject, ...]:
        return tuple(each for each in self.compiled if each.role not in AUDITING)

    def of(self, role: ObjectRole) -> CompiledObject:
        return next(compiled for compiled in self.compiled if compiled.role is role)

    def ask(self, manifest: Manifest, namespace: str) -> PodAnswer:
        names = [compiled.name for compiled in self.compiled]
        try:
            answer = self.cluster.gateway.dry_run_pod(namespace, manifest)
        except RejectedByAdmission as error:
            return read_answer(
                policies=names, warnings=(), rejected_by=error.webhook, raw=error.raw
            )
        return read_answer(policies=names, warnings=answer.warnings)

    def settle(self, namespace: str, outcome: AnswerOutcome) -> None:
        bad = probe_pods(self.spec).bad
        eventually(lambda: self.ask(bad, namespace), lambda a: a.outcome is outcome, in_a_row=3)

    def patch(self, kind: WorkloadKind, name: str, change: Manifest) -> ClusterError | None:
        manifest = wrapped(kind, BAD, name=name)
        return refused(lambda: self.cluster.patch(manifest, self.home, change))


@pytest.fixture(scope="module")
def audited(cluster: Cluster, spec: VariantSpec) -> Iterator[Ground]:
    """The Audit policy stands, over objects that were there before it."""
    home, neighbour = cluster.make_namespace("home"), cluster.make_namespace("next")
    for kind, body, name in (
        (WorkloadKind.POD, BAD, "old-bad"),
        (WorkloadKind.POD, GOOD, "old-good"),
        (WorkloadKind.DEPLOYMENT, UNSET, "old-unset"),
        (WorkloadKind.CRON_JOB, BAD, "old-cron"),
    ):
        cluster.apply(wrapped(kind, body, name=name), home)
    ground = Ground(cluster, spec, home, neighbour)
    cluster.create(ground.auditing)
    ground.settle(home, WARNED)
    ground.settle(neighbour, WARNED)
    yield ground
    cluster.remove(ground.auditing)


@pytest.fixture(scope="module")
def enforced(audited: Ground) -> Iterator[Ground]:
    """The twin stands too, and its companion where there is one."""
    audited.cluster.create(audited.denying)
    audited.settle(audited.home, REFUSED)
    yield audited
    audited.cluster.remove(audited.denying)


def ours(ground: Ground, answer: Answer) -> tuple[str, ...]:
    """The warnings of this variant, whoever else warns."""
    return tuple(text for text in answer.warnings if ground.spec.name in text)


def failed_controls(case: Case) -> tuple[Control, ...]:
    passes = {Control.DENY_UNCONFINED_SECCOMP: case.c2, Control.REQUIRE_SECCOMP: case.c1}
    return tuple(control for control, passed in passes.items() if not passed)


@pytest.mark.parametrize("case", POD_CASES, ids=lambda case: case.id)
def test_audit_pod_is_admitted_with_the_warnings_it_deserves(audited: Ground, case: Case) -> None:
    manifest = case.manifest()
    answer = audited.cluster.gateway.dry_run_pod(audited.home, manifest)

    assert tuple(control for control, _ in failures(audited.spec, manifest)) == failed_controls(
        case
    )
    assert sorted(ours(audited, answer)) == sorted(warnings(audited.spec, manifest))


def test_audit_probes_are_warned_and_admitted(audited: Ground) -> None:
    probes = probe_pods(audited.spec)

    assert audited.ask(probes.bad, audited.home).outcome is WARNED
    assert audited.ask(probes.good, audited.home).outcome is ADMITTED


@pytest.mark.parametrize("namespace", ["kube-system", "kube-public"])
def test_audit_is_heard_where_kyverno_leaves_out_a_namespace_by_a_native_policy_alone(
    audited: Ground, namespace: str
) -> None:
    native = audited.spec.target is Target.NATIVE
    expected = WARNED if native else ADMITTED
    assert audited.ask(probe_pods(audited.spec).bad, namespace).outcome is expected


@pytest.mark.parametrize("kind", JUDGED_KINDS)
def test_audit_controller_is_admitted_with_a_warning_under_the_derived_name(
    audited: Ground, kind: WorkloadKind
) -> None:
    manifest = wrapped(kind, UNSET, name=f"new-{kind.lower()}")

    answer = audited.cluster.apply(manifest, audited.home)

    assert len(ours(audited, answer)) == 1
    assert ours(audited, answer) == warnings(audited.spec, manifest)


@pytest.mark.parametrize(
    ("kind", "target"),
    [
        (WorkloadKind.REPLICA_SET, {Target.NATIVE}),
        (WorkloadKind.POD_TEMPLATE, {Target.NATIVE}),
        (WorkloadKind.REPLICATION_CONTROLLER, {Target.NATIVE, Target.CLUSTER_POLICY}),
    ],
)
def test_audit_kind_that_some_leave_out_is_warned_of_by_the_others(
    audited: Ground, kind: WorkloadKind, target: set[Target]
) -> None:
    manifest = wrapped(kind, UNSET, name="rare")

    answer = audited.cluster.apply(manifest, audited.home)

    expected = warnings(audited.spec, manifest) if audited.spec.target in target else ()
    assert ours(audited, answer) == expected


def test_audit_nothing_is_ever_refused_by_label_or_image(audited: Ground) -> None:
    edited = {"metadata": {"labels": {"edited": "yes"}}}

    assert audited.patch(WorkloadKind.POD, "old-bad", edited) is None


@pytest.mark.parametrize("case", POD_CASES, ids=lambda case: case.id)
def test_enforced_pod_is_refused_exactly_if_it_fails(enforced: Ground, case: Case) -> None:
    answer = enforced.ask(case.manifest(), enforced.home)

    assert answer.outcome is (REFUSED if failed_controls(case) else ADMITTED), answer


def test_enforced_bad_pod_is_refused_with_the_text_of_its_engine(enforced: Ground) -> None:
    bad = wrapped(WorkloadKind.POD, BAD, name="new-bad")

    with pytest.raises(RejectedByAdmission) as caught:
        enforced.cluster.gateway.dry_run_pod(enforced.home, bad)

    error = caught.value
    assert Denial(error.status, error.webhook, error.raw) == denial(
        enforced.spec, bad, enforced.home
    )


def test_enforced_neighbour_is_only_warned(enforced: Ground) -> None:
    probes = probe_pods(enforced.spec)

    answer = enforced.ask(probes.bad, enforced.neighbour)

    warner = enforced.auditing[-1].name
    assert (answer.outcome, answer.policy) == (WARNED, warner)
    for namespace in (enforced.home, enforced.neighbour):
        assert enforced.ask(probes.good, namespace).outcome is ADMITTED


@pytest.mark.parametrize("kind", JUDGED_KINDS)
def test_enforced_bad_controller_is_refused_and_a_good_one_admitted(
    enforced: Ground, kind: WorkloadKind
) -> None:
    bad, good = (wrapped(kind, body, name=f"late-{kind.lower()}") for body in (UNSET, GOOD))

    error = refused(lambda: enforced.cluster.apply(bad, enforced.home))

    assert isinstance(error, RejectedByAdmission)
    assert Denial(error.status, error.webhook, error.raw) == denial(
        enforced.spec, bad, enforced.home
    )
    assert refused(lambda: enforced.cluster.apply(good, enforced.home)) is None


LABELLED = {"metadata": {"labels": {"edited": "yes"}}}
IMAGE = {"containers": [{**container("c", UN), "image": "secprof.invalid/other:none"}]}


@pytest.mark.parametrize(
    ("kind", "name", "change"),
    [
        (WorkloadKind.POD, "old-bad", LABELLED),
        (WorkloadKind.POD, "old-bad", {"metadata": {"annotations": {"edited": "yes"}}}),
        (WorkloadKind.DEPLOYMENT, "old-unset", LABELLED),
        (WorkloadKind.DEPLOYMENT, "old-unset", {"spec": {"replicas": 1}}),
        (
            WorkloadKind.DEPLOYMENT,
            "old-unset",
            {"spec": {"template": {"metadata": {"annotations": {"restarted": "now"}}}}},
        ),
        (WorkloadKind.CRON_JOB, "old-cron", {"spec": {"suspend": True}}),
    ],
)
def test_enforced_edit_of_what_violates_that_leaves_the_pod_spec_alone_is_admitted(
    enforced: Ground, kind: WorkloadKind, name: str, change: Manifest
) -> None:
    assert enforced.patch(kind, name, change) is None


@pytest.mark.parametrize(
    ("kind", "name", "change"),
    [
        (WorkloadKind.POD, "old-bad", {"spec": IMAGE}),
        (WorkloadKind.DEPLOYMENT, "old-unset", {"spec": {"template": {"spec": IMAGE}}}),
        (
            WorkloadKind.CRON_JOB,
            "old-cron",
            {"spec": {"jobTemplate": {"spec": {"template": {"spec": IMAGE}}}}},
        ),
    ],
)
def test_enforced_new_image_for_what_violates_is_refused(
    enforced: Ground, kind: WorkloadKind, name: str, change: Manifest
) -> None:
    error = enforced.patch(kind, name, change)

    assert isinstance(error, RejectedByAdmission), error
    assert said_by(enforced, error) == enforced.twin


def said_by(ground: Ground, error: RejectedByAdmission) -> str:
    """Name the object of the variant that refused."""
    names = [compiled.name for compiled in ground.compiled]
    read = read_answer(policies=names, warnings=(), rejected_by=error.webhook, raw=error.raw)
    assert read.outcome is REFUSED
    return read.policy


def test_enforced_new_image_for_what_is_good_is_admitted(enforced: Ground) -> None:
    image = {"spec": {"containers": [{"name": "c", "image": "secprof.invalid/other:none"}]}}

    assert enforced.patch(WorkloadKind.POD, "old-good", image) is None


def debug(ground: Ground, profile: Manifest | None) -> Answer:
    return ground.cluster.debug(ground.home, "old-good", container("debugger", profile))


def test_enforced_debug_container_is_refused_if_bad(enforced: Ground) -> None:
    error = refused(lambda: debug(enforced, UN))

    companion = enforced.spec.target is Target.VALIDATING_POLICY
    role = ObjectRole.COMPANION if companion else ObjectRole.TWIN
    assert isinstance(error, RejectedByAdmission)
    assert said_by(enforced, error) == enforced.of(role).name
    (check, *_) = checks_of(enforced.spec)
    assert check.message_for(["debugger"]) in error.raw


@pytest.mark.parametrize("profile", [None, RD])
def test_enforced_debug_container_is_admitted_if_good(
    enforced: Ground, profile: Manifest | None
) -> None:
    assert refused(lambda: debug(enforced, profile)) is None


def test_enforced_deletion_of_what_violates_is_admitted(enforced: Ground) -> None:
    manifest = wrapped(WorkloadKind.CRON_JOB, BAD, name="old-cron")

    assert refused(lambda: enforced.cluster.delete(manifest, enforced.home)) is None


def test_enforced_edit_of_the_twins_list_moves_what_is_enforced(enforced: Ground) -> None:
    wider = compile_objects(enforced.spec, [enforced.home, enforced.neighbour])
    try:
        write_twin(enforced, wider)
        enforced.settle(enforced.neighbour, REFUSED)
        enforced.settle(enforced.home, REFUSED)
    finally:
        write_twin(enforced, enforced.compiled)
    enforced.settle(enforced.neighbour, WARNED)
    enforced.settle(enforced.home, REFUSED)


def write_twin(ground: Ground, compiled: tuple[CompiledObject, ...]) -> None:
    twin = next(each for each in compiled if each.role is ObjectRole.TWIN)
    resource = resource_of(twin.manifest)

    def attempt() -> bool:
        found = ground.cluster.gateway.get(resource, twin.name)["metadata"]
        guards = {"uid": found["uid"], "resource_version": found["resourceVersion"]}
        change = Write(Verb.REPLACE, resource, twin.name, twin.manifest, **guards)
        return refused(lambda: ground.cluster.gateway.write(change, dry_run=False)) is None

    eventually(attempt, bool)


def test_enforced_message_edited_by_hand_is_what_the_refused_read(enforced: Ground) -> None:
    # Of a native policy the words are in the policy itself.
    native = enforced.spec.target is Target.NATIVE
    worded = enforced.of(ObjectRole.AUDIT if native else ObjectRole.TWIN).manifest
    message = "Ask the platform team for help."
    enforced.cluster.patch(worded, "", {"spec": with_message(worded, message)})

    answer = eventually(
        lambda: enforced.ask(probe_pods(enforced.spec).bad, enforced.home),
        lambda answer: message in answer.raw,
    )

    assert answer.outcome is REFUSED
    enforced.cluster.patch(worded, "", {"spec": worded["spec"]})
    eventually(
        lambda: enforced.ask(probe_pods(enforced.spec).bad, enforced.home),
        lambda answer: message not in answer.raw,
        in_a_row=3,
    )


def with_message(manifest: Manifest, message: str) -> Manifest:
    """The list in a policy's spec that holds the messages, all set to this one."""
    spec = manifest["spec"]
    if "validations" in spec:
        return {"validations": [reworded(each, message) for each in spec["validations"]]}
    rules = []
    for rule in spec["rules"]:
        validate = rule["validate"]
        said = [reworded(each, message) for each in validate["cel"]["expressions"]]
        cel = {**validate["cel"], "expressions": said}
        rules.append({**rule, "validate": {**validate, "message": message, "cel": cel}})
    return {"rules": rules}


def reworded(validation: Manifest, message: str) -> Manifest:
    # Words that name who is at fault go before a plain message.
    return {"expression": validation["expression"], "message": message}


def test_enforced_twin_of_another_variant_denies_on_its_own(enforced: Ground) -> None:
    only = replace(
        enforced.spec,
        name=f"{enforced.spec.name}-c2",
        parameters=Parameters(controls=(Control.DENY_UNCONFINED_SECCOMP,)),
    )
    ground = Ground(enforced.cluster, only, enforced.neighbour, enforced.home)
    unset = wrapped(WorkloadKind.POD, UNSET, name="unset")
    enforced.cluster.create(ground.compiled)
    try:
        ground.settle(ground.home, REFUSED)

        assert ground.ask(unset, ground.home).outcome is ADMITTED
    finally:
        enforced.cluster.remove(ground.compiled)


def test_without_its_twin_the_namespace_is_only_warned_again(enforced: Ground) -> None:
    enforced.cluster.remove(enforced.denying)
    try:
        enforced.settle(enforced.home, WARNED)
    finally:
        enforced.cluster.create(enforced.denying)
    enforced.settle(enforced.home, REFUSED)
