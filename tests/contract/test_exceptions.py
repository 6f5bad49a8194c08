"""What both clusters make of an exemption: who is admitted, who stays refused, what is warned of, and what reports say."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from policies.actions.live import despite_conflicts
from policies.cluster.errors import ClusterError, NotFound, RejectedByAdmission
from policies.cluster.gateway import DEPLOYMENTS, NATIVE_POLICIES, Manifest, Resource, Verb, Write
from policies.domain.controls import Control
from policies.domain.engines import Component, read_settings
from policies.domain.exceptions import (
    EXCEPTION_VERSIONS,
    CompiledException,
    ExceptionKind,
    Identity,
    compile_exception,
    exception_digest,
    exception_kind,
    exception_support,
    exempt_pods,
)
from policies.domain.exemptions import Exemption, WorkloadName
from policies.domain.identities import fits, pattern_of
from policies.domain.library import Target, VariantSpec, compile_objects, judged_by
from policies.domain.objects import PolicyReport, WorkloadKind
from policies.domain.reports import Outcome
from sandbox.kinds import resource_of
from tests.contract.clusters import Cluster, refused
from tests.contract.planes import eventually
from tests.contract.words import denial, warnings
from tests.reports import read_results
from tests.unit.domain.exception_cases import COVERED, NEIGHBOURS, named
from tests.unit.domain.seccomp_cases import container, pod, wrapped

UNSET = pod(container("c"))
KYVERNO = (1, 19, 1)
APP, NIGHTLY, DB, ALONE = (
    named("Deployment", "app"),
    named("CronJob", "nightly"),
    named("StatefulSet", "db"),
    named("Pod", "alone"),
)
BESIDE = {APP: "app-v2", NIGHTLY: "nightly-2", DB: "db-x", ALONE: "alone-2"}
"""Workloads whose names begin alike."""


def template(workload: WorkloadName, name: str = "") -> Manifest:
    return wrapped(workload.kind, UNSET, name=name or workload.name)


@dataclass
class Place:
    """A variant that is enforced in one namespace and audits in another, and its exemptions."""

    cluster: Cluster
    spec: VariantSpec
    home: str
    audited: str
    lies_in: str
    written: dict[str, Exemption] = field(default_factory=dict)

    @property
    def is_native(self) -> bool:
        return self.spec.target is Target.NATIVE

    def exempt(self, *workloads: WorkloadName, namespace: str = "", key: str = "a" * 12) -> None:
        """Exempt exactly these, whatever was exempted under this key before."""
        exemption = self.exemption(*workloads, namespace=namespace, key=key)
        self.written[key] = exemption
        if self.is_native:
            self._write_policy()
        else:
            self._write_exception(exemption)

    def end(self, key: str = "a" * 12) -> None:
        exemption = self.written.pop(key)
        if self.is_native:
            self._write_policy()
            return
        compiled = self.compiled(exemption)
        resource = resource_of(compiled.manifest)
        found = self.cluster.gateway.get(resource, compiled.name, namespace=self.lies_in)
        self._write(Verb.DELETE, resource, compiled.name, None, found)

    def exemption(
        self, *workloads: WorkloadName, namespace: str = "", key: str = "a" * 12
    ) -> Exemption:
        return Exemption(
            key=key,
            namespace=namespace or self.home,
            workloads=tuple(sorted(workloads)),
            controls=self.spec.controls,
            ends_at=datetime.now(UTC) + timedelta(days=3),
            approved_by="carol",
            reason="The vendor has no profile yet.",
        )

    def compiled(self, exemption: Exemption) -> CompiledException:
        kind = exception_kind(self.spec)
        assert kind is not None
        return compile_exception(
            self.spec,
            exemption,
            api_version=EXCEPTION_VERSIONS[kind][0],
            namespace=self.lies_in,
            kyverno=KYVERNO,
        )

    def _write_policy(self) -> None:
        # The controller manager writes the status of the policy, which moves its version.
        despite_conflicts(self._replace_policy)

    def _replace_policy(self) -> None:
        spec = replace(self.spec, exemptions=tuple(self.written.values()))
        policy = compile_objects(spec, [self.home])[0]
        found = self.cluster.gateway.get(NATIVE_POLICIES, policy.name)
        self._write(Verb.REPLACE, NATIVE_POLICIES, policy.name, policy.manifest, found)

    def _write_exception(self, exemption: Exemption) -> None:
        compiled = self.compiled(exemption)
        resource = resource_of(compiled.manifest)
        try:
            found = self.cluster.gateway.get(resource, compiled.name, namespace=self.lies_in)
        except NotFound:
            self._write(Verb.CREATE, resource, compiled.name, compiled.manifest, None)
        else:
            self._write(Verb.REPLACE, resource, compiled.name, compiled.manifest, found)

    def _write(
        self,
        verb: Verb,
        resource: Resource,
        name: str,
        manifest: Manifest | None,
        found: Manifest | None,
    ) -> None:
        metadata = found["metadata"] if found else {}
        change = Write(
            verb=verb,
            resource=resource,
            name=name,
            manifest=manifest,
            uid=metadata.get("uid", ""),
            resource_version=metadata.get("resourceVersion", ""),
            namespace=self.lies_in if resource.namespaced else "",
        )
        self.cluster.gateway.write(change, dry_run=False)

    # What is said

    def hears(self, manifest: Manifest, namespace: str = "") -> tuple[str, ...] | str:
        """The warnings of this variant about an object, or its denial."""
        try:
            said = self.cluster.try_out(manifest, namespace or self.home).warnings
        except RejectedByAdmission as error:
            if self.spec.name not in error.raw:
                raise
            return error.raw
        return tuple(text for text in said if self.spec.name in text)

    def settles(
        self, manifest: Manifest, expected: tuple[str, ...] | str, namespace: str = ""
    ) -> None:
        eventually(
            lambda: self.hears(manifest, namespace), lambda heard: heard == expected, in_a_row=4
        )

    def denied(self, manifest: Manifest) -> str:
        return denial(self.spec, manifest, self.home).raw


@pytest.fixture(scope="module")
def place(cluster: Cluster, spec: VariantSpec) -> Iterator[Place]:
    made = Place(
        cluster,
        spec,
        cluster.make_namespace("home"),
        cluster.make_namespace("audited"),
        cluster.make_namespace("polex"),
    )
    objects = compile_objects(spec, [made.home])
    cluster.create(objects)
    made.settles(template(APP), made.denied(template(APP)))
    yield made
    for key in tuple(made.written):
        made.end(key)
    for compiled in reversed(objects):
        cluster.discard(compiled)


@pytest.fixture(autouse=True)
def nobody_exempt(place: Place) -> Iterator[None]:
    yield
    for key in tuple(place.written):
        place.end(key)
    place.settles(template(APP), place.denied(template(APP)))


def test_exempted_workloads_are_admitted_without_a_word_and_those_beside_them_refused(
    place: Place,
) -> None:
    place.exempt(APP, NIGHTLY, DB, ALONE)

    place.settles(template(APP), ())
    for workload, beside in BESIDE.items():
        assert place.hears(template(workload)) == ()
        neighbour = template(workload, beside)
        assert place.hears(neighbour) == place.denied(neighbour)


def test_proof_pods_are_admitted_and_refused(place: Place) -> None:
    place.exempt(APP, NIGHTLY, DB, ALONE, named("DaemonSet", "d" * 62))
    place.settles(template(APP), ())

    exemption = place.written["a" * 12]
    for workload in exemption.workloads:
        pods = exempt_pods(place.spec, exemption, workload)
        assert place.hears(pods.exempted) == (), workload
        assert place.hears(pods.neighbour) == place.denied(pods.neighbour), workload


def test_every_pattern_means_the_same_to_engine_and_python(place: Place) -> None:
    workloads = sorted({workload for workload, _ in COVERED})
    place.exempt(*workloads)
    place.settles(template(APP), ())

    pattern = pattern_of(workloads)
    kinds = {str(kind) for kind in judged_by(place.spec)}
    for _, identity in (*COVERED, *NEIGHBOURS):
        if identity.kind in kinds:
            manifest = manifest_of(identity)
            expected = () if fits(pattern, identity) else place.denied(manifest)
            assert place.hears(manifest) == expected, identity


def manifest_of(identity: Identity) -> Manifest:
    manifest = wrapped(WorkloadKind(identity.kind), UNSET, name=identity.name)
    metadata = manifest["metadata"]
    if identity.template_hash:
        metadata["labels"] = {"pod-template-hash": identity.template_hash}
    if identity.controller:
        api_version, kind, name = identity.controller.split(",")
        owner = {"apiVersion": api_version, "kind": kind, "name": name, "uid": "u-1"}
        metadata["ownerReferences"] = [{**owner, "controller": True}]
    return manifest


def test_owner_that_does_not_control_makes_nobody_exempt(place: Place) -> None:
    place.exempt(DB)
    place.settles(template(DB), ())
    owned = manifest_of(Identity("Pod", "db-0", "apps/v1,StatefulSet,db"))
    assert place.hears(owned) == ()

    owned["metadata"]["ownerReferences"][0]["controller"] = False

    assert place.hears(owned) == place.denied(owned)


def test_other_namespaces_are_not_exempt(place: Place) -> None:
    place.exempt(APP, namespace=place.audited)

    place.settles(template(APP), (), place.audited)
    assert place.hears(template(APP)) == place.denied(template(APP))


def test_audit_does_not_warn_of_the_exempted(place: Place) -> None:
    place.exempt(APP, ALONE, namespace=place.audited)

    place.settles(template(APP), (), place.audited)
    beside = template(APP, "app-v2")
    assert place.hears(beside, place.audited) == warnings(place.spec, beside)


def test_edit_narrows_at_once(place: Place) -> None:
    place.exempt(APP, DB)
    place.settles(template(DB), ())

    place.exempt(APP)

    place.settles(template(DB), place.denied(template(DB)))
    assert place.hears(template(APP)) == ()


def test_end_makes_it_refused_again(place: Place) -> None:
    place.exempt(APP)
    place.settles(template(APP), ())

    place.end()

    place.settles(template(APP), place.denied(template(APP)))


def test_two_exceptions_end_apart(place: Place) -> None:
    place.exempt(APP)
    place.exempt(DB, key="b" * 12)
    place.settles(template(DB), ())
    assert place.hears(template(APP)) == ()

    place.end("b" * 12)

    place.settles(template(DB), place.denied(template(DB)))
    assert place.hears(template(APP)) == ()


def test_debug_containers_of_an_exempted_pod_are_admitted(place: Place) -> None:
    debugger = {**container("d"), "image": "x.invalid/d:1"}
    place.exempt(ALONE)
    place.settles(template(ALONE), ())
    place.cluster.apply(template(ALONE), place.home)
    good = wrapped(
        WorkloadKind.POD, pod(container("c", {"type": "RuntimeDefault"})), name="alone-2"
    )
    place.cluster.apply(good, place.home)

    assert refused(lambda: place.cluster.debug(place.home, "alone", debugger)) is None
    error = refused(lambda: place.cluster.debug(place.home, "alone-2", debugger))
    assert isinstance(error, RejectedByAdmission)

    for name in ("alone", "alone-2"):
        place.cluster.delete(template(ALONE, name), place.home)


def test_some_controls_exempt_from_some_rules(place: Place) -> None:
    if place.spec.target is not Target.CLUSTER_POLICY:
        pytest.skip("Only a ClusterPolicy has rules to be exempted from one by one.")
    some = (Control.REQUIRE_SECCOMP,)
    exemption = replace(place.exemption(APP), controls=some)
    place.written[exemption.key] = exemption
    place._write_exception(exemption)
    place.settles(template(APP), ())

    unconfined = wrapped(
        WorkloadKind.DEPLOYMENT, pod(container("c"), profile={"type": "Unconfined"}), name="app"
    )

    heard = place.hears(unconfined)
    assert "autogen-deny-unconfined-seccomp" in heard
    assert "autogen-require-seccomp" not in "".join(heard)


def test_object_is_stored_as_sent_and_draws_the_warnings_of_its_kind(place: Place) -> None:
    if place.is_native:
        pytest.skip("A native policy has no exceptions.")
    compiled = place.compiled(place.exemption(APP))
    resource = resource_of(compiled.manifest)
    change = Write(Verb.CREATE, resource, compiled.name, compiled.manifest, namespace=place.lies_in)

    tried = place.cluster.gateway.write(change, dry_run=True)
    answer = place.cluster.gateway.write(change, dry_run=False)
    place.written["a" * 12] = place.exemption(APP)

    assert tried.warnings == answer.warnings
    found = place.cluster.gateway.get(resource, compiled.name, namespace=place.lies_in)
    assert found["spec"] == compiled.manifest["spec"]
    assert exception_digest(found) == exception_digest(compiled.manifest)
    deprecated = place.spec.target is Target.CLUSTER_POLICY
    assert [text.partition(" is ")[0] for text in answer.warnings] == (
        ["kyverno.io/v2 PolicyException", "kyverno.io/v2beta1 PolicyException"]
        if deprecated
        else []
    )
    listed = place.cluster.items(resource, place.lies_in)
    assert [each["metadata"]["name"] for each in listed] == [compiled.name]


def test_reports_say_skip_for_the_exempted_and_fail_for_those_beside_them(place: Place) -> None:
    if place.is_native:
        pytest.skip("A native policy makes no reports.")
    exempted = [(str(w.kind), w.name) for w in (APP, NIGHTLY)]
    beside = [(str(w.kind), BESIDE[w]) for w in (APP, NIGHTLY)]
    place.exempt(APP, NIGHTLY, namespace=place.audited)
    place.settles(template(APP), (), place.audited)
    for workload in (APP, NIGHTLY):
        place.cluster.apply(template(workload), place.audited)
        place.cluster.apply(template(workload, BESIDE[workload]), place.audited)

    def outcomes() -> dict[tuple[str, str], set[Outcome]]:
        reported = place.cluster.wait_reports(place.spec.name, place.audited, [*exempted, *beside])
        return {key: {Outcome(r["result"]) for r in results} for key, results in reported.items()}

    found = eventually(
        outcomes, lambda seen: all(seen[key] == {Outcome.SKIP} for key in exempted), seconds=90
    )
    assert all(Outcome.FAIL in found[key] for key in beside)
    reported = place.cluster.wait_reports(place.spec.name, place.audited, exempted)
    report = {"metadata": {}, "results": [r for key in exempted for r in reported[key]]}
    name = f"secprof-{'a' * 12}"
    for result in read_results(msgspec.convert(report, PolicyReport)):
        assert result.exceptions == (name,)
        assert f"{place.lies_in}/{name}" in result.message
        assert result.message.startswith("rule is skipped due to policy exception")


def test_settings_of_the_engine_tell_that_exceptions_count(cluster: Cluster) -> None:
    found = (read_settings(item) for item in cluster.items(DEPLOYMENTS, "kyverno"))
    controllers = tuple(settings for settings in found if settings)
    if not controllers:
        pytest.skip("There is no Deployment of Kyverno's here.")

    # What cleans up is not among the plane's programs, and decides about no exception.
    assert {each.component for each in controllers} == set(Component) - {Component.CLEANUP}
    for kind in ExceptionKind:
        support = exception_support(controllers, kind, "anywhere")
        assert (support.honoured, support.in_reports) == (True, True)
        assert support.namespaces is None


def test_exceptions_cannot_be_written_while_the_engine_is_down(place: Place) -> None:
    if place.is_native:
        pytest.skip("A native policy has no exceptions.")
    place.cluster.stop_engine()

    error = refused(lambda: place.exempt(APP))

    place.cluster.start_engine()
    place.written.clear()
    assert isinstance(error, ClusterError)
    assert "kyverno-svc.kyverno.svc" in str(error)
