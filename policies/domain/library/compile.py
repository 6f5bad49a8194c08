"""From a variant and its enforced namespaces to the objects that a cluster must hold, byte for byte the same each time."""

from collections.abc import Iterable, Iterator

import yaml

from policies.domain.library import native
from policies.domain.library.cel import EXPRESSION_LIMIT
from policies.domain.library.checks import variables_of
from policies.domain.library.records import (
    CompiledObject,
    InvalidNamespace,
    InvalidVariant,
    Manifest,
    ObjectRole,
    Target,
    VariantSpec,
)
from policies.domain.library.shapes import cluster_policy, validating_policy
from policies.domain.names import is_dns_label
from policies.domain.yaml_text import ReadableDumper

NAMESPACES_PER_TWIN = 1000
"""3,000 are refused: a CEL expression may have 100,000 code points."""

_SUFFIX = {
    ObjectRole.AUDIT: "",
    ObjectRole.BINDING: "-audit",
    ObjectRole.TWIN: "-enforce",
    ObjectRole.COMPANION: "-enforce-debug",
}


def compile_objects(spec: VariantSpec, enforced: Iterable[str]) -> tuple[CompiledObject, ...]:
    """Compile a variant: the Audit policy first, then what makes it audit, its twins, and their companions.

    Raises:
        InvalidNamespace: a name in `enforced` is not a DNS label, or that of an excluded namespace.
        InvalidVariant: the lists among the parameters are too long for one policy.
    """
    namespaces = sorted(set(enforced))
    for namespace in namespaces:
        if not is_dns_label(namespace):
            raise InvalidNamespace(f"{namespace!r} is not the name of a namespace.")
        if namespace in spec.parameters.excluded_namespaces:
            raise InvalidNamespace(f"The parameters exclude the namespace {namespace}.")
    for variable in variables_of(spec):
        if len(variable.expression) >= EXPRESSION_LIMIT:
            raise InvalidVariant("The lists of profiles are too long for one policy.")
    size = NAMESPACES_PER_TWIN
    parts = [tuple(namespaces[i : i + size]) for i in range(0, len(namespaces), size)]
    return tuple(_objects(spec, parts))


def object_name(spec: VariantSpec, role: ObjectRole, number: int = 1) -> str:
    """Name an object of a variant; twins and their companions are counted from 1."""
    return spec.name + _SUFFIX[role] + (f"-{number}" if number > 1 else "")


def _objects(spec: VariantSpec, parts: list[tuple[str, ...]]) -> Iterator[CompiledObject]:
    yield _object(spec, ObjectRole.AUDIT, 1, ())
    if spec.target is Target.NATIVE:
        yield _object(spec, ObjectRole.BINDING, 1, ())
    for number, part in enumerate(parts, start=1):
        yield _object(spec, ObjectRole.TWIN, number, part)
    if spec.target is Target.VALIDATING_POLICY:
        # A ValidatingPolicy on pods does not see `kubectl debug`.
        for number, part in enumerate(parts, start=1):
            yield _object(spec, ObjectRole.COMPANION, number, part)


def _object(
    spec: VariantSpec, role: ObjectRole, number: int, namespaces: tuple[str, ...]
) -> CompiledObject:
    name = object_name(spec, role, number)
    manifest = _manifest(spec, role, name, namespaces)
    return CompiledObject(
        role=role,
        kind=manifest["kind"],
        api_version=spec.api_version,
        name=name,
        manifest=manifest,
        namespaces=namespaces,
    )


def _manifest(
    spec: VariantSpec, role: ObjectRole, name: str, namespaces: tuple[str, ...]
) -> Manifest:
    if spec.target is Target.CLUSTER_POLICY:
        return cluster_policy(spec, role, name, namespaces)
    if spec.target is Target.VALIDATING_POLICY:
        return validating_policy(spec, role, name, namespaces)
    if role is ObjectRole.AUDIT:
        return native.policy(spec, name)
    if role is ObjectRole.BINDING:
        return native.audit_binding(spec, name)
    return native.deny_binding(spec, name, namespaces)


_NEVER_FOLD = 1_000_000


def manifest_bytes(manifest: Manifest) -> bytes:
    """Write a manifest as YAML, keys sorted: equal manifests give equal bytes."""
    text: str = yaml.dump(manifest, Dumper=ReadableDumper, sort_keys=True, width=_NEVER_FOLD)
    return text.encode()
