"""The compiled shapes on real control planes: Audit warns, the twin refuses, and what must go on goes on.

Engine, version and shape are proven here together; nothing of the product but its domain takes part.
"""

import json
from collections.abc import Iterator

import pytest

from policies.domain.answers import AnswerOutcome
from policies.domain.controls import Control
from policies.domain.library import (
    TEMPLATES,
    ObjectRole,
    Target,
    checks_of,
    compile_objects,
    probe_pods,
    spec_of_manifest,
)
from policies.domain.objects import WorkloadKind
from policies.domain.observed import behaviour_of, policy_digest, read_policy
from policies.domain.parameters import Parameters
from policies.domain.posture.pods import POD_PATH
from policies.domain.reports import Outcome
from tests.contract import planes
from tests.contract.planes import STRATEGIC_PATCH, Manifest, Plane, eventually
from tests.contract.shapes import (
    CONTROLS,
    Shape,
    debug,
    namespace_of,
    new_shape,
    of,
    own_webhooks,
    results_in,
    violators,
)
from tests.unit.domain.apparmor_cases import PREFIX
from tests.unit.domain.seccomp_cases import container

pytestmark = pytest.mark.controlplane
plane_new, plane_old = planes.plane_new, planes.plane_old

ADMITTED, WARNED, REFUSED = AnswerOutcome.ADMITTED, AnswerOutcome.WARNED, AnswerOutcome.REFUSED
OTHER = AnswerOutcome.REFUSED_BY_OTHER
CPOL, VPOL, NATIVE = Target
WRAPPERS = (WorkloadKind.POD, WorkloadKind.DEPLOYMENT, WorkloadKind.CRON_JOB)
SETTINGS = {
    "new-cpol": ("plane_new", CPOL, "kyverno.io/v1"),
    "new-vpol": ("plane_new", VPOL, "policies.kyverno.io/v1"),
    "new-native": ("plane_new", NATIVE, "admissionregistration.k8s.io/v1"),
    "old-cpol": ("plane_old", CPOL, "kyverno.io/v1"),
}
# The old engine shares its API server's version with the new one: native policies would be the same again.
COMBINATIONS = [
    (setting, template)
    for setting in SETTINGS
    for template in TEMPLATES
    if setting != "old-cpol" or template != "apparmor"
]

# Kyverno gives a ClusterPolicy's webhook never less than its own default.
SECONDS = {CPOL: 10, VPOL: 3}


@pytest.fixture(scope="module", params=COMBINATIONS, ids="-".join)
def audited(request: pytest.FixtureRequest) -> Iterator[Shape]:
    """The Audit policy stands, over objects that were there before it."""
    setting, template = request.param
    fixture, target, api_version = SETTINGS[setting]
    plane = request.getfixturevalue(fixture)
    shape = new_shape(plane, f"{setting}-{template}", target, api_version, template=template)
    try:
        for manifest in violators(shape.pods):
            created = shape.plane.create(manifest, shape.home)
            assert created.ok, created.text
        shape.write(ObjectRole.AUDIT)
        shape.write(ObjectRole.BINDING)
        shape.settle(shape.home, WARNED)
        shape.settle(shape.neighbour, WARNED)
        yield shape
    finally:
        held = violators(shape.pods)[3]
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
    answer = audited.ask(of(kind, audited.pods.bad, "new-bad"), audited.home)

    assert (answer.outcome, answer.policy) == (WARNED, audited.auditor)
    assert answer.message in {check.message_for(["c"]) for check in checks_of(audited.spec)}


@pytest.mark.parametrize("kind", WRAPPERS)
def test_audit_good_workload_is_admitted_in_silence(audited: Shape, kind: WorkloadKind) -> None:
    answer = audited.ask(of(kind, audited.pods.good, "new-good"), audited.home)

    assert answer.outcome is ADMITTED
    assert audited.spec.name not in answer.raw


def test_audit_has_a_webhook_of_its_own_that_never_stops_anything(audited: Shape) -> None:
    if audited.spec.target is NATIVE:
        assert not own_webhooks(audited, audited.spec.name)
        return
    assert own_webhooks(audited, audited.spec.name)
    for webhook in own_webhooks(audited, audited.spec.name):
        assert webhook["failurePolicy"] == "Ignore"
        assert webhook["timeoutSeconds"] == SECONDS[audited.spec.target]


