"""The gateway against a stub over real TLS: what is asked, what is made of the answers."""

import json
from dataclasses import replace

import pytest

from policies.cluster import errors, transport
from policies.cluster.gateway import (
    CLUSTER_POLICIES,
    DEPLOYMENTS,
    EVENTS,
    KYVERNO_EXCEPTIONS,
    NAMESPACES,
    PODS,
    VALIDATING_POLICIES,
    Verb,
    Write,
)
from policies.cluster.kubernetes import KubernetesGateway
from tests.unit.cluster.conftest import OpenGateway
from tests.unit.cluster.stub import Canned, Stub

POLICY = {"apiVersion": "kyverno.io/v1", "kind": "ClusterPolicy", "metadata": {"name": "p"}}


def page(*names: str, following: str = "") -> Canned:
    items = [{"metadata": {"name": name}} for name in names]
    return Canned.of({"metadata": {"resourceVersion": "7", "continue": following}, "items": items})


def test_version_is_asked_with_the_token_and_gzip(gateway: KubernetesGateway, stub: Stub) -> None:
    stub.answers = [Canned.of({"gitVersion": "v1.36.3"})]

    assert gateway.version().minor == (1, 36)
    (asked,) = stub.asked
    assert (asked.method, asked.path) == ("GET", "/version")
    assert asked.headers["authorization"] == "Bearer tests-token"
    assert asked.headers["accept-encoding"] == "gzip"
    assert asked.headers["user-agent"] == "secprof"


def test_server_with_a_path_keeps_it(stub: Stub, open_gateway: OpenGateway) -> None:
    stub.answers = [Canned.of({"gitVersion": "v1.30.0"})]

    open_gateway(stub.connection(server=f"https://127.0.0.1:{stub.port}/k8s/c-1")).version()

    assert stub.asked[0].path == "/k8s/c-1/version"


def test_pages_follow_the_continue_token(gateway: KubernetesGateway, stub: Stub) -> None:
    stub.answers = [page("a", "b", following="t&k="), page("c")]

    found = list(gateway.pages(PODS, limit=2))

    assert [json.loads(item)["metadata"]["name"] for each in found for item in each.items] == [
        *"abc"
    ]
    assert [each.last for each in found] == [False, True]
    assert found[0].resource_version == "7"
    assert [asked.path for asked in stub.asked] == [
        "/api/v1/pods?limit=2",
        "/api/v1/pods?limit=2&continue=t%26k%3D",
    ]


def test_pages_of_one_namespace_are_asked_for_there(gateway: KubernetesGateway, stub: Stub) -> None:
    stub.answers = [page()]

    assert [each.items for each in gateway.pages(DEPLOYMENTS, namespace="team-a")] == [()]
    assert stub.asked[0].path == "/apis/apps/v1/namespaces/team-a/deployments?limit=500"


def test_pages_carry_a_field_selector_on_every_page(gateway: KubernetesGateway, stub: Stub) -> None:
    stub.answers = [page("a", following="t"), page("b")]

    list(gateway.pages(EVENTS, fields="reason=FailedCreate,involvedObject.kind=Job"))

    selected = "fieldSelector=reason%3DFailedCreate%2CinvolvedObject.kind%3DJob"
    assert [asked.path for asked in stub.asked] == [
        f"/api/v1/events?limit=500&{selected}",
        f"/api/v1/events?limit=500&{selected}&continue=t",
    ]


def test_pages_keep_a_malformed_item_apart(gateway: KubernetesGateway, stub: Stub) -> None:
    stub.answers = [Canned(body=b'{"metadata":{},"items":[{"metadata":3}, "x" ,null]}')]

    (only,) = gateway.pages(PODS)

    assert only.items == (b'{"metadata":3}', b'"x"', b"null")


def test_pages_null_items_are_none(gateway: KubernetesGateway, stub: Stub) -> None:
    stub.answers = [Canned.of({"metadata": {"resourceVersion": "1"}, "items": None})]

    (only,) = gateway.pages(NAMESPACES)

    assert (only.items, only.last) == ((), True)


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[]", b"null", b"<html>", b'{"metadata":{},"items":{}}', b'{"items":[]}']
)
def test_pages_of_rubbish_are_malformed_and_never_empty(
    body: bytes, gateway: KubernetesGateway, stub: Stub
) -> None:
    stub.answers = [Canned(body=body)]

    with pytest.raises(errors.Malformed, match="not the JSON"):
        list(gateway.pages(PODS))


def test_pages_that_do_not_get_further_end(gateway: KubernetesGateway, stub: Stub) -> None:
    stub.answers = [page("a", following="same")]

    with pytest.raises(errors.Malformed, match="does not get further"):
        list(gateway.pages(PODS))


def test_pages_expired_midway_is_gone(gateway: KubernetesGateway, stub: Stub) -> None:
    stub.answers = [page("a", following="t"), Canned.of({"message": "too old"}, status=410)]
    pages = gateway.pages(PODS)

    assert not next(pages).last
    with pytest.raises(errors.Gone, match="too old"):
        next(pages)


