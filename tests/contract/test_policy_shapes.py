"""The compiled shapes on real control planes: Audit warns, the twin refuses, and what must go on goes on.

Engine, version and shape are proven here together; nothing of the product but its domain takes part.
"""

import json
from collections.abc import Iterator

import pytest

from policies.domain.answers import AnswerOutcome
from policies.domain.controls import Control
from policies.domain.library import ObjectRole, Target, VariantSpec, compile_objects, probe_pods
from policies.domain.library.seccomp import CHECKS
from policies.domain.objects import WorkloadKind
from policies.domain.observed import behaviour_of, policy_digest, read_policy
from policies.domain.parameters import Parameters
from policies.domain.posture.pods import POD_PATH
from policies.domain.reports import Outcome
from tests.contract import planes
from tests.contract.planes import STRATEGIC_PATCH, Manifest, Plane, eventually
from tests.contract.shapes import (
    BAD_SPEC,
    BOTH,
    GOOD_SPEC,
    UNSET_SPEC,
    Shape,
    debug,
    namespace_of,
    new_shape,
    of,
    own_webhooks,
    results_in,
    violators,
)
from tests.unit.domain.seccomp_cases import CASES, UN, Case

pytestmark = pytest.mark.controlplane
plane_new, plane_old = planes.plane_new, planes.plane_old

ADMITTED, WARNED, REFUSED = AnswerOutcome.ADMITTED, AnswerOutcome.WARNED, AnswerOutcome.REFUSED
OTHER = AnswerOutcome.REFUSED_BY_OTHER
CPOL, VPOL = Target.CLUSTER_POLICY, Target.VALIDATING_POLICY
WRAPPERS = (WorkloadKind.POD, WorkloadKind.DEPLOYMENT, WorkloadKind.CRON_JOB)
SETTINGS = {
    "new-cpol": ("plane_new", CPOL, "kyverno.io/v1"),
    "new-vpol": ("plane_new", VPOL, "policies.kyverno.io/v1"),
    "old-cpol": ("plane_old", CPOL, "kyverno.io/v1"),
}

# Kyverno gives a ClusterPolicy's webhook never less than its own default.
SECONDS = {CPOL: 10, VPOL: 3}


@pytest.fixture(scope="module", params=SETTINGS)
def audited(request: pytest.FixtureRequest) -> Iterator[Shape]:
    """The Audit policy stands, over objects that were there before it."""
    fixture, target, api_version = SETTINGS[request.param]
    shape = new_shape(request.getfixturevalue(fixture), request.param, target, api_version)
    try:
        for manifest in violators():
            created = shape.plane.create(manifest, shape.home)
            assert created.ok, created.text
        shape.write(ObjectRole.AUDIT)
        shape.settle(shape.home, WARNED)
        shape.settle(shape.neighbour, WARNED)
        yield shape
    finally:
        held = violators()[3]
        shape.plane.patch(held, {"metadata": {"finalizers": None}}, shape.home)
        shape.clear()


@pytest.fixture(scope="module")
def enforced(audited: Shape) -> Shape:
    """The twin stands too, for one of the two namespaces."""
    for role in (ObjectRole.TWIN, ObjectRole.COMPANION):
        for c in audited.compiled():
            if c.role is role:
                dry = audited.plane.create(c.manifest, dry_run=True)
                assert dry.ok, dry.text
        audited.write(role)
    audited.settle(audited.home, REFUSED)
    return audited


@pytest.mark.parametrize("kind", WRAPPERS)
def test_audit_bad_workload_is_admitted_with_a_warning(audited: Shape, kind: WorkloadKind) -> None:
    answer = audited.ask(of(kind, BAD_SPEC, "new-bad"), audited.home)

    assert (answer.outcome, answer.policy) == (WARNED, audited.spec.name)
    assert answer.message in {check.message for check in CHECKS}


@pytest.mark.parametrize("kind", WRAPPERS)
def test_audit_good_workload_is_admitted_in_silence(audited: Shape, kind: WorkloadKind) -> None:
    answer = audited.ask(of(kind, GOOD_SPEC, "new-good"), audited.home)

    assert answer.outcome is ADMITTED
    assert audited.spec.name not in answer.raw


