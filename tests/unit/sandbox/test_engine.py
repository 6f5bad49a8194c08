"""Kyverno's settings in the sandbox: what its ConfigMap leaves out, and the webhooks that it keeps up."""

import json
from typing import Any

import pytest

from policies.cluster.errors import NotFound, RejectedByAdmission
from policies.cluster.gateway import VALIDATING_WEBHOOKS, Manifest
from policies.domain.library import Target
from sandbox.engine import CONFIGURATION, config_map
from sandbox.faults import Fault
from sandbox.kinds import resource_of
from tests.unit.sandbox.conftest import Place, policies

BAD: Manifest = {
    "metadata": {"name": "bad"},
    "spec": {"containers": [{"name": "c", "image": "registry.invalid/c:1"}]},
}
KYVERNO = (Target.CLUSTER_POLICY, Target.VALIDATING_POLICY)


def configure(place: Place, **stated: Any) -> None:
    if "kyverno" not in place.sandbox.namespaces():
        place.sandbox.make_namespace("kyverno")
    place.sandbox.apply_manifest(config_map(**stated), forced=True)


def is_refused(place: Place, namespace: str) -> bool:
    try:
        place.gateway.dry_run_pod(namespace, BAD)
    except RejectedByAdmission:
        return True
    return False


def webhooks(place: Place) -> list[Manifest]:
    listed = [json.loads(i) for p in place.gateway.pages(VALIDATING_WEBHOOKS) for i in p.items]
    return [each for item in listed for each in item["webhooks"]]


@pytest.mark.parametrize("target", KYVERNO)
@pytest.mark.parametrize(
    "stated", [{"filters": "[Pod,team-b,*]"}, {"filters": "[*/*,*-b,*]"}, {"left_out": ["team-b"]}]
)
def test_namespace_that_is_left_out_is_not_judged_until_it_is_let_in(
    place: Place, target: Target, stated: dict[str, Any]
) -> None:
    place.install(target, "team-a", "team-b")
    assert is_refused(place, "team-b")

    configure(place, **stated)

    assert is_refused(place, "team-a")
    assert not is_refused(place, "team-b")
    assert place.gateway.dry_run_pod("team-b", BAD).warnings == ()
    configure(place)
    assert is_refused(place, "team-b")


def test_native_policy_passes_the_config_map_by(place: Place) -> None:
    for manifest in policies(Target.NATIVE, "team-b"):
        place.sandbox.create(manifest)
    configure(place, filters="[*/*,team-b,*]")

    assert is_refused(place, "team-b")


@pytest.mark.parametrize("target", KYVERNO)
def test_webhooks_follow_policies_and_config_map(place: Place, target: Target) -> None:
    assert webhooks(place) == []
    place.install(target, "team-a")
    configure(place, left_out=["team-b"])

    found = webhooks(place)

    assert {each["failurePolicy"] for each in found} == {"Fail", "Ignore"}
    assert all("-finegrained-" in each["name"] for each in found)
    for each in found:
        terms = each["namespaceSelector"]["matchExpressions"]
        assert [term["values"] for term in terms] == [["kube-system"], ["kyverno"], ["team-b"]]
    assert any("pods" in rule["resources"] for each in found for rule in each["rules"])
    first = place.gateway.get(VALIDATING_WEBHOOKS, CONFIGURATION)["metadata"]
    assert place.gateway.get(VALIDATING_WEBHOOKS, CONFIGURATION)["metadata"] == first

    configure(place)
    later = place.gateway.get(VALIDATING_WEBHOOKS, CONFIGURATION)["metadata"]
    assert later["uid"] == first["uid"]
    assert later["resourceVersion"] != first["resourceVersion"]


def test_webhooks_go_with_the_last_policy(place: Place) -> None:
    place.install(Target.CLUSTER_POLICY)
    assert webhooks(place)

    for manifest in policies():
        place.sandbox.delete(resource_of(manifest), manifest["metadata"]["name"])

    with pytest.raises(NotFound):
        place.gateway.get(VALIDATING_WEBHOOKS, CONFIGURATION)


def test_engine_that_is_down_leaves_its_webhooks_as_they_are(place: Place) -> None:
    place.install(Target.CLUSTER_POLICY)
    before = webhooks(place)
    place.sandbox.set_fault(Fault.ENGINE_DOWN)

    configure(place, left_out=["team-b"])

    assert webhooks(place) == before