def test_get_reads_one_object(gateway: KubernetesGateway, stub: Stub) -> None:
    stub.answers = [Canned.of(POLICY)]

    assert gateway.get(CLUSTER_POLICIES, "p") == POLICY
    assert stub.asked[0].path == "/apis/kyverno.io/v1/clusterpolicies/p"


def test_get_name_cannot_leave_its_place_in_the_path(
    gateway: KubernetesGateway, stub: Stub
) -> None:
    stub.answers = [Canned.of(POLICY)]

    gateway.get(PODS, "a/../b?x=1", namespace="n/s")

    assert stub.asked[0].path == "/api/v1/namespaces/n%2Fs/pods/a%2F..%2Fb%3Fx%3D1"
    for name in ("", ".", ".."):
        with pytest.raises(errors.Invalid, match="not the name"):
            gateway.get(PODS, name, namespace="team-a")
        with pytest.raises(errors.Invalid):
            gateway.get(PODS, "a", namespace=name or "..")


def test_serves_asks_discovery_once_for_each_group_version(
    gateway: KubernetesGateway, stub: Stub
) -> None:
    stub.answers = [Canned.of({"resources": [{"name": "clusterpolicies"}, {"name": "other"}]})]

    assert gateway.serves(CLUSTER_POLICIES)
    assert gateway.serves(CLUSTER_POLICIES)
    assert [asked.path for asked in stub.asked] == ["/apis/kyverno.io/v1"]


def test_serves_an_unknown_group_not(gateway: KubernetesGateway, stub: Stub) -> None:
    stub.answers = [Canned(404, b"404 page not found\n")]

    assert not gateway.serves(VALIDATING_POLICIES)


def test_serves_does_not_take_a_failure_for_no(gateway: KubernetesGateway, stub: Stub) -> None:
    stub.answers = [Canned(503)]

    with pytest.raises(errors.ServerFailed):
        gateway.serves(VALIDATING_POLICIES)


def test_dry_run_pod_stores_nothing_and_returns_the_warnings(
    gateway: KubernetesGateway, stub: Stub
) -> None:
    headers = (("Warning", '299 - "Policy p failed: a, b"'), ("Warning", '299 - "second"'))
    stub.answers = [Canned.of({"kind": "Pod"}, status=201, headers=headers)]

    answer = gateway.dry_run_pod("team-a", {"metadata": {"name": "x"}, "spec": None})

    assert answer.warnings == ("Policy p failed: a, b", "second")
    assert answer.manifest == {"kind": "Pod"}
    (asked,) = stub.asked
    assert asked.method == "POST"
    assert asked.path == "/api/v1/namespaces/team-a/pods?dryRun=All&fieldManager=secprof"
    assert asked.json == {"metadata": {"name": "x"}, "spec": None}


def test_dry_run_pod_that_exists_already_tells_what_was_warned_of(
    gateway: KubernetesGateway, stub: Stub
) -> None:
    headers = (("Warning", '299 - "Policy p failed: a"'),)
    stub.answers = [Canned.of({"kind": "Status", "message": "exists"}, status=409, headers=headers)]

    with pytest.raises(errors.Conflict) as refusal:
        gateway.dry_run_pod("team-a", {"metadata": {"name": "x"}})

    assert refusal.value.warnings == ("Policy p failed: a",)


def test_dry_run_pod_without_namespace_is_not_sent(gateway: KubernetesGateway, stub: Stub) -> None:
    with pytest.raises(errors.Invalid):
        gateway.dry_run_pod("", {})
    assert stub.asked == []


@pytest.mark.parametrize("tail", ["", "&dryRun=All"])
def test_write_create_is_strict(tail: str, gateway: KubernetesGateway, stub: Stub) -> None:
    stub.answers = [Canned.of(POLICY, status=201)]
    change = Write(Verb.CREATE, CLUSTER_POLICIES, "p", POLICY)

    assert gateway.write(change, dry_run=bool(tail)).manifest == POLICY

    (asked,) = stub.asked
    expected = (
        f"/apis/kyverno.io/v1/clusterpolicies?fieldManager=secprof&fieldValidation=Strict{tail}"
    )
    assert (asked.method, asked.path, asked.json) == ("POST", expected, POLICY)


def test_write_replace_carries_what_was_read(gateway: KubernetesGateway, stub: Stub) -> None:
    stub.answers = [Canned.of(POLICY)]
    change = Write(Verb.REPLACE, CLUSTER_POLICIES, "p", POLICY, uid="u", resource_version="9")

    gateway.write(change, dry_run=True)

    (asked,) = stub.asked
    assert asked.method == "PUT"
    assert asked.path.startswith("/apis/kyverno.io/v1/clusterpolicies/p?")
    assert "dryRun=All" in asked.path
    assert asked.json["metadata"] == {"name": "p", "uid": "u", "resourceVersion": "9"}
    assert POLICY["metadata"] == {"name": "p"}