@pytest.mark.parametrize("case", [c for c in CASES if c.admissible], ids=lambda c: c.id)
def test_audit_engine_and_posture_agree_on_each_case(audited: Shape, case: Case) -> None:
    answer = audited.ask(case.manifest(), audited.home)

    assert answer.outcome is (ADMITTED if case.c1 else WARNED), answer
    failed = {check.control for check in CHECKS if check.message in answer.raw}
    expected = {c for c, passes in zip(BOTH, (case.c1, case.c2), strict=True) if not passes}
    if audited.spec.target is VPOL and len(expected) > 1:
        expected = {Control.DENY_UNCONFINED_SECCOMP}  # it stops at the first that fails
    assert failed == expected


def test_audit_has_a_webhook_of_its_own_that_never_stops_anything(audited: Shape) -> None:
    for webhook in own_webhooks(audited, audited.spec.name):
        assert webhook["failurePolicy"] == "Ignore"
        assert webhook["timeoutSeconds"] == SECONDS[audited.spec.target]


def test_audit_reports_say_fail_for_what_was_there_and_what_is_new(audited: Shape) -> None:
    fresh = of(WorkloadKind.POD, BAD_SPEC, "reported")
    assert audited.plane.create(fresh, audited.home).ok

    expected = {
        ("Pod", "old-bad", Outcome.FAIL),
        ("Pod", "reported", Outcome.FAIL),
        ("Pod", "old-good", Outcome.PASS),
        ("Deployment", "running", Outcome.FAIL),
    }
    results = eventually(
        lambda: results_in(audited, audited.home),
        lambda found: expected <= {(r.kind, r.name, r.outcome) for r in found},
        seconds=150,
    )

    ours = [r for r in results if r.policy == audited.spec.name]
    source = "kyverno" if audited.spec.target is CPOL else "KyvernoValidatingPolicy"
    rules = set(map(str, BOTH)) if audited.spec.target is CPOL else {""}
    assert {r.source for r in ours} == {source}
    assert {r.rule for r in ours} == rules


@pytest.mark.parametrize("role", ObjectRole)
def test_objects_are_stored_as_sent(enforced: Shape, role: ObjectRole) -> None:
    for c in enforced.compiled():
        if c.role is not role:
            continue
        stored = enforced.plane.get(c.manifest).body

        assert behaviour_of(stored) == behaviour_of(c.manifest)
        assert policy_digest(stored) == policy_digest(c.manifest)
        read = read_policy(stored)
        assert (read.role, read.enforced) == (role, c.namespaces)
        assert read.updated_at is not None


def test_objects_become_ready(enforced: Shape) -> None:
    for c in enforced.compiled():
        eventually(
            lambda c=c: read_policy(enforced.plane.get(c.manifest).body).ready,
            lambda ready: ready is True,
        )


@pytest.mark.parametrize("kind", WRAPPERS)
def test_enforced_bad_workload_is_refused_here_and_admitted_next_door(
    enforced: Shape, kind: WorkloadKind
) -> None:
    bad = of(kind, BAD_SPEC, "new-bad")

    here, next_door = (enforced.ask(bad, ns) for ns in (enforced.home, enforced.neighbour))

    assert (here.outcome, here.policy) == (REFUSED, enforced.twin)
    assert here.message in {check.message for check in CHECKS}
    assert (next_door.outcome, next_door.policy) == (WARNED, enforced.spec.name)


@pytest.mark.parametrize("kind", WRAPPERS)
def test_enforced_good_workload_is_admitted_everywhere(enforced: Shape, kind: WorkloadKind) -> None:
    good = of(kind, GOOD_SPEC, "new-good")

    for namespace in (enforced.home, enforced.neighbour):
        assert enforced.ask(good, namespace).outcome is ADMITTED


def test_enforced_probe_pods_prove_it(enforced: Shape) -> None:
    probes = probe_pods(enforced.spec)

    assert enforced.ask(probes.bad, enforced.home).outcome is REFUSED
    assert enforced.ask(probes.good, enforced.home).outcome is ADMITTED
    assert enforced.ask(probes.bad, enforced.neighbour).outcome is WARNED


@pytest.mark.parametrize("case", [c for c in CASES if c.admissible], ids=lambda c: c.id)
def test_enforced_engine_and_posture_agree_on_each_case(enforced: Shape, case: Case) -> None:
    answer = enforced.ask(case.manifest(), enforced.home)

    assert answer.outcome is (ADMITTED if case.c1 else REFUSED), answer


