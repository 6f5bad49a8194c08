"""What both clusters do while the policy engine is off: only where it denies does anything stop."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from policies.cluster.errors import EngineDown, RejectedByAdmission
from policies.cluster.gateway import Verb, Write
from policies.domain.controls import SECCOMP_CONTROLS
from policies.domain.library import (
    API_VERSIONS,
    CompiledObject,
    ObjectRole,
    Target,
    VariantSpec,
    compile_objects,
    probe_pods,
)
from policies.domain.objects import WorkloadKind
from policies.domain.parameters import Parameters
from sandbox.kinds import resource_of
from tests.contract.clusters import Cluster, own_name, refused
from tests.contract.planes import eventually
from tests.unit.domain.seccomp_cases import RD, container, pod, wrapped

GOOD = pod(container("c"), profile=RD)


@dataclass(frozen=True)
class Dark:
    """A variant that denies in one namespace, on a cluster whose engine is off."""

    cluster: Cluster
    spec: VariantSpec
    home: str
    neighbour: str

    @property
    def compiled(self) -> tuple[CompiledObject, ...]:
        return compile_objects(self.spec, [self.home])

    @property
    def twin(self) -> CompiledObject:
        return next(each for each in self.compiled if each.role is ObjectRole.TWIN)

    @property
    def is_cluster_policy(self) -> bool:
        return self.spec.target is Target.CLUSTER_POLICY

    def ask(self, namespace: str) -> type[Exception] | None:
        bad = probe_pods(self.spec).bad
        error = refused(lambda: self.cluster.gateway.dry_run_pod(namespace, bad))
        return None if error is None else type(error)

    def guarded(self, verb: Verb) -> Write:
        resource = resource_of(self.twin.manifest)
        metadata = self.cluster.gateway.get(resource, self.twin.name)["metadata"]
        manifest = None
        if verb is Verb.REPLACE:
            wider = compile_objects(self.spec, [self.home, self.neighbour])
            manifest = next(each for each in wider if each.role is ObjectRole.TWIN).manifest
        guards = {"uid": metadata["uid"], "resource_version": metadata["resourceVersion"]}
        return Write(verb, resource, self.twin.name, manifest, **guards)


@pytest.fixture(scope="module")
def dark(cluster: Cluster, kyverno_spec: VariantSpec) -> Iterator[Dark]:
    place = Dark(
        cluster, kyverno_spec, cluster.make_namespace("dark"), cluster.make_namespace("lit")
    )
    for namespace in (place.home, place.neighbour):
        cluster.apply(wrapped(WorkloadKind.DEPLOYMENT, GOOD, name="there"), namespace)
    cluster.create(place.compiled)
    eventually(
        lambda: place.ask(place.home), lambda found: found is RejectedByAdmission, in_a_row=3
    )
    cluster.stop_engine()
    try:
        yield place
    finally:
        cluster.start_engine()
        cluster.remove(each for each in place.compiled if each.role is not ObjectRole.TWIN)


def test_good_pod_is_refused_where_the_twin_denies(dark: Dark) -> None:
    with pytest.raises(EngineDown) as caught:
        dark.cluster.gateway.dry_run_pod(dark.home, probe_pods(dark.spec).good)

    stem = "" if dark.is_cluster_policy else "vpol."
    assert caught.value.status == 500
    assert caught.value.webhook == f"{stem}validate.kyverno.svc-fail-finegrained-{dark.twin.name}"


def test_bad_pod_is_admitted_next_door_without_a_warning(dark: Dark) -> None:
    answer = dark.cluster.gateway.dry_run_pod(dark.neighbour, probe_pods(dark.spec).bad)

    assert not [text for text in answer.warnings if dark.spec.name in text]


def test_deployment_is_refused_where_the_twin_denies_and_admitted_next_door(dark: Dark) -> None:
    manifest = wrapped(WorkloadKind.DEPLOYMENT, GOOD, name="new")

    with pytest.raises(EngineDown):
        dark.cluster.apply(manifest, dark.home)
    dark.cluster.apply(manifest, dark.neighbour)


def test_label_is_refused_by_the_engine_that_would_have_to_compare(dark: Dark) -> None:
    # A ValidatingPolicy's condition stands in its webhook: the API server sees by itself that nothing changed.
    manifest = wrapped(WorkloadKind.DEPLOYMENT, GOOD, name="there")
    labels = {"metadata": {"labels": {"edited": "yes"}}}

    error = refused(lambda: dark.cluster.patch(manifest, dark.home, labels))

    assert isinstance(error, EngineDown) if dark.is_cluster_policy else error is None


def test_deletion_goes_on(dark: Dark) -> None:
    dark.cluster.delete(wrapped(WorkloadKind.DEPLOYMENT, GOOD, name="there"), dark.home)


@pytest.mark.parametrize("dry_run", [True, False])
def test_create_of_a_policy_is_refused(dark: Dark, dry_run: bool) -> None:
    (compiled,) = compile_objects(replace(dark.spec, name=own_name("late")), ())
    resource = resource_of(compiled.manifest)
    change = Write(Verb.CREATE, resource, compiled.name, compiled.manifest)

    with pytest.raises(EngineDown) as caught:
        dark.cluster.gateway.write(change, dry_run=dry_run)

    verb = "mutate" if dark.is_cluster_policy else "validate"
    assert caught.value.webhook == f"{verb}-policy.kyverno.svc"


@pytest.mark.parametrize("dry_run", [True, False])
def test_replace_of_a_policy_is_refused(dark: Dark, dry_run: bool) -> None:
    with pytest.raises(EngineDown):
        dark.cluster.gateway.write(dark.guarded(Verb.REPLACE), dry_run=dry_run)


def test_twin_can_be_deleted_yet_acts_until_the_engine_is_back(dark: Dark) -> None:
    assert dark.cluster.gateway.write(dark.guarded(Verb.DELETE), dry_run=False).manifest == {}
    assert dark.ask(dark.home) is EngineDown

    dark.cluster.start_engine()

    eventually(lambda: dark.ask(dark.home), lambda found: found is None, in_a_row=3)


def test_native_policy_is_written_and_denies_without_the_engine(cluster: Cluster) -> None:
    spec = VariantSpec(
        name=own_name("vap"),
        target=Target.NATIVE,
        api_version=API_VERSIONS[Target.NATIVE][0],
        parameters=Parameters(controls=SECCOMP_CONTROLS),
    )
    place = Dark(cluster, spec, cluster.make_namespace("dark"), cluster.make_namespace("lit"))
    cluster.stop_engine()
    try:
        cluster.create(place.compiled)

        eventually(
            lambda: place.ask(place.home), lambda found: found is RejectedByAdmission, in_a_row=3
        )
        assert place.ask(place.neighbour) is None
        change = place.guarded(Verb.DELETE)
        assert cluster.gateway.write(change, dry_run=False).manifest == {}
        eventually(lambda: place.ask(place.home), lambda found: found is None, in_a_row=3)
    finally:
        cluster.start_engine()
        cluster.remove(each for each in place.compiled if each.role is not ObjectRole.TWIN)
