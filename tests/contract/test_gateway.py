"""What both gateways promise: lists by pages, objects by name, writes guarded against what moved."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from policies.cluster.errors import ClusterError, Conflict, Invalid, NotFound
from policies.cluster.gateway import (
    CLUSTER_POLICIES,
    EVENTS,
    NATIVE_BINDINGS,
    NATIVE_POLICIES,
    POD_TEMPLATES,
    PODS,
    POLICY_REPORTS,
    VALIDATING_POLICIES,
    WORKLOADS,
    Answer,
    Manifest,
    Page,
    Resource,
    Verb,
    Write,
)
from policies.domain.library import (
    CompiledObject,
    ObjectRole,
    Target,
    VariantSpec,
    compile_objects,
    probe_pods,
)
from policies.domain.objects import WorkloadKind
from policies.domain.observed import policy_digest
from sandbox.kinds import resource_of
from tests.contract.clusters import Cluster, own_name
from tests.contract.conftest import seccomp
from tests.contract.planes import eventually
from tests.unit.domain.seccomp_cases import RD, container, pod, wrapped

UNKNOWN = Resource("example.org", "v1", "nothings", "Nothing")
GOOD = pod(container("c"), profile=RD)


@pytest.fixture(scope="module")
def five(cluster: Cluster) -> str:
    """A namespace with five pod templates, a kind that no controller makes more of."""
    namespace = cluster.make_namespace("five")
    for number in (3, 1, 5, 2, 4):
        cluster.apply(wrapped(WorkloadKind.POD_TEMPLATE, GOOD, name=f"t{number}"), namespace)
    return namespace


def test_version_is_that_of_a_supported_server(cluster: Cluster) -> None:
    version = cluster.gateway.version()

    assert version.git_version == "v1.36.3"
    assert version.minor == (1, 36)


@pytest.mark.parametrize(
    "resource",
    [
        *WORKLOADS,
        CLUSTER_POLICIES,
        VALIDATING_POLICIES,
        NATIVE_POLICIES,
        NATIVE_BINDINGS,
        POLICY_REPORTS,
    ],
    ids=lambda r: r.plural,
)
def test_serves_what_secprof_reads(cluster: Cluster, resource: Resource) -> None:
    assert cluster.gateway.serves(resource)


@pytest.mark.parametrize(
    "resource",
    [
        UNKNOWN,
        replace(PODS, version="v2"),
        replace(VALIDATING_POLICIES, version="v2"),
        replace(VALIDATING_POLICIES, plural="nothings"),
        replace(NATIVE_POLICIES, version="v1beta1"),
        replace(NATIVE_POLICIES, plural="nothings"),
    ],
)
def test_serves_not_what_the_server_does_not_know(cluster: Cluster, resource: Resource) -> None:
    assert not cluster.gateway.serves(resource)


@pytest.mark.parametrize("version", ["v1", "v1beta1", "v1alpha1"])
def test_serves_each_version_of_the_new_policies(cluster: Cluster, version: str) -> None:
    assert cluster.gateway.serves(replace(VALIDATING_POLICIES, version=version))


def read(cluster: Cluster, namespace: str, limit: int) -> tuple[Page, ...]:
    return tuple(cluster.gateway.pages(POD_TEMPLATES, namespace=namespace, limit=limit))


def names(page: Page) -> tuple[str, ...]:
    return tuple(json.loads(item)["metadata"]["name"] for item in page.items)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [("metadata.name=t3", ("t3",)), ("metadata.name=t3,metadata.namespace=elsewhere", ())],
)
def test_pages_by_fields_are_those_that_fit(
    cluster: Cluster, five: str, fields: str, expected: tuple[str, ...]
) -> None:
    (page,) = cluster.gateway.pages(POD_TEMPLATES, namespace=five, fields=fields)

    assert names(page) == expected


@pytest.mark.parametrize(
    ("resource", "message"),
    [
        (POD_TEMPLATES, '"spec.color" is not a known field selector'),
        (EVENTS, "field label not supported: spec.color"),
    ],
    ids=["podtemplates", "events"],
)
def test_pages_by_a_field_that_a_kind_has_not_are_invalid(
    cluster: Cluster, resource: Resource, message: str
) -> None:
    with pytest.raises(Invalid, match=message):
        next(cluster.gateway.pages(resource, fields="spec.color=red"))


def test_pages_with_a_limit_come_in_order_and_the_last_says_so(cluster: Cluster, five: str) -> None:
    pages = read(cluster, five, limit=2)

    assert tuple(map(names, pages)) == (("t1", "t2"), ("t3", "t4"), ("t5",))
    assert tuple(page.last for page in pages) == (False, False, True)
    assert len({page.resource_version for page in pages}) == 1


def test_pages_whose_limit_fits_exactly_end_without_an_empty_page(
    cluster: Cluster, five: str
) -> None:
    (page,) = read(cluster, five, limit=5)

    assert (len(page.items), page.last) == (5, True)


def test_pages_of_an_empty_namespace_are_one_empty_last_page(cluster: Cluster) -> None:
    (page,) = read(cluster, cluster.make_namespace("empty"), limit=2)

    assert (page.items, page.last) == ((), True)


def test_pages_of_a_namespace_that_is_none_are_one_empty_last_page(cluster: Cluster) -> None:
    (page,) = read(cluster, "ct-there-is-no-such-namespace", limit=2)

    assert (page.items, page.last) == ((), True)


def test_pages_of_all_namespaces_hold_those_of_each(cluster: Cluster, five: str) -> None:
    found = [
        (item["metadata"]["namespace"], item["metadata"]["name"])
        for item in cluster.items(POD_TEMPLATES)
    ]

    assert [name for namespace, name in found if namespace == five] == [
        "t1",
        "t2",
        "t3",
        "t4",
        "t5",
    ]
    assert found == sorted(found)


def test_pages_of_a_built_in_kind_do_not_repeat_it_in_each_item(
    cluster: Cluster, five: str
) -> None:
    (item, *_) = read(cluster, five, limit=500)[0].items

    assert not {"kind", "apiVersion"} & json.loads(item).keys()


@pytest.mark.parametrize(
    ("resource", "said"),
    [
        (UNKNOWN, ""),
        (replace(VALIDATING_POLICIES, plural="nothings"), ""),
        (replace(PODS, plural="nothings"), ": the server could not find the requested resource"),
        (
            replace(NATIVE_POLICIES, plural="nothings"),
            ": the server could not find the requested resource",
        ),
    ],
)
def test_pages_of_a_resource_that_is_not_served_raise_not_found(
    cluster: Cluster, resource: Resource, said: str
) -> None:
    with pytest.raises(NotFound) as caught:
        tuple(cluster.gateway.pages(resource))

    assert caught.value.message == f"The API server has no such object or kind{said}."


@pytest.mark.parametrize(
    ("resource", "said"),
    [
        (PODS, 'pods "absent" not found'),
        (CLUSTER_POLICIES, 'clusterpolicies.kyverno.io "absent" not found'),
        (VALIDATING_POLICIES, 'validatingpolicies.policies.kyverno.io "absent" not found'),
        (
            NATIVE_BINDINGS,
            'validatingadmissionpolicybindings.admissionregistration.k8s.io "absent" not found',
        ),
    ],
)
def test_get_absent_object_raises_not_found_with_its_name(
    cluster: Cluster, five: str, resource: Resource, said: str
) -> None:
    with pytest.raises(NotFound) as caught:
        cluster.gateway.get(resource, "absent", namespace=five if resource.namespaced else "")

    assert caught.value.message == f"The API server has no such object or kind: {said}."


def test_get_object_has_kind_and_metadata(cluster: Cluster, five: str) -> None:
    found = cluster.gateway.get(POD_TEMPLATES, "t1", namespace=five)

    assert (found["apiVersion"], found["kind"]) == ("v1", "PodTemplate")
    metadata = found["metadata"]
    assert (metadata["name"], metadata["namespace"]) == ("t1", five)
    assert {"uid", "resourceVersion", "creationTimestamp"} <= metadata.keys()


def test_traffic_grows_with_each_request(cluster: Cluster, five: str) -> None:
    before = cluster.gateway.traffic()
    read(cluster, five, limit=2)
    after = cluster.gateway.traffic()

    assert after.request_count - before.request_count == 3
    assert after.received_bytes > before.received_bytes


def test_dry_run_pod_is_answered_and_not_stored(
    cluster: Cluster, five: str, spec: VariantSpec
) -> None:
    answer = cluster.gateway.dry_run_pod(five, probe_pods(spec).good)

    assert answer.manifest["metadata"]["namespace"] == five
    assert answer.manifest["metadata"]["uid"]
    assert answer.manifest["spec"]["schedulerName"] == "default-scheduler"
    assert not cluster.items(PODS, five)


def test_dry_run_pod_with_a_generated_name_gets_one(
    cluster: Cluster, five: str, spec: VariantSpec
) -> None:
    manifest = dict(probe_pods(spec).good, metadata={"generateName": "probe-"})

    answer = cluster.gateway.dry_run_pod(five, manifest)

    assert answer.manifest["metadata"]["name"].startswith("probe-")


def test_dry_run_pod_in_a_namespace_that_is_none_raises_not_found(
    cluster: Cluster, spec: VariantSpec
) -> None:
    with pytest.raises(NotFound, match='namespaces "ct-no-such" not found'):
        cluster.gateway.dry_run_pod("ct-no-such", probe_pods(spec).good)


@pytest.mark.parametrize(
    ("profile", "said"),
    [
        ({"type": "Strict"}, 'Unsupported value: "Strict"'),
        ({}, "type is required when seccompProfile is set"),
        ({"type": "Localhost"}, "must be set when seccomp type is Localhost"),
        ({"type": "Localhost", "localhostProfile": "/x.json"}, "must be a relative path"),
        ({"type": "Localhost", "localhostProfile": "../x.json"}, r"must not contain '\.\.'"),
        ({"type": "Unconfined", "localhostProfile": "x.json"}, "can only be set when"),
    ],
)
def test_dry_run_pod_with_an_impossible_profile_is_invalid(
    cluster: Cluster, five: str, profile: Manifest, said: str
) -> None:
    spec = pod(container("c", profile))

    with pytest.raises(Invalid, match=said):
        cluster.gateway.dry_run_pod(five, wrapped(WorkloadKind.POD, spec))


@pytest.mark.parametrize("missing", [{}, {"containers": []}])
def test_dry_run_pod_without_containers_is_invalid(
    cluster: Cluster, five: str, missing: Manifest
) -> None:
    with pytest.raises(Invalid, match="spec.containers: Required value"):
        cluster.gateway.dry_run_pod(five, wrapped(WorkloadKind.POD, missing))


Stored = tuple[CompiledObject, Resource, Manifest]


@pytest.fixture(
    params=[
        (Target.CLUSTER_POLICY, ObjectRole.AUDIT),
        (Target.VALIDATING_POLICY, ObjectRole.AUDIT),
        (Target.NATIVE, ObjectRole.AUDIT),
        (Target.NATIVE, ObjectRole.TWIN),
    ],
    ids=["cpol", "vpol", "vap", "vapb"],
)
def stored(request: pytest.FixtureRequest, cluster: Cluster) -> Iterator[Stored]:
    """An object of a variant that stands, as it was written and as it is read."""
    target, role = request.param
    own = replace(seccomp(target), name=own_name("guard"))
    # It denies nowhere: there is no such namespace.
    objects = compile_objects(own, ["ct-no-such"])
    (compiled,) = (each for each in objects if each.role is role)
    resource = resource_of(compiled.manifest)
    cluster.create([compiled])
    # The status is written by others on their own time; a guard must not depend on it.
    found = eventually(
        lambda: cluster.gateway.get(resource, compiled.name),
        lambda manifest: bool(manifest.get("status")) or resource == NATIVE_BINDINGS,
        in_a_row=2,
    )
    yield compiled, resource, found
    cluster.remove([compiled])


def attempt(cluster: Cluster, change: Write, *, dry_run: bool = False) -> Callable[[], Answer]:
    return lambda: cluster.gateway.write(change, dry_run=dry_run)


def guarded(stored: Stored, verb: Verb, **other: str) -> Write:
    compiled, resource, found = stored
    metadata = found["metadata"]
    guards = {"uid": metadata["uid"], "resource_version": metadata["resourceVersion"], **other}
    manifest = None if verb is Verb.DELETE else relabelled(compiled.manifest)
    return Write(verb, resource, compiled.name, manifest, **guards)


def relabelled(manifest: Manifest) -> Manifest:
    metadata = manifest["metadata"]
    annotations = {**metadata["annotations"], "example.org/edited": "yes"}
    return {**manifest, "metadata": {**metadata, "annotations": annotations}}


def test_create_twice_is_a_conflict(cluster: Cluster, stored: Stored) -> None:
    compiled, resource, _ = stored

    with pytest.raises(Conflict, match="already exists"):
        cluster.gateway.write(
            Write(Verb.CREATE, resource, compiled.name, compiled.manifest), dry_run=False
        )


def test_create_answers_what_is_stored(cluster: Cluster, stored: Stored) -> None:
    compiled, _, found = stored

    assert policy_digest(found) == policy_digest(compiled.manifest)
    assert found["metadata"]["labels"] == compiled.manifest["metadata"]["labels"]
    assert found["metadata"]["generation"] == 1


def test_create_dry_run_stores_nothing(cluster: Cluster, spec: VariantSpec) -> None:
    compiled, *_ = compile_objects(replace(spec, name=own_name("dry")), ())
    resource = resource_of(compiled.manifest)

    answer = cluster.gateway.write(
        Write(Verb.CREATE, resource, compiled.name, compiled.manifest), dry_run=True
    )

    assert policy_digest(answer.manifest) == policy_digest(compiled.manifest)
    with pytest.raises(NotFound):
        cluster.gateway.get(resource, compiled.name)


def test_replace_with_what_was_read_is_stored(cluster: Cluster, stored: Stored) -> None:
    compiled, resource, found = stored

    answer = cluster.gateway.write(guarded(stored, Verb.REPLACE), dry_run=False)

    after = cluster.gateway.get(resource, compiled.name)
    for manifest in (answer.manifest, after):
        assert manifest["metadata"]["annotations"]["example.org/edited"] == "yes"
        assert manifest["metadata"]["uid"] == found["metadata"]["uid"]
        assert manifest["metadata"]["resourceVersion"] != found["metadata"]["resourceVersion"]
    assert after.get("status") == found.get("status")


def test_replace_of_the_spec_counts_a_generation_and_one_of_metadata_does_not(
    cluster: Cluster, stored: Stored
) -> None:
    compiled, resource, _ = stored
    generations = []
    for edited in (
        compiled.manifest,
        relabelled(compiled.manifest),
        respecified(compiled.manifest),
    ):
        metadata = cluster.gateway.get(resource, compiled.name)["metadata"]
        guards = {"uid": metadata["uid"], "resource_version": metadata["resourceVersion"]}
        change = Write(Verb.REPLACE, resource, compiled.name, edited, **guards)
        answer = cluster.gateway.write(change, dry_run=False)
        generations.append(answer.manifest["metadata"]["generation"])

    assert generations == [1, 1, 2]
    if resource == NATIVE_POLICIES:
        eventually(
            lambda: cluster.gateway.get(resource, compiled.name)["status"],
            lambda status: status == {"observedGeneration": 2, "typeChecking": {}},
        )


def respecified(manifest: Manifest) -> Manifest:
    change = {
        "ValidatingAdmissionPolicyBinding": {"validationActions": ["Audit"]},
        "ClusterPolicy": {"emitWarning": False},
    }.get(manifest["kind"], {"failurePolicy": "Fail"})
    if manifest["kind"] == NATIVE_POLICIES.kind:
        change = {"failurePolicy": "Ignore"}
    return {**manifest, "spec": {**manifest["spec"], **change}}


def test_replace_dry_run_stores_nothing(cluster: Cluster, stored: Stored) -> None:
    compiled, resource, found = stored

    answer = cluster.gateway.write(guarded(stored, Verb.REPLACE), dry_run=True)

    assert answer.manifest["metadata"]["annotations"]["example.org/edited"] == "yes"
    assert cluster.gateway.get(resource, compiled.name) == found


@pytest.mark.parametrize("verb", [Verb.REPLACE, Verb.DELETE])
@pytest.mark.parametrize("dry_run", [True, False])
@pytest.mark.parametrize(
    "moved",
    [{"resource_version": "1"}, {"uid": "00000000-0000-0000-0000-000000000000"}],
    ids=["version", "uid"],
)
def test_write_for_another_version_or_object_is_a_conflict_and_changes_nothing(
    cluster: Cluster, stored: Stored, verb: Verb, dry_run: bool, moved: dict[str, str]
) -> None:
    compiled, resource, found = stored

    with pytest.raises(Conflict):
        cluster.gateway.write(guarded(stored, verb, **moved), dry_run=dry_run)

    assert cluster.gateway.get(resource, compiled.name) == found


@pytest.mark.parametrize("verb", [Verb.REPLACE, Verb.DELETE])
def test_write_to_what_is_gone_is_refused(cluster: Cluster, stored: Stored, verb: Verb) -> None:
    change = replace(guarded(stored, verb), name="ct-absent")
    if change.manifest is not None:
        manifest = {**change.manifest, "metadata": {"name": "ct-absent"}}
        change = replace(change, manifest=manifest)

    with pytest.raises(ClusterError) as caught:
        cluster.gateway.write(change, dry_run=False)

    assert type(caught.value) is NotFound


def test_delete_dry_run_deletes_nothing(cluster: Cluster, stored: Stored) -> None:
    compiled, resource, found = stored

    answer = cluster.gateway.write(guarded(stored, Verb.DELETE), dry_run=True)

    assert answer.manifest == {}
    assert cluster.gateway.get(resource, compiled.name) == found


def test_writes_to_an_old_kind_warn_of_its_end(cluster: Cluster, stored: Stored) -> None:
    _, resource, _ = stored

    warned = {
        verb: cluster.gateway.write(guarded(stored, verb), dry_run=True).warnings
        for verb in (Verb.REPLACE, Verb.DELETE)
    }

    if resource == CLUSTER_POLICIES:
        said = "kyverno.io/v1 ClusterPolicy is deprecated and will be removed in a future release;"
        assert all(len(w) == 1 and w[0].startswith(said) for w in warned.values())
    else:
        assert not any(warned.values())
