"""From a variant and its enforced namespaces to the objects that a cluster must hold, byte for byte the same each time."""

from collections.abc import Iterable, Iterator

import yaml

from policies.domain.library import seccomp
from policies.domain.library.records import (
    CompiledObject,
    InvalidNamespace,
    Manifest,
    ObjectRole,
    ProbePods,
    Target,
    VariantSpec,
)
from policies.domain.library.shapes import cluster_policy, validating_policy
from policies.domain.names import is_dns_label

NAMESPACES_PER_TWIN = 1000
"""3,000 are refused: a CEL expression may have 100,000 code points."""

_SUFFIX = {
    ObjectRole.AUDIT: "",
    ObjectRole.TWIN: "-enforce",
    ObjectRole.COMPANION: "-enforce-debug",
}


def compile_objects(spec: VariantSpec, enforced: Iterable[str]) -> tuple[CompiledObject, ...]:
    """Compile a variant: the Audit policy first, then its twins, then their companions.

    Raises:
        InvalidNamespace: a name in `enforced` is not a DNS label.
    """
    namespaces = sorted(set(enforced))
    for namespace in namespaces:
        if not is_dns_label(namespace):
            raise InvalidNamespace(f"{namespace!r} is not the name of a namespace.")
    size = NAMESPACES_PER_TWIN
    parts = [tuple(namespaces[i : i + size]) for i in range(0, len(namespaces), size)]
    return tuple(_objects(spec, parts))


def _objects(spec: VariantSpec, parts: list[tuple[str, ...]]) -> Iterator[CompiledObject]:
    yield _object(spec, ObjectRole.AUDIT, 1, ())
    for number, part in enumerate(parts, start=1):
        yield _object(spec, ObjectRole.TWIN, number, part)
    if spec.target is Target.VALIDATING_POLICY:
        # A ValidatingPolicy on pods does not see `kubectl debug`.
        for number, part in enumerate(parts, start=1):
            yield _object(spec, ObjectRole.COMPANION, number, part)


def _object(
    spec: VariantSpec, role: ObjectRole, number: int, namespaces: tuple[str, ...]
) -> CompiledObject:
    name = spec.name + _SUFFIX[role] + (f"-{number}" if number > 1 else "")
    shape = cluster_policy if spec.target is Target.CLUSTER_POLICY else validating_policy
    return CompiledObject(
        role=role,
        kind=str(spec.target),
        api_version=spec.api_version,
        name=name,
        manifest=shape(spec, role, name, namespaces),
        namespaces=namespaces,
    )


def probe_pods(spec: VariantSpec) -> ProbePods:
    """Give the pods that prove whether this variant denies."""
    return {"seccomp": seccomp.probe_pods}[spec.template](spec.controls)


def manifest_bytes(manifest: Manifest) -> bytes:
    """Write a manifest as YAML, keys sorted: equal manifests give equal bytes."""
    text: str = yaml.dump(manifest, Dumper=_Readable, sort_keys=True, width=_NEVER_FOLD)
    return text.encode()


_NEVER_FOLD = 1_000_000


class _Readable(yaml.SafeDumper):
    """Keeps the lines of a text as they are, and writes out what stands in a manifest twice."""

    def ignore_aliases(self, _data: object) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar(
        "tag:yaml.org,2002:str", text, style="|" if "\n" in text else None
    )


_Readable.add_representer(str, _text)
