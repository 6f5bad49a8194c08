"""What both clusters report about the same workloads: kind by kind, rule by rule, word for word."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import pytest

from policies.cluster.gateway import POLICY_REPORTS, Manifest
from policies.domain.controls import BASE_CONTROLS, Control
from policies.domain.library import (
    API_VERSIONS,
    ObjectRole,
    Target,
    VariantSpec,
    compile_objects,
)
from policies.domain.objects import PolicyReport, WorkloadKind
from policies.domain.parameters import Parameters
from policies.domain.reports import Outcome
from tests.contract.clusters import Cluster, own_name
from tests.contract.planes import eventually
from tests.contract.words import failures, rule_name
from tests.reports import read_results
from tests.unit.domain.seccomp_cases import LH, RD, UN, container, pod, wrapped

C1, C2 = Control.REQUIRE_SECCOMP, Control.DENY_UNCONFINED_SECCOMP
C3, C4 = Control.REQUIRE_APPARMOR, Control.DENY_UNCONFINED_APPARMOR
ORDER = (C2, C4, C1, C3)
"""In which a ValidatingPolicy judges; it stops at the first that fails."""
AA = {"appArmorProfile": {"type": "RuntimeDefault"}}
NO_AA = {"appArmorProfile": {"type": "Unconfined"}}
UNSET = pod(container("c"))


def confined(spec: Manifest, profile: Manifest = AA) -> Manifest:
    """The same pod with an AppArmor profile of its own."""
    return {**spec, "securityContext": {**spec.get("securityContext", {}), **profile}}


BODIES: dict[str, tuple[Manifest, frozenset[Control]]] = {
    "good": (confined(pod(container("c"), profile=RD)), frozenset()),
    "localhost": (confined(pod(container("c", LH))), frozenset()),
    "windows": (pod(container("c"), os="windows"), frozenset()),
    "unset": (UNSET, frozenset({C1, C3})),
    "one-unset": (confined(pod(container("a", RD), container("b"))), frozenset({C1})),
    "init-unset": (confined(pod(container("a", RD), init=(container("i"),))), frozenset({C1})),
    "unconfined": (confined(pod(container("c"), profile=UN)), frozenset({C1, C2})),
    "overridden": (pod(container("c", UN), profile=RD), frozenset({C1, C2, C3})),
    "sidecar": (
        confined(
            pod(container("c"), profile=RD, init=(container("s", UN, restartPolicy="Always"),))
        ),
        frozenset({C1, C2}),
    ),
    "no-apparmor": (pod(container("a", RD, **AA), container("b", RD)), frozenset({C3})),
    "bad-apparmor": (confined(pod(container("c"), profile=RD), NO_AA), frozenset({C3, C4})),
}
"""By name: the pod spec, and which controls it fails."""


@dataclass(frozen=True)
class Reported:
    cluster: Cluster
    spec: VariantSpec
    namespace: str
    results: dict[tuple[str, str], tuple[Manifest, ...]]

    @property
    def is_cluster_policy(self) -> bool:
        return self.spec.target is Target.CLUSTER_POLICY


def workloads() -> Iterator[tuple[WorkloadKind, str, frozenset[Control]]]:
    """Every pod shape as a Pod, and a bad and a good one of every kind."""
    for name, (_, failed) in BODIES.items():
        yield WorkloadKind.POD, name, failed
    for kind in WorkloadKind:
        if kind is not WorkloadKind.POD:
            yield kind, "unset", BODIES["unset"][1]
            yield kind, "good", BODIES["good"][1]


@pytest.fixture(scope="module")
def reported(cluster: Cluster, kyverno_spec: VariantSpec) -> Iterator[Reported]:
    """All the workloads stand, then the policy, then the reports."""
    spec = replace(
        kyverno_spec, template="confined-pods", parameters=Parameters(controls=BASE_CONTROLS)
    )
    namespace = cluster.make_namespace("rep")
    made = list(workloads())
    for kind, name, _ in made:
        cluster.apply(wrapped(kind, BODIES[name][0], name=name_of(kind, name)), namespace)
    objects = compile_objects(spec, [namespace])
    cluster.create(objects)
    judged = [(kind, name_of(kind, name)) for kind, name, _ in made if is_judged(spec, kind)]
    results = cluster.wait_reports(spec.name, namespace, judged)
    yield Reported(cluster, spec, namespace, results)
    cluster.remove(objects)


def name_of(kind: WorkloadKind, name: str) -> str:
    return f"{kind.lower()}-{name}"


def is_judged(spec: VariantSpec, kind: WorkloadKind) -> bool:
    if kind is WorkloadKind.REPLICATION_CONTROLLER:
        return spec.target is Target.CLUSTER_POLICY
    return kind is not WorkloadKind.POD_TEMPLATE


@pytest.mark.parametrize(
    ("kind", "name", "failed"), list(workloads()), ids=lambda v: v if isinstance(v, str) else ""
)
def test_results_are_those_that_kyverno_gives(
    reported: Reported, kind: WorkloadKind, name: str, failed: frozenset[Control]
) -> None:
    found = reported.results.get((kind, name_of(kind, name)), ())
    manifest = wrapped(kind, BODIES[name][0], name=name_of(kind, name))

    assert {control for control, _ in failures(reported.spec, manifest)} == failed
    if not is_judged(reported.spec, kind):
        assert found == ()
    elif reported.is_cluster_policy:
        assert [shown(r) for r in found] == by_rule(reported, manifest)
    else:
        assert [shown(r) for r in found] == by_policy(reported, manifest)


def shown(result: Manifest) -> Manifest:
    """A result without its time."""
    assert result["timestamp"]["nanos"] == 0
    return {key: value for key, value in result.items() if key != "timestamp"}


def by_rule(reported: Reported, manifest: Manifest) -> list[Manifest]:
    said = dict(failures(reported.spec, manifest))
    rules = sorted((rule_name(control, manifest["kind"]), control) for control in ORDER)
    return [
        {
            "policy": reported.spec.name,
            "rule": rule,
            "result": "fail" if control in said else "pass",
            "message": said.get(control, f"Validation rule '{rule}' passed."),
            "source": "kyverno",
            "scored": True,
            "properties": {"process": "background scan"},
        }
        for rule, control in rules
    ]


def by_policy(reported: Reported, manifest: Manifest) -> list[Manifest]:
    first = next(iter(failures(reported.spec, manifest)), None)
    properties = {"process": "background scan"}
    if first is not None:
        properties["cel.validationIndex"] = str(ORDER.index(first[0]))
    return [
        {
            "policy": reported.spec.name,
            "result": "fail" if first else "pass",
            "message": first[1] if first else "success",
            "source": "KyvernoValidatingPolicy",
            "scored": True,
            "properties": properties,
        }
    ]


def test_report_is_named_scoped_and_owned_by_its_resource(reported: Reported) -> None:
    for report in reported.cluster.items(POLICY_REPORTS, reported.namespace):
        scope, metadata = report["scope"], report["metadata"]
        (owner,) = metadata["ownerReferences"]

        assert metadata["name"] == scope["uid"] == owner["uid"]
        assert scope["namespace"] == metadata["namespace"] == reported.namespace
        assert metadata["labels"]["app.kubernetes.io/managed-by"] == "kyverno"
        for key in ("apiVersion", "kind", "name"):
            assert owner[key] == scope[key]
        assert scope.keys() == {"apiVersion", "kind", "name", "namespace", "uid"}


def test_report_sums_up_its_results(reported: Reported) -> None:
    for report in reported.cluster.items(POLICY_REPORTS, reported.namespace):
        words = [result["result"] for result in report["results"]]
        summary = {word: words.count(word) for word in ("pass", "fail", "warn", "error", "skip")}

        assert report["summary"] == summary


def test_twin_and_companion_add_nothing_to_reports(reported: Reported) -> None:
    twins = {
        compiled.name
        for compiled in compile_objects(reported.spec, [reported.namespace])
        if compiled.role is not ObjectRole.AUDIT
    }
    named = {
        result["policy"]
        for report in reported.cluster.items(POLICY_REPORTS, reported.namespace)
        for result in report["results"]
    }

    assert not named & twins


def test_report_is_read_by_the_domain(reported: Reported) -> None:
    (report,) = (
        msgspec.convert(report, PolicyReport)
        for report in reported.cluster.items(POLICY_REPORTS, reported.namespace)
        if report["scope"]["name"] == name_of(WorkloadKind.DEPLOYMENT, "unset")
    )

    ours = [r for r in read_results(report) if r.policy == reported.spec.name]

    assert {r.kind for r in ours} == {"Deployment"}
    assert Outcome.FAIL in {r.outcome for r in ours}
    assert all(r.at is not None for r in ours)


def test_report_of_a_changed_workload_is_made_again(reported: Reported) -> None:
    kind = WorkloadKind.DEPLOYMENT
    name = name_of(kind, "good")
    before = newest(reported.results[(kind, name)])
    time.sleep(1.1)  # the times in reports are whole seconds
    reported.cluster.patch(
        wrapped(kind, UNSET, name=name),
        reported.namespace,
        {"spec": {"template": {"metadata": {"labels": {"edited": "yes"}}}}},
    )

    def times() -> int:
        found = reported.cluster.wait_reports(
            reported.spec.name, reported.namespace, [(kind, name)]
        )
        return newest(found[(kind, name)])

    assert eventually(times, lambda at: at > before, seconds=150) > before


def newest(results: tuple[Any, ...]) -> int:
    return max(result["timestamp"]["seconds"] for result in results)


def test_report_of_a_deleted_workload_goes_with_it(reported: Reported) -> None:
    kind, name = WorkloadKind.POD, name_of(WorkloadKind.POD, "localhost")
    reported.cluster.delete(wrapped(kind, UNSET, name=name), reported.namespace)

    def names() -> set[str]:
        reports = reported.cluster.items(POLICY_REPORTS, reported.namespace)
        return {report["scope"]["name"] for report in reports}

    assert name not in eventually(names, lambda found: name not in found, seconds=60)


ANNOTATIONS = {
    "policies.kyverno.io/scored": "false",
    "policies.kyverno.io/category": "Pod Security",
    "policies.kyverno.io/severity": "medium",
    "pod-policies.kyverno.io/autogen-controllers": "Deployment,CronJob",
}


def test_annotations_of_a_policy_shape_its_results(
    cluster: Cluster, kyverno_spec: VariantSpec
) -> None:
    namespace = cluster.make_namespace("ann")
    (compiled,) = compile_objects(replace(kyverno_spec, name=own_name("ann")), ())
    for kind in (WorkloadKind.DEPLOYMENT, WorkloadKind.STATEFUL_SET, WorkloadKind.POD):
        cluster.apply(wrapped(kind, UNSET, name=name_of(kind, "unset")), namespace)
    metadata = compiled.manifest["metadata"]
    annotations = {**metadata["annotations"], **ANNOTATIONS}
    edited = {**compiled.manifest, "metadata": {**metadata, "annotations": annotations}}
    kinds = {WorkloadKind.POD, WorkloadKind.DEPLOYMENT}
    if (
        kyverno_spec.target is Target.VALIDATING_POLICY
    ):  # its derived variants are chosen in its spec
        kinds.add(WorkloadKind.STATEFUL_SET)
    cluster.create([replace(compiled, manifest=edited)])
    try:
        judged = {(str(kind), name_of(kind, "unset")) for kind in kinds}
        found = cluster.wait_reports(compiled.name, namespace, judged)
    finally:
        cluster.remove([compiled])

    # A real Deployment has made a ReplicaSet, which has no say in the sandbox.
    assert {kind for kind, _ in found} - {"ReplicaSet"} == kinds
    (result, *_) = (r for r in found[("Pod", "pod-unset")] if r["result"] != "pass")
    assert (result["result"], result.get("scored")) == ("warn", None)
    assert (result["category"], result["severity"]) == ("Pod Security", "medium")


def test_native_policy_makes_no_results_of_its_own(reported: Reported) -> None:
    spec = replace(
        reported.spec,
        name=own_name("vap"),
        target=Target.NATIVE,
        api_version=API_VERSIONS[Target.NATIVE][0],
    )
    objects, namespace = compile_objects(spec, []), reported.cluster.make_namespace("vap")
    reported.cluster.create(objects)
    try:
        manifest = wrapped(WorkloadKind.POD, UNSET, name="late")
        eventually(
            lambda: reported.cluster.try_out(manifest, namespace).warnings,
            lambda said: any(spec.name in text for text in said),
        )
        reported.cluster.apply(manifest, namespace)
        # What is new has been judged, and still nobody speaks of the native policy.
        reported.cluster.wait_reports(reported.spec.name, namespace, [("Pod", "late")])
        named = {
            result["policy"]
            for report in reported.cluster.items(POLICY_REPORTS, namespace)
            for result in report["results"]
        }
    finally:
        reported.cluster.remove(objects)

    assert reported.spec.name in named
    assert spec.name not in named