def test_audit_reports_say_fail_for_what_was_there_and_what_is_new(audited: Shape) -> None:
    if audited.spec.target is NATIVE:
        pytest.skip("there are no reports of native policies")
    fresh = of(WorkloadKind.POD, audited.pods.bad, "reported")
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
    rules = set(map(str, audited.spec.controls)) if audited.spec.target is CPOL else {""}
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
    if enforced.spec.target is NATIVE:
        pytest.skip("a native policy does not say whether it is ready")
    for c in enforced.compiled():
        eventually(
            lambda c=c: read_policy(enforced.plane.get(c.manifest).body).ready,
            lambda ready: ready is True,
        )


@pytest.mark.parametrize("kind", WRAPPERS)
def test_enforced_bad_workload_is_refused_here_and_admitted_next_door(
    enforced: Shape, kind: WorkloadKind
) -> None:
    bad = of(kind, enforced.pods.bad, "new-bad")

    here, next_door = (enforced.ask(bad, ns) for ns in (enforced.home, enforced.neighbour))

    assert (here.outcome, here.policy) == (REFUSED, enforced.twin)
    assert here.message in {check.message_for(["c"]) for check in checks_of(enforced.spec)}
    assert (next_door.outcome, next_door.policy) == (WARNED, enforced.auditor)


@pytest.mark.parametrize("kind", WRAPPERS)
def test_enforced_good_workload_is_admitted_everywhere(enforced: Shape, kind: WorkloadKind) -> None:
    good = of(kind, enforced.pods.good, "new-good")

    for namespace in (enforced.home, enforced.neighbour):
        assert enforced.ask(good, namespace).outcome is ADMITTED


def test_enforced_probe_pods_prove_it(enforced: Shape) -> None:
    probes = probe_pods(enforced.spec)

    assert enforced.ask(probes.bad, enforced.home).outcome is REFUSED
    assert enforced.ask(probes.good, enforced.home).outcome is ADMITTED
    assert enforced.ask(probes.bad, enforced.neighbour).outcome is WARNED


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
    reply = enforced.plane.patch(of(kind, enforced.pods.bad, name), change, enforced.home)

    assert reply.ok, reply.text


def test_enforced_status_of_what_violates_can_be_written(enforced: Shape) -> None:
    reply = enforced.plane.patch(
        of(WorkloadKind.POD, enforced.pods.bad, "old-bad"),
        {"status": {"message": "edited"}},
        enforced.home,
        subresource="status",
    )

    assert reply.ok, reply.text


def test_enforced_scaling_of_what_violates_is_admitted(enforced: Shape) -> None:
    deployment = of(WorkloadKind.DEPLOYMENT, enforced.pods.bad, "running")

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
        of(kind, enforced.pods.bad, name), change, enforced.home, content_type=STRATEGIC_PATCH
    )

    answer = enforced.answer(reply)
    assert (answer.outcome, answer.policy) == (REFUSED, enforced.twin)


def test_enforced_debug_container_is_refused_if_bad_and_admitted_if_good(enforced: Shape) -> None:
    refuser = f"{enforced.twin}-debug" if enforced.spec.target is VPOL else enforced.twin

    bad = debug(enforced, enforced.pods.bad_debug)
    good = debug(enforced, container("debug-good"))

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
    doomed = of(kind, enforced.pods.bad, name)

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
    pods = enforced.pods
    good, bad = (of(WorkloadKind.POD, spec, "new") for spec in (pods.good, pods.bad))

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
        if enforced.spec.target is NATIVE:
            assert not own_webhooks(enforced, c.name)
            continue
        assert own_webhooks(enforced, c.name)
        for webhook in own_webhooks(enforced, c.name):
            assert webhook["failurePolicy"] == "Fail"
            assert webhook["timeoutSeconds"] == SECONDS[enforced.spec.target]
            conditions = [m["expression"] for m in webhook["matchConditions"]]
            assert any(f"'{enforced.home}'" in expression for expression in conditions)


def test_enforced_twin_adds_nothing_to_reports(enforced: Shape) -> None:
    if enforced.spec.target is NATIVE:
        pytest.skip("there are no reports of native policies")
    results = eventually(lambda: results_in(enforced, enforced.home), bool, seconds=150)

    # Reports may still tell of a policy that another test has removed.
    ours = {r.policy for r in results if r.policy.startswith("shape-")}
    assert ours == {enforced.spec.name}


def test_without_its_twin_the_namespace_is_in_audit_again(enforced: Shape) -> None:
    for c in enforced.compiled():
        if c.namespaces:
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
    shape = new_shape(
        request.getfixturevalue(fixture),
        f"{setting}-c2",
        target,
        api_version,
        parameters=Parameters(controls=(Control.DENY_UNCONFINED_SECCOMP,)),
    )
    try:
        for role in ObjectRole:
            shape.write(role)
        shape.settle(shape.home, REFUSED)

        unset = of(WorkloadKind.POD, shape.pods.unset, "new-unset")
        assert shape.ask(unset, shape.home).outcome is ADMITTED
    finally:
        shape.clear()


