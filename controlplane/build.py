"""Builds etcd, Kubernetes, Kyverno and kubectl from the pinned Go modules beside this file.

Results live in the user's cache, one folder per module, keyed by its pins and the Go version, so a
changed pin builds anew and two checkouts share what they agree on. Nothing is downloaded but modules.
"""

import fcntl
import functools
import hashlib
import logging
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from controlplane.errors import ControlPlaneError

MODULES = Path(__file__).parent / "modules"
ETCD = "etcd-3.6.16"
KUBERNETES = "kubernetes-1.36.3"
KUBECTL = "kubectl-1.36.3"
DEFAULT_KYVERNO = "1.19.1"

_INSTALLED_GO = "/usr/local/go/bin/go"
_KYVERNO_MODULE = "github.com/kyverno/kyverno"
_GO_SETTINGS = {
    "CGO_ENABLED": "0",
    "GOFLAGS": "-mod=readonly -buildvcs=false -trimpath",
    "GOTOOLCHAIN": "local",
    "GOWORK": "off",
}

logger = logging.getLogger(__name__)


class BuildFailed(ControlPlaneError):
    """Go could not build one of the modules."""


class UnknownVersion(ControlPlaneError):
    """No module folder pins this version of Kyverno."""


@dataclass(frozen=True, slots=True)
class Programs:
    """The folders with what was built, one per module."""

    etcd: Path
    kubernetes: Path
    kyverno: Path


def available() -> str | None:
    """Say in a sentence why no control plane can run here, or None if one can."""
    if sys.platform != "linux":
        return f"A control plane needs Linux, and this is {sys.platform}."
    if _go_path() is None:
        return "A control plane is built with Go, and there is no go command on this machine."
    return None


def kyverno_versions() -> tuple[str, ...]:
    """List the Kyverno versions that a module folder pins, oldest first."""
    found = (path.parent.name.removeprefix("kyverno-") for path in MODULES.glob("kyverno-*/go.mod"))
    return tuple(sorted(found, key=lambda version: [int(part) for part in version.split(".")]))


def require_version(kyverno: str) -> None:
    """Refuse a Kyverno version that is not pinned.

    Raises:
        UnknownVersion: naming the versions there are.
    """
    if kyverno not in kyverno_versions():
        known = ", ".join(kyverno_versions())
        raise UnknownVersion(f"There is no Kyverno {kyverno} here; there are {known}.")


def build(kyverno: str = DEFAULT_KYVERNO) -> Programs:
    """Build what is not yet in the cache and return where everything is; minutes if cold.

    Raises:
        UnknownVersion: no module folder pins this Kyverno.
        BuildFailed: Go is missing or a module does not build; Go's own words went to stderr.
    """
    require_version(kyverno)
    if reason := available():
        raise BuildFailed(reason)
    return Programs(
        etcd=_built(ETCD),
        kubernetes=_built(KUBERNETES),
        kyverno=_built(f"kyverno-{kyverno}"),
    )


def kubectl() -> Path:
    """Return kubectl of the control plane's version; no control plane needs it, so only this builds it.

    Raises:
        BuildFailed: Go is missing or the module does not build.
    """
    if reason := available():
        raise BuildFailed(reason)
    return _built(KUBECTL) / "kubectl"


def cache_folder() -> Path:
    """Return the folder that holds all builds."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "secprof" / "controlplane"


def module_key(folder: Path, go_version: str) -> str:
    """Return a short digest of everything that decides what a module builds to."""
    digest = hashlib.sha256()
    for name in ("go.mod", "go.sum"):
        digest.update((folder / name).read_bytes())
    digest.update(
        repr((go_version, _linker_flags(folder.name), sorted(_GO_SETTINGS.items()))).encode()
    )
    return digest.hexdigest()[:16]


def _built(module: str) -> Path:
    folder = MODULES / module
    target = cache_folder() / f"{module}-{module_key(folder, _go_version())}"
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with _locked(target.with_name(f"{target.name}.lock")):
        if not target.is_dir():
            _build_module(folder, target)
    return target


def _build_module(folder: Path, target: Path) -> None:
    logger.info("Building %s; from nothing this takes minutes.", folder.name)
    began = time.monotonic()
    partial = target.with_name(f"{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    _go(folder, "build", f"-ldflags={_linker_flags(folder.name)}", "-o", f"{partial}/", "tool")
    if folder.name.startswith("kyverno-"):
        source = Path(_go(folder, "list", "-m", "-f", "{{.Dir}}", _KYVERNO_MODULE))
        _copy_crds(source / "config" / "crds", partial / "crds")
    partial.rename(target)
    logger.info("Built %s in %d s.", folder.name, time.monotonic() - began)


def _copy_crds(source: Path, target: Path) -> None:
    # File by file: the module cache is read-only, and its modes would stick to a copied tree.
    target.mkdir()
    for path in source.glob("*/*.yaml"):
        (target / path.name).write_bytes(path.read_bytes())


def _linker_flags(module: str) -> str:
    """Name the version inside the program: the product reads it from the API server."""
    program, version = module.split("-", 1)
    stamps: dict[str, str] = {}
    if program in {"kubernetes", "kubectl"}:
        major, minor, _ = version.split(".")
        values = {"gitVersion": f"v{version}", "gitMajor": major, "gitMinor": minor}
        stamps = {f"k8s.io/component-base/version.{name}": values[name] for name in values}
    if program == "kyverno":
        stamps = {f"{_KYVERNO_MODULE}/pkg/version.BuildVersion": f"v{version}"}
    return " ".join(["-s", "-w", *(f"-X {name}={value}" for name, value in stamps.items())])


def _go_path() -> str | None:
    return shutil.which("go") or shutil.which(_INSTALLED_GO)


@functools.cache
def _go_version() -> str:
    return _go(MODULES, "env", "GOVERSION")


def _go(folder: Path, *arguments: str) -> str:
    command = [_go_path() or "go", *arguments]
    environment = {**os.environ, **_GO_SETTINGS}
    finished = subprocess.run(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True, check=False
    )
    if finished.returncode != 0:
        raise BuildFailed(f"go {arguments[0]} failed in {folder}; its messages are above.")
    return finished.stdout.strip()


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
