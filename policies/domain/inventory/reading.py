"""Reads nodes and the Security Profiles Operator's objects from raw JSON, in every shape that its versions serve.

Until 0.10 a node status held `nodeName` and a plain `status`, and profiles said `disabled` and `complainMode`.
"""

from datetime import datetime

import msgspec

from policies.domain.controls import Mechanism
from policies.domain.inventory.records import (
    Node,
    NodeStatus,
    OperatorProfile,
    OperatorSettings,
    ProfileState,
    Taint,
)
from policies.domain.objects import ObjectMeta

PARTIAL_LABEL = "spo.x-k8s.io/partial"
PROFILE_LABEL = "spo.x-k8s.io/profile-id"
KIND_LABEL = "spo.x-k8s.io/profile-kind"
MECHANISM_OF_KIND = {"SeccompProfile": Mechanism.SECCOMP, "AppArmorProfile": Mechanism.APPARMOR}
COMPLAIN = "Complain"
ENFORCE = "Enforce"


class _Read(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """What every record here shares."""


class _Taint(_Read, frozen=True, gc=False, rename="camel"):
    key: str = ""
    value: str = ""
    effect: str = ""


class _NodeSpec(_Read, frozen=True, gc=False, rename="camel"):
    taints: tuple[_Taint, ...] | None = None


class _Condition(_Read, frozen=True, gc=False, rename="camel"):
    type: str = ""
    status: str = ""


class _NodeInfo(_Read, frozen=True, gc=False, rename="camel"):
    operating_system: str = ""
    os_image: str = ""
    kubelet_version: str = ""
    container_runtime_version: str = ""


class _NodeState(_Read, frozen=True, gc=False, rename="camel"):
    conditions: tuple[_Condition, ...] | None = None
    node_info: _NodeInfo = _NodeInfo()


class _Node(_Read, frozen=True, gc=False, rename="camel"):
    metadata: ObjectMeta
    spec: _NodeSpec = _NodeSpec()
    status: _NodeState = _NodeState()


class _ProfileSpec(_Read, frozen=True, gc=False, rename="camel"):
    state: str = ""
    disabled: bool = False
    mode: str = ""
    complain_mode: bool = False


class _ProfileState(_Read, frozen=True, gc=False, rename="camel"):
    status: str = ""
    localhost_profile: str = ""


class _Profile(_Read, frozen=True, gc=False, rename="camel"):
    metadata: ObjectMeta
    spec: _ProfileSpec = _ProfileSpec()
    status: _ProfileState = _ProfileState()


class _StatusSpec(_Read, frozen=True, gc=False, rename="camel"):
    node_name: str = ""


class _StatusState(_Read, frozen=True, gc=False, rename="camel"):
    status: str = ""


class _NodeStatus(_Read, frozen=True, gc=False, rename="camel"):
    metadata: ObjectMeta
    spec: _StatusSpec = _StatusSpec()
    node_name: str = ""
    status: _StatusState | str = ""


class _DaemonSpec(_Read, frozen=True, gc=False, rename="camel"):
    enable_app_armor: bool | None = None


class _Daemon(_Read, frozen=True, gc=False, rename="camel"):
    metadata: ObjectMeta
    spec: _DaemonSpec = _DaemonSpec()
    status: dict[str, object] | None = None


_NODE = msgspec.json.Decoder(_Node)
_PROFILE = msgspec.json.Decoder(_Profile)
_NODE_STATUS = msgspec.json.Decoder(_NodeStatus)
_DAEMON = msgspec.json.Decoder(_Daemon)


def read_node(item: bytes) -> Node:
    """Read one Node. Raises msgspec.MsgspecError for what is none."""
    node = _NODE.decode(item)
    meta, info = node.metadata, node.status.node_info
    labels = meta.labels or {}
    conditions = {c.type: c.status for c in node.status.conditions or ()}
    ready = conditions.get("Ready")
    return Node(
        name=meta.name,
        labels=labels,
        taints=tuple(Taint(t.key, t.value, t.effect) for t in node.spec.taints or ()),
        os=info.operating_system or labels.get("kubernetes.io/os", ""),
        os_image=info.os_image,
        is_ready=None if ready in (None, "Unknown") else ready == "True",
        created_at=read_time(meta.creation_timestamp),
        kubelet_version=info.kubelet_version,
        runtime=info.container_runtime_version,
    )


def read_profile(mechanism: Mechanism, item: bytes) -> OperatorProfile:
    """Read one SeccompProfile or AppArmorProfile. Raises msgspec.MsgspecError for what is none."""
    profile = _PROFILE.decode(item)
    meta, spec = profile.metadata, profile.spec
    complains = spec.mode == COMPLAIN or spec.complain_mode
    return OperatorProfile(
        mechanism=mechanism,
        name=meta.name,
        namespace=meta.namespace,
        state=profile.status.status,
        mode=(COMPLAIN if complains else ENFORCE) if mechanism is Mechanism.APPARMOR else "",
        is_partial=PARTIAL_LABEL in (meta.labels or {}),
        is_disabled=spec.disabled or spec.state == ProfileState.DISABLED,
        is_deleting=meta.deletion_timestamp is not None,
        localhost_value=profile.status.localhost_profile,
        created_at=read_time(meta.creation_timestamp),
    )


def read_node_status(item: bytes) -> NodeStatus | None:
    """Read one SecurityProfileNodeStatus; None for one of another mechanism.

    Raises msgspec.MsgspecError for what is none, ValueError when it does not name its profile.
    """
    status = _NODE_STATUS.decode(item)
    meta = status.metadata
    kind, profile = _profile_of(meta)
    if kind not in MECHANISM_OF_KIND:
        return None
    state = status.status if isinstance(status.status, str) else status.status.status
    return NodeStatus(
        mechanism=MECHANISM_OF_KIND[kind],
        profile=profile,
        node=status.spec.node_name or status.node_name,
        state=state,
        namespace=meta.namespace,
    )


def _profile_of(meta: ObjectMeta) -> tuple[str, str]:
    """Name kind and name of the profile: by its owner, else by its labels, where a long name is only a hash."""
    owner = meta.controller
    if owner is not None:
        return owner.kind, owner.name
    labels = meta.labels or {}
    kind, label = labels.get(KIND_LABEL, ""), labels.get(PROFILE_LABEL, "")
    if not kind or not label.startswith(f"{kind}-"):
        raise ValueError("It does not say which profile it is about.")
    return kind, label.removeprefix(f"{kind}-")


def read_settings(item: bytes) -> OperatorSettings:
    """Read one SecurityProfilesOperatorDaemon. Raises msgspec.MsgspecError for what is none."""
    daemon = _DAEMON.decode(item)
    state = (daemon.status or {}).get("state", "")
    return OperatorSettings(
        namespace=daemon.metadata.namespace,
        name=daemon.metadata.name,
        state=state if isinstance(state, str) else "",
        enables_apparmor=bool(daemon.spec.enable_app_armor),
    )


def read_time(text: str | None) -> datetime | None:
    """Read a time as Kubernetes writes it; None for what is no time with a zone."""
    try:
        at = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return at if at.tzinfo else None