@pytest.mark.parametrize(
    ("kind", "name", "change"),
    [
        (WorkloadKind.POD, "old-bad", {"metadata": {"labels": {"edited": "yes"}}}),
        (WorkloadKind.POD, "old-unset", {"metadata": {"annotations": {"edited": "yes"}}}),
        (WorkloadKind.DEPLOYMENT, "running", {"metadata": {"labels": {"edited": "yes"}}}),
        (WorkloadKind.DEPLOYMENT, "running", {"spec": {"replicas": 0}}),
        (
            WorkloadKind.DEPLOYMENT,
            "running",
            {"spec": {"template": {"metadata": {"annotations": {"restarted": "now"}}}}},
        ),
        (WorkloadKind.CRON_JOB, "nightly", {"spec": {"suspend": True}}),
        (WorkloadKind.POD, "held", {"metadata": {"finalizers": None}}),
    ],
)
def test_enforced_edit_that_leaves_the_pod_spec_alone_is_admitted(
    enforced: Shape, kind: WorkloadKind, name: str, change: Manifest
) -> None:
    reply = enforced.plane.patch(of(kind, BAD_SPEC, name), change, enforced.home)

    assert reply.ok, reply.text


def test_enforced_status_of_what_violates_can_be_written(enforced: Shape) -> None:
    reply = enforced.plane.patch(
        of(WorkloadKind.POD, BAD_SPEC, "old-bad"),
        {"status": {"message": "edited"}},
        enforced.home,
        subresource="status",
    )

    assert reply.ok, reply.text


def test_enforced_scaling_of_what_violates_is_admitted(enforced: Shape) -> None:
    deployment = of(WorkloadKind.DEPLOYMENT, BAD_SPEC, "running")

    reply = enforced.plane.patch(
        deployment, {"spec": {"replicas": 2}}, enforced.home, subresource="scale"
    )

    assert reply.ok, reply.text


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (WorkloadKind.POD, "old-bad"),
        (WorkloadKind.DEPLOYMENT, "running"),
        (WorkloadKind.CRON_JOB, "nightly"),
    ],
)
def test_enforced_new_image_for_what_violates_is_refused(
    enforced: Shape, kind: WorkloadKind, name: str
) -> None:
    change: Manifest = {"spec": {"containers": [{"name": "c", "image": "secprof.invalid/other"}]}}
    for key in reversed(POD_PATH[kind]):
        change = {key: change}

    reply = enforced.plane.patch(
        of(kind, BAD_SPEC, name), change, enforced.home, content_type=STRATEGIC_PATCH
    )

    answer = enforced.answer(reply)
    assert (answer.outcome, answer.policy) == (REFUSED, enforced.twin)


def test_enforced_debug_container_is_refused_if_bad_and_admitted_if_good(enforced: Shape) -> None:
    refuser = enforced.twin if enforced.spec.target is CPOL else f"{enforced.twin}-debug"

    bad = debug(enforced, "bad", UN)
    good = debug(enforced, "good", None)

    answer = enforced.answer(bad)
    assert (answer.outcome, answer.policy) == (REFUSED, refuser)
    assert good.ok, good.text


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (WorkloadKind.POD, "old-bad"),
        (WorkloadKind.POD, "old-unset"),
        (WorkloadKind.POD, "old-good"),
        (WorkloadKind.DEPLOYMENT, "doomed"),
    ],
)
def test_enforced_deletion_is_admitted(enforced: Shape, kind: WorkloadKind, name: str) -> None:
    doomed = of(kind, BAD_SPEC, name)

    assert enforced.plane.delete(doomed, enforced.home).ok
    eventually(lambda: enforced.plane.get(doomed, enforced.home), lambda r: r.status == 404)


def test_enforced_refusal_by_quota_or_pod_security_is_not_ours(enforced: Shape) -> None:
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "none"},
        "spec": {"hard": {"pods": "0"}},
    }
    home, label = namespace_of(enforced.home), "pod-security.kubernetes.io/enforce"
    good, bad = (of(WorkloadKind.POD, spec, "new") for spec in (GOOD_SPEC, BAD_SPEC))

    try:
        assert enforced.plane.create(quota, enforced.home).ok
        by_quota = eventually(
            lambda: enforced.ask(good, enforced.home), lambda a: a.outcome is not ADMITTED
        )
        assert enforced.plane.patch(home, {"metadata": {"labels": {label: "baseline"}}}).ok
        by_pod_security = eventually(
            lambda: enforced.ask(bad, enforced.home), lambda a: a.outcome is not REFUSED
        )
    finally:
        enforced.plane.delete(quota, enforced.home)
        enforced.plane.patch(home, {"metadata": {"labels": {label: None}}})

    assert (by_quota.outcome, "exceeded quota" in by_quota.raw) == (OTHER, True)
    assert (by_pod_security.outcome, "PodSecurity" in by_pod_security.raw) == (OTHER, True)


