"""The compiled objects as files, one a variant: a change of bytes is a change that clusters will see."""

from dataclasses import dataclass
from pathlib import Path

from policies.domain.controls import APPARMOR_CONTROLS, BASE_CONTROLS, Control
from policies.domain.library import (
    API_VERSIONS,
    Target,
    VariantSpec,
    compile_objects,
    manifest_bytes,
)
from policies.domain.objects import WorkloadKind
from policies.domain.parameters import Parameters, ProfileParameters

FOLDER = Path(__file__).parent
_NAMESPACES = ("team-a", "team-b")
_EVERY_CONTROL = Parameters(
    controls=tuple(Control),
    seccomp=ProfileParameters(
        types=("Localhost",),
        allowed=("operator/*.json", "profiles/**"),
        denied=("**log-enricher-trace*",),
        default="Localhost:operator/web.json",
        installed=("operator/api.json", "operator/web.json"),
    ),
    apparmor=ProfileParameters(allowed=("k8s-*",), denied=("k8s-old-*",), installed=("k8s-web",)),
    apparmor_annotations=False,
    excluded_namespaces=("kube-system", "storage"),
    excluded_labels=(("secprof.io/exempt", ""), ("tier", "node")),
    kinds=(WorkloadKind.DEPLOYMENT, WorkloadKind.CRON_JOB),
    message="Ask the platform team; it's quick.",
)
_CASES: tuple[tuple[str, str, Parameters], ...] = (
    ("seccomp", "required", Parameters()),
    ("seccomp", "confined", Parameters(controls=(Control.DENY_UNCONFINED_SECCOMP,))),
    ("apparmor", "required", Parameters(controls=APPARMOR_CONTROLS)),
    ("confined-pods", "required", Parameters(controls=BASE_CONTROLS)),
    ("confined-pods", "everything", _EVERY_CONTROL),
)


@dataclass(frozen=True, slots=True)
class Golden:
    """One file and what it must hold."""

    path: Path
    content: bytes

    @property
    def name(self) -> str:
        return self.path.name


def golden_files() -> tuple[Golden, ...]:
    """Compile every target and version with the parameters that are worth reading, two namespaces enforced."""
    return tuple(
        _golden(target, api_version, *case)
        for target in Target
        for api_version in API_VERSIONS[target]
        for case in _CASES
    )


def _golden(
    target: Target, api_version: str, template: str, choice: str, parameters: Parameters
) -> Golden:
    spec = VariantSpec(
        name=template,
        template=template,
        target=target,
        api_version=api_version,
        parameters=parameters,
    )
    compiled = compile_objects(spec, _NAMESPACES)
    version = api_version.partition("/")[2]
    return Golden(
        path=FOLDER / f"{target.lower()}-{version}-{template}-{choice}.yaml",
        content=b"---\n".join(manifest_bytes(c.manifest) for c in compiled),
    )
