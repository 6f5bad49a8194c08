"""The compiled objects as files, one a variant: a change of bytes is a change that clusters will see."""

from dataclasses import dataclass
from pathlib import Path

from policies.domain.controls import SECCOMP_CONTROLS, Control
from policies.domain.library import (
    API_VERSIONS,
    Target,
    VariantSpec,
    compile_objects,
    manifest_bytes,
)
from policies.domain.parameters import Parameters

FOLDER = Path(__file__).parent
_NAMESPACES = ("team-a", "team-b")
_CHOICES = {"c1-c2": SECCOMP_CONTROLS, "c2": (Control.DENY_UNCONFINED_SECCOMP,)}


@dataclass(frozen=True, slots=True)
class Golden:
    """One file and what it must hold."""

    path: Path
    content: bytes

    @property
    def name(self) -> str:
        return self.path.name


def golden_files() -> tuple[Golden, ...]:
    """Compile every target, version and choice of controls with two namespaces enforced."""
    return tuple(
        _golden(target, api_version, choice)
        for target in Target
        for api_version in API_VERSIONS[target]
        for choice in _CHOICES
    )


def _golden(target: Target, api_version: str, choice: str) -> Golden:
    spec = VariantSpec(
        name="seccomp",
        target=target,
        api_version=api_version,
        parameters=Parameters(controls=_CHOICES[choice]),
    )
    compiled = compile_objects(spec, _NAMESPACES)
    version = api_version.partition("/")[2]
    return Golden(
        path=FOLDER / f"{target.lower()}-{version}-{choice}.yaml",
        content=b"---\n".join(manifest_bytes(c.manifest) for c in compiled),
    )
