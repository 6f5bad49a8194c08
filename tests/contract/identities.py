"""The service account of deploy/rbac on a real control plane, under a name of its own, with the modes that a test gives it."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from controlplane import ControlPlane
from policies.domain.cluster_rights import Mode
from tests.contract.planes import Manifest, Plane, object_path, path_of

MANIFESTS = Path(__file__).parents[2] / "deploy" / "rbac"
ACCOUNT = "secprof"


@dataclass(frozen=True)
class Identity:
    """One account, and how to show it."""

    name: str
    """Of the account and of its namespace."""
    kubeconfig: str
    """With a token, as secprof is given it."""
    certified: str
    """With a certificate in the account's name, for requests that secprof never makes."""


def manifests(mode: Mode, name: str = ACCOUNT) -> tuple[Manifest, ...]:
    """Read what a mode applies, with this name in the place of `secprof`."""
    text = (MANIFESTS / f"{mode.value}.yaml").read_text().replace(ACCOUNT, name)
    return tuple(yaml.safe_load_all(text))


@contextmanager
def identity(plane: ControlPlane, raw: Plane, *modes: Mode) -> Iterator[Identity]:
    """Apply these modes for an account that nobody else has, and take everything away afterwards."""
    name = f"ct-rbac-{secrets.token_hex(3)}"
    wanted = [each for mode in modes for each in manifests(mode, name)]
    try:
        for manifest in wanted:
            _apply(raw, manifest)
        certified = plane.user_kubeconfig(f"system:serviceaccount:{name}:{name}")
        yield Identity(name, plane.token_kubeconfig(name, name), certified)
    finally:
        for manifest in reversed(wanted):
            raw.send("DELETE", object_path(manifest, _namespace(manifest)))


def _apply(raw: Plane, manifest: Manifest) -> None:
    path = path_of(manifest["apiVersion"], manifest["kind"], _namespace(manifest))
    reply = raw.send("POST", path, manifest)
    # A namespace stands in each file, as `kubectl apply` has it.
    assert reply.ok or reply.status == 409, reply.text


def _namespace(manifest: Manifest) -> str:
    namespace: Any = manifest["metadata"].get("namespace", "")
    return str(namespace)
