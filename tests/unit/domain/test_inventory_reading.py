"""Reading nodes and the operator's objects in the shapes of its versions, and odd ones."""

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from policies.domain.controls import Mechanism
from policies.domain.inventory import NodeStatus, OperatorProfile, OperatorSettings, Taint
from policies.domain.inventory.operator import value_of
from policies.domain.inventory.reading import (
    read_node,
    read_node_status,
    read_profile,
    read_settings,
    read_time,
)

SECCOMP, APPARMOR = Mechanism.SECCOMP, Mechanism.APPARMOR
OWNER = {"kind": "SeccompProfile", "name": "a", "controller": True}


def raw(metadata: dict[str, Any], **parts: Any) -> bytes:
    return json.dumps({"metadata": {"name": "a", **metadata}, **parts}).encode()


def test_read_node_keeps_what_placement_needs() -> None:
    node = read_node(
        raw(
            {"labels": {"pool": "web"}, "creationTimestamp": "2026-03-01T12:00:00Z"},
            spec={"taints": [{"key": "gpu", "effect": "NoSchedule"}], "podCIDR": "10.0.0.0/24"},
            status={
                "conditions": [{"type": "Ready", "status": "True"}],
                "nodeInfo": {
                    "operatingSystem": "linux",
                    "osImage": "Debian",
                    "kubeletVersion": "v1",
                },
            },
        )
    )

    assert (node.labels, node.os, node.os_image) == ({"pool": "web"}, "linux", "Debian")
    assert node.taints == (Taint("gpu", "", "NoSchedule"),)
    assert node.is_ready is True
    assert node.created_at == datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_read_node_that_just_joined_knows_little() -> None:
    node = read_node(raw({"labels": {"kubernetes.io/os": "windows"}}))

    assert (node.is_linux, node.is_ready, node.created_at) == (False, None, None)


@pytest.mark.parametrize(
    ("mechanism", "metadata", "spec", "expected"),
    [
        (SECCOMP, {}, {"state": "Enabled"}, {}),
        (SECCOMP, {}, {"state": "Disabled"}, {"is_disabled": True}),
        (SECCOMP, {}, {"disabled": True}, {"is_disabled": True}),
        (SECCOMP, {"namespace": "ns"}, {}, {"namespace": "ns"}),
        (SECCOMP, {"labels": {"spo.x-k8s.io/partial": "true"}}, {}, {"is_partial": True}),
        (SECCOMP, {"deletionTimestamp": "2026-03-01T12:00:00Z"}, {}, {"is_deleting": True}),
        (APPARMOR, {}, {"mode": "Complain"}, {"mode": "Complain"}),
        (APPARMOR, {}, {"complainMode": True}, {"mode": "Complain"}),
        (APPARMOR, {}, {"policy": "profile a {}"}, {"mode": "Enforce"}),
    ],
)
def test_read_profile_shape_of_each_version_is_understood(
    mechanism: Mechanism, metadata: dict[str, Any], spec: dict[str, Any], expected: dict[str, Any]
) -> None:
    mode = "Enforce" if mechanism is APPARMOR else ""

    found = read_profile(mechanism, raw(metadata, spec=spec))

    assert found == OperatorProfile(mechanism, "a", **{"mode": mode, **expected})


def test_read_profile_keeps_state_and_the_value_for_pods() -> None:
    status = {"status": "Installed", "localhostProfile": "operator/a.json"}

    found = read_profile(SECCOMP, raw({}, status=status))

    assert (found.state, found.localhost_value) == ("Installed", "operator/a.json")


@pytest.mark.parametrize(
    ("profile", "value"),
    [
        (OperatorProfile(SECCOMP, "a"), "operator/a.json"),
        (OperatorProfile(SECCOMP, "a.json"), "operator/a.json"),
        (OperatorProfile(SECCOMP, "a", "ns"), "operator/ns/a.json"),
        (OperatorProfile(SECCOMP, "a", localhost_value="elsewhere.json"), "elsewhere.json"),
        (OperatorProfile(APPARMOR, "k8s-web", "ns"), "k8s-web"),
    ],
)
def test_value_of_profile_is_what_pods_write(profile: OperatorProfile, value: str) -> None:
    assert value_of(profile) == value


@pytest.mark.parametrize(
    "parts",
    [
        {"nodeName": "n", "status": "Installed"},
        {"spec": {"nodeName": "n"}, "status": {"status": "Installed"}},
    ],
)
def test_read_node_status_shape_of_each_version_is_understood(parts: dict[str, Any]) -> None:
    found = read_node_status(raw({"ownerReferences": [OWNER]}, **parts))

    assert found == NodeStatus(SECCOMP, "a", "n", "Installed")


def test_read_node_status_without_owner_goes_by_its_labels() -> None:
    labels = {
        "spo.x-k8s.io/profile-kind": "AppArmorProfile",
        "spo.x-k8s.io/profile-id": "AppArmorProfile-web",
    }

    found = read_node_status(raw({"labels": labels, "namespace": "ns"}, nodeName="n"))

    assert found == NodeStatus(APPARMOR, "web", "n", "", "ns")


def test_read_node_status_of_another_mechanism_is_left_out() -> None:
    owner = {"kind": "SelinuxProfile", "name": "a", "controller": True}

    assert read_node_status(raw({"ownerReferences": [owner]}, nodeName="n")) is None


def test_read_node_status_that_names_no_profile_raises() -> None:
    with pytest.raises(ValueError, match="which profile"):
        read_node_status(raw({}, nodeName="n"))


@pytest.mark.parametrize(("spec", "expected"), [({}, False), ({"enableAppArmor": True}, True)])
def test_read_settings_say_whether_apparmor_is_on(spec: dict[str, Any], *, expected: bool) -> None:
    found = read_settings(raw({"namespace": "spo"}, spec=spec, status={"state": "RUNNING"}))

    assert found == OperatorSettings("spo", "a", "RUNNING", expected)


@pytest.mark.parametrize("item", [b"{}", b"[]", b'{"metadata": 3}'])
def test_read_of_no_object_raises(item: bytes) -> None:
    for read in (read_node, read_node_status, read_settings):
        with pytest.raises(msgspec.MsgspecError):
            read(item)


@pytest.mark.parametrize("text", [None, "", "yesterday", "2026-03-01T12:00:00"])
def test_read_time_that_is_none_gives_none(text: str | None) -> None:
    assert read_time(text) is None