@pytest.mark.parametrize("setting", SETTINGS)
def test_parameters_leave_alone_what_they_exclude(
    request: pytest.FixtureRequest, setting: str
) -> None:
    fixture, target, api_version = SETTINGS[setting]
    key = f"{setting}-few"
    parameters = Parameters(
        controls=CONTROLS["seccomp"],
        excluded_namespaces=(f"shape-{key}-next",),
        excluded_labels=(("exempt", "yes"), ("tier", "")),
        kinds=(WorkloadKind.CRON_JOB,),
        message="Ask o'neil: it's quick \\o/.",
    )
    shape = new_shape(
        request.getfixturevalue(fixture), key, target, api_version, parameters=parameters
    )
    try:
        for role in ObjectRole:
            shape.write(role)
        shape.settle(shape.home, REFUSED)

        bad = of(WorkloadKind.CRON_JOB, shape.pods.bad, "bad")
        exempt = of(WorkloadKind.CRON_JOB, shape.pods.bad, "exempt")
        template = exempt["spec"]["jobTemplate"]["spec"]["template"]
        template["metadata"]["labels"]["exempt"] = "yes"
        deployment = of(WorkloadKind.DEPLOYMENT, shape.pods.bad, "bad")
        refused = shape.ask(bad, shape.home)
        assert refused.outcome is REFUSED
        assert refused.message.endswith(" Ask o'neil: it's quick \\o/.")
        assert shape.ask(exempt, shape.home).outcome is ADMITTED
        assert shape.ask(deployment, shape.home).outcome is ADMITTED
        assert shape.ask(bad, shape.neighbour).outcome is ADMITTED
        for c in shape.compiled():
            stored = shape.plane.get(c.manifest).body
            assert policy_digest(stored) == policy_digest(c.manifest)
            assert spec_of_manifest(stored) == shape.spec
    finally:
        shape.clear()


@pytest.mark.parametrize("setting", SETTINGS)
def test_enforced_change_of_an_apparmor_annotation_is_judged(
    request: pytest.FixtureRequest, setting: str
) -> None:
    fixture, target, api_version = SETTINGS[setting]
    plane = request.getfixturevalue(fixture)
    shape = new_shape(plane, f"{setting}-note", target, api_version, template="apparmor")
    annotated = of(WorkloadKind.DEPLOYMENT, shape.pods.unset, "annotated")
    template = {"metadata": {"annotations": {PREFIX + "c": "runtime/default"}}}
    annotated["spec"]["template"]["metadata"] |= template["metadata"]
    try:
        assert shape.plane.create(annotated, shape.home).ok
        for role in ObjectRole:
            shape.write(role)
        shape.settle(shape.home, REFUSED)

        def put(annotations: Manifest) -> AnswerOutcome:
            change = {"spec": {"template": {"metadata": {"annotations": annotations}}}}
            reply = shape.plane.patch(annotated, change, shape.home, dry_run=True)
            return shape.answer(reply).outcome

        assert put({"restarted": "now"}) is ADMITTED
        assert put({PREFIX + "c": "localhost/k8s-web"}) is ADMITTED
        assert put({PREFIX + "c": "unconfined"}) is REFUSED
        assert put({PREFIX + "c": None}) is REFUSED
    finally:
        shape.clear()


@pytest.mark.parametrize("setting", SETTINGS)
def test_policy_that_errs_is_not_taken_for_a_refusal(
    request: pytest.FixtureRequest, setting: str
) -> None:
    fixture, target, api_version = SETTINGS[setting]
    shape = new_shape(request.getfixturevalue(fixture), f"{setting}-err", target, api_version)
    good = of(WorkloadKind.POD, shape.pods.good, "new-good")
    try:
        for c in shape.compiled():
            text = json.dumps(c.manifest).replace(
                "size(variables.", "object.metadata.none == 1 && size(variables."
            )
            written = shape.plane.create(json.loads(text))
            assert written.ok, written.text

        here = eventually(
            lambda: shape.ask(good, shape.home), lambda a: a.outcome is not ADMITTED, in_a_row=3
        )
        next_door = shape.ask(good, shape.neighbour)

        assert (here.outcome, here.policy) == (AnswerOutcome.POLICY_ERROR, shape.twin), here
        assert next_door.outcome is AnswerOutcome.POLICY_ERROR, next_door
    finally:
        shape.clear()