def test_write_of_a_namespaced_object_goes_there(gateway: KubernetesGateway, stub: Stub) -> None:
    stub.answers = [Canned.of(POLICY, status=201), Canned.of(POLICY), Canned.of({})]
    change = Write(Verb.CREATE, KYVERNO_EXCEPTIONS, "p", POLICY, namespace="kyverno")
    read = {"uid": "u", "resource_version": "9"}

    gateway.write(change, dry_run=False)
    gateway.write(replace(change, verb=Verb.REPLACE, **read), dry_run=False)
    gateway.write(replace(change, verb=Verb.DELETE, manifest=None, **read), dry_run=False)

    path = "/apis/kyverno.io/v2/namespaces/kyverno/policyexceptions"
    paths = [asked.path.partition("?")[0] for asked in stub.asked]
    assert paths == [path, f"{path}/p", f"{path}/p"]


@pytest.mark.parametrize("dry_run", [None, ["All"]])
def test_write_delete_has_preconditions_in_its_body(
    dry_run: list[str] | None, gateway: KubernetesGateway, stub: Stub
) -> None:
    stub.answers = [Canned.of({"kind": "Status", "status": "Success"})]
    change = Write(Verb.DELETE, CLUSTER_POLICIES, "p", uid="u", resource_version="9")

    assert gateway.write(change, dry_run=dry_run is not None).manifest == {}

    (asked,) = stub.asked
    assert (asked.method, asked.path) == ("DELETE", "/apis/kyverno.io/v1/clusterpolicies/p")
    assert asked.json["preconditions"] == {"uid": "u", "resourceVersion": "9"}
    assert asked.json.get("dryRun") == dry_run


def test_traffic_counts_requests_and_compressed_bytes(
    gateway: KubernetesGateway, stub: Stub
) -> None:
    plain = page(*(f"pod-{number}" for number in range(500)))
    stub.answers = [plain.zipped(), Canned(404)]

    (only,) = gateway.pages(PODS)
    with pytest.raises(errors.NotFound):
        gateway.get(PODS, "none", namespace="team-a")

    assert len(only.items) == 500
    moved = gateway.traffic()
    assert moved.request_count == 2
    assert moved.received_bytes == len(plain.zipped().body)
    assert moved.received_bytes < len(plain.body) / 5


def test_read_throttled_waits_as_told_and_tries_again(
    gateway: KubernetesGateway, stub: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(gateway._transport, "_pause", waits.append)
    slow_down = Canned(429, headers=(("Retry-After", "3"),))
    stub.answers = [slow_down, slow_down, Canned.of({"gitVersion": "v1.36.3"})]

    assert gateway.version().git_version == "v1.36.3"
    assert waits == [3.0, 3.0]


def test_read_throttled_again_and_again_gives_up(
    gateway: KubernetesGateway, stub: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway._transport, "_pause", lambda _: None)
    stub.answers = [Canned(429, headers=(("Retry-After", "1"),))]

    with pytest.raises(errors.Throttled) as caught:
        gateway.version()

    assert caught.value.retry_after_seconds == 1
    assert len(stub.asked) == 3


@pytest.mark.parametrize("headers", [(), (("Retry-After", "60"),)])
def test_read_throttled_for_long_is_not_waited_for(
    headers: tuple[tuple[str, str], ...], gateway: KubernetesGateway, stub: Stub
) -> None:
    stub.answers = [Canned(429, headers=headers)]

    with pytest.raises(errors.Throttled):
        gateway.version()

    assert len(stub.asked) == 1


def test_write_throttled_is_sent_once(gateway: KubernetesGateway, stub: Stub) -> None:
    stub.answers = [Canned(429, headers=(("Retry-After", "0"),))]

    with pytest.raises(errors.Throttled):
        gateway.write(Write(Verb.CREATE, CLUSTER_POLICIES, "p", POLICY), dry_run=False)
    with pytest.raises(errors.Throttled):
        gateway.dry_run_pod("team-a", {"metadata": {"name": "x"}})

    assert len(stub.asked) == 2


def test_answer_beyond_the_limit_is_malformed(
    gateway: KubernetesGateway, stub: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "MAX_BODY_BYTES", 2**20)
    stub.answers = [Canned(body=b" " * (20 * 2**20)).zipped()]

    with pytest.raises(errors.Malformed, match="larger than"):
        gateway.version()

    assert gateway.traffic().received_bytes < 2**20


@pytest.mark.parametrize("allowed", [True, False])
def test_may_asks_by_a_review_that_stores_nothing(
    allowed: bool, gateway: KubernetesGateway, stub: Stub
) -> None:
    stub.answers = [Canned.of({"status": {"allowed": allowed}}, status=201)]

    assert gateway.may("create", CLUSTER_POLICIES) is allowed

    asked = stub.asked[0]
    assert (asked.method, asked.path) == (
        "POST",
        "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
    )
    assert asked.json["kind"] == "SelfSubjectAccessReview"
    assert asked.json["spec"] == {
        "resourceAttributes": {
            "group": "kyverno.io",
            "resource": "clusterpolicies",
            "verb": "create",
        }
    }


def test_may_without_an_answer_is_malformed_and_never_yes(
    gateway: KubernetesGateway, stub: Stub
) -> None:
    stub.answers = [Canned.of({"status": {}}, status=201)]

    with pytest.raises(errors.Malformed):
        gateway.may("create", CLUSTER_POLICIES)
