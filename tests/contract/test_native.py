"""What both API servers do with policies of their own: bindings, actions, and their place before every webhook."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from policies.cluster.errors import RejectedByAdmission
from policies.cluster.gateway import NATIVE_BINDINGS, NATIVE_POLICIES, Manifest
from policies.domain.controls import SECCOMP_CONTROLS
from policies.domain.library import (
    CompiledObject,
    ObjectRole,
    Target,
    VariantSpec,
    compile_objects,
)
from policies.domain.objects import WorkloadKind
from policies.domain.parameters import Parameters
from tests.contract.clusters import Cluster, refused
from tests.contract.conftest import seccomp
from tests.contract.planes import eventually
from tests.contract.words import denial, warnings
from tests.unit.domain.seccomp_cases import container, pod, wrapped

BAD = wrapped(WorkloadKind.POD, pod(container("c")), name="bad")
OUTSIDE = "kube-node-lease"
"""Kyverno has nothing to say there."""


@dataclass(frozen=True)
class Place:
    cluster: Cluster
    spec: VariantSpec
    home: str

    def of(self, role: ObjectRole) -> CompiledObject:
        objects = compile_objects(self.spec, [self.home, OUTSIDE])
        return next(compiled for compiled in objects if compiled.role is role)

    def create(self, *roles: ObjectRole) -> None:
        self.cluster.create(map(self.of, roles))

    def hears(self, namespace: str = "") -> tuple[str, ...] | str:
        """The warnings of this variant, or its denial."""
        # Asked once: between two questions the policy may come into force.
        try:
            said = self.cluster.try_out(BAD, namespace or self.home).warnings
        except RejectedByAdmission as error:
            if error.webhook != self.spec.name:
                raise
            return error.raw
        return tuple(text for text in said if self.spec.name in text)

    def settles(self, expected: tuple[str, ...] | str, namespace: str = "") -> None:
        eventually(lambda: self.hears(namespace), lambda heard: heard == expected, in_a_row=5)

    @property
    def warned(self) -> tuple[str, ...]:
        return warnings(self.spec, BAD)

    @property
    def denied(self) -> str:
        return denial(self.spec, BAD, self.home).raw


@pytest.fixture
def place(cluster: Cluster) -> Iterator[Place]:
    made = Place(cluster, seccomp(Target.NATIVE), cluster.make_namespace("vap"))
    yield made
    for role in (ObjectRole.TWIN, ObjectRole.BINDING, ObjectRole.AUDIT):
        cluster.discard(made.of(role))


def test_policy_without_a_binding_says_nothing_and_the_audit_binding_makes_it_warn(
    place: Place,
) -> None:
    place.create(ObjectRole.AUDIT)
    place.settles(())

    place.create(ObjectRole.BINDING)

    place.settles(place.warned)


def test_binding_waits_for_its_policy_and_outlives_it(place: Place) -> None:
    place.create(ObjectRole.TWIN)
    place.settles(())

    place.create(ObjectRole.AUDIT)
    place.settles(place.denied)
    place.cluster.discard(place.of(ObjectRole.AUDIT))

    place.settles(())
    listed = {item["metadata"]["name"] for item in place.cluster.items(NATIVE_BINDINGS)}
    assert place.of(ObjectRole.TWIN).name in listed


def test_twin_denies_in_namespaces_that_kyverno_leaves_out(place: Place) -> None:
    place.create(ObjectRole.AUDIT, ObjectRole.BINDING, ObjectRole.TWIN)

    place.settles(place.denied, OUTSIDE)
    place.settles(place.warned, "default")


@pytest.mark.parametrize(
    ("actions", "is_heard"), [(["Audit"], False), (["Warn"], True), (["Deny", "Audit"], True)]
)
def test_actions_of_a_binding_are_taken_at_their_word(
    place: Place, actions: list[str], is_heard: bool
) -> None:
    place.create(ObjectRole.AUDIT, ObjectRole.TWIN)
    place.settles(place.denied)

    change = {"spec": {"validationActions": actions}}
    place.cluster.patch(place.of(ObjectRole.TWIN).manifest, "", change)

    if "Deny" in actions:
        place.settles(place.denied)
        return
    lead = f"Validation failed for ValidatingAdmissionPolicy '{place.spec.name}' with binding"
    binding = place.of(ObjectRole.TWIN).name
    said = tuple(text.replace(f"{place.spec.name}-audit", binding) for text in place.warned)
    place.settles(said if is_heard else ())
    assert all(text.startswith(f"{lead} '{binding}'") for text in said)


def test_native_denial_comes_before_that_of_a_webhook_and_its_warnings_too(place: Place) -> None:
    kyverno = seccomp(Target.CLUSTER_POLICY)
    theirs = compile_objects(kyverno, [place.home])
    place.cluster.create(theirs)
    place.create(ObjectRole.AUDIT, ObjectRole.BINDING)
    try:

        def refused_by() -> str:
            error = refused(lambda: place.cluster.try_out(BAD, place.home))
            return error.webhook if isinstance(error, RejectedByAdmission) else ""

        eventually(refused_by, lambda webhook: webhook.endswith(f"{kyverno.name}-enforce"))
        place.create(ObjectRole.TWIN)
        eventually(refused_by, lambda webhook: webhook == place.spec.name, in_a_row=5)

        def warned() -> tuple[str, ...]:
            said = place.cluster.try_out(BAD, "default").warnings
            return tuple(t for t in said if place.spec.name in t or kyverno.name in t)

        expected = (*place.warned, *warnings(kyverno, BAD))
        assert eventually(warned, lambda said: len(said) == len(expected)) == expected
    finally:
        place.cluster.remove(theirs)


def test_denial_of_a_generated_name_has_the_name_that_it_would_have(place: Place) -> None:
    place.create(ObjectRole.AUDIT, ObjectRole.TWIN)
    place.settles(place.denied)
    unnamed = {**BAD, "metadata": {"generateName": "web-7d9f-"}}

    error = refused(lambda: place.cluster.gateway.dry_run_pod(place.home, unnamed))

    assert isinstance(error, RejectedByAdmission)
    assert error.raw.startswith('pods "web-7d9f-')


def test_lists_of_native_kinds_leave_out_what_the_list_says(place: Place) -> None:
    place.create(ObjectRole.AUDIT, ObjectRole.TWIN)

    for resource in (NATIVE_POLICIES, NATIVE_BINDINGS):
        listed = [
            i for i in place.cluster.items(resource) if place.spec.name in i["metadata"]["name"]
        ]
        assert len(listed) == 1
        assert not {"kind", "apiVersion"} & listed[0].keys()


@pytest.mark.parametrize("role", [ObjectRole.AUDIT, ObjectRole.BINDING, ObjectRole.TWIN])
@pytest.mark.parametrize("dry_run", [True, False])
def test_objects_are_answered_and_stored_with_the_servers_defaults(
    place: Place, role: ObjectRole, dry_run: bool
) -> None:
    spec = replace(
        place.spec, parameters=Parameters(controls=SECCOMP_CONTROLS, excluded_namespaces=("a",))
    )
    compiled = Place(place.cluster, spec, place.home).of(role)
    bare = without_defaults(compiled.manifest)

    ask = place.cluster.try_out if dry_run else place.cluster.apply
    answer = ask(bare)

    assert answer.manifest["spec"] == compiled.manifest["spec"]
    assert answer.manifest["metadata"]["generation"] == 1
    expected = {} if role is ObjectRole.AUDIT else None
    assert answer.manifest.get("status") == expected


def without_defaults(manifest: Manifest) -> Manifest:
    bare = copy.deepcopy(manifest)
    spec = bare["spec"]
    spec.pop("failurePolicy", None)
    for name in ("matchConstraints", "matchResources"):
        if name in spec:
            spec[name] = {k: v for k, v in spec[name].items() if v not in ({}, "Equivalent")}
    for rule in (spec.get("matchConstraints") or {}).get("resourceRules", ()):
        del rule["scope"]
    return bare