def test_enforced_twin_has_a_webhook_of_its_own_that_fails_closed(enforced: Shape) -> None:
    for c in enforced.compiled()[1:]:
        for webhook in own_webhooks(enforced, c.name):
            assert webhook["failurePolicy"] == "Fail"
            assert webhook["timeoutSeconds"] == SECONDS[enforced.spec.target]
            conditions = [m["expression"] for m in webhook["matchConditions"]]
            assert any(f"'{enforced.home}'" in expression for expression in conditions)


def test_enforced_twin_adds_nothing_to_reports(enforced: Shape) -> None:
    results = eventually(lambda: results_in(enforced, enforced.home), bool, seconds=150)

    # Reports may still tell of a policy that another test has removed.
    ours = {r.policy for r in results if r.policy.startswith("shape-")}
    assert ours == {enforced.spec.name}


def test_without_its_twin_the_namespace_is_in_audit_again(enforced: Shape) -> None:
    for c in enforced.compiled()[1:]:
        assert enforced.plane.delete(c.manifest).ok

    enforced.settle(enforced.home, WARNED)


@pytest.mark.parametrize("version", ["v1beta1", "v1alpha1"])
def test_older_version_of_the_api_gives_the_same_policy(plane_new: Plane, version: str) -> None:
    shape = new_shape(plane_new, version, VPOL, f"policies.kyverno.io/{version}")
    try:
        for role in ObjectRole:
            shape.write(role)
        shape.settle(shape.home, REFUSED)
        shape.settle(shape.neighbour, WARNED)

        for c in shape.compiled():
            assert policy_digest(shape.plane.get(c.manifest).body) == policy_digest(c.manifest)
    finally:
        shape.clear()


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_thousand_namespaces_are_stored_and_enforced(
    request: pytest.FixtureRequest, setting: str
) -> None:
    fixture, target, api_version = SETTINGS[setting]
    shape = new_shape(request.getfixturevalue(fixture), f"{setting}-big", target, api_version)
    many = [f"shape-team-with-a-rather-long-name-{number:05}" for number in range(1000)]
    compiled = compile_objects(shape.spec, [*many, shape.home])
    try:
        for c in compiled:
            written = shape.plane.create(c.manifest)
            assert written.ok, written.text
        shape.settle(shape.home, REFUSED)
        shape.settle(shape.neighbour, WARNED)
    finally:
        for c in compiled:
            shape.plane.delete(c.manifest)
        shape.clear()


@pytest.mark.parametrize("setting", SETTINGS)
def test_one_control_alone_lets_unset_pods_through(
    request: pytest.FixtureRequest, setting: str
) -> None:
    fixture, target, api_version = SETTINGS[setting]
    shape = new_shape(request.getfixturevalue(fixture), f"{setting}-c2", target, api_version)
    shape.spec = VariantSpec(
        name=shape.spec.name,
        target=target,
        api_version=api_version,
        parameters=Parameters(controls=(Control.DENY_UNCONFINED_SECCOMP,)),
    )
    try:
        for role in ObjectRole:
            shape.write(role)
        shape.settle(shape.home, REFUSED)

        unset = of(WorkloadKind.POD, UNSET_SPEC, "new-unset")
        assert shape.ask(unset, shape.home).outcome is ADMITTED
    finally:
        shape.clear()


@pytest.mark.parametrize("setting", SETTINGS)
def test_policy_that_errs_is_not_taken_for_a_refusal(
    request: pytest.FixtureRequest, setting: str
) -> None:
    fixture, target, api_version = SETTINGS[setting]
    shape = new_shape(request.getfixturevalue(fixture), f"{setting}-err", target, api_version)
    good = of(WorkloadKind.POD, GOOD_SPEC, "new-good")
    try:
        for c in shape.compiled()[:2]:
            text = json.dumps(c.manifest).replace(
                "variables.windows ||", "object.spec.none == 1 &&"
            )
            assert "object.spec.none" in text
            assert shape.plane.create(json.loads(text)).ok

        here = eventually(
            lambda: shape.ask(good, shape.home), lambda a: a.outcome is not ADMITTED, in_a_row=3
        )
        next_door = shape.ask(good, shape.neighbour)

        assert (here.outcome, here.policy) == (AnswerOutcome.POLICY_ERROR, shape.twin), here
        # An Audit ClusterPolicy that errs keeps silent: only a warned bad probe shows that it judges.
        said = {CPOL: ADMITTED, VPOL: AnswerOutcome.POLICY_ERROR}
        assert next_door.outcome is said[target], next_door
    finally:
        shape.clear()
