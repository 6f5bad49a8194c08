"""The library: templates with parameters, the policy objects they compile to, and the pods that prove them."""

from policies.domain.library.checks import Check, checks_of, names_at_fault
from policies.domain.library.compile import (
    NAMESPACES_PER_TWIN,
    compile_objects,
    manifest_bytes,
    object_name,
)
from policies.domain.library.labels import spec_of_manifest
from policies.domain.library.probes import failing_pod, probe_pods
from policies.domain.library.records import (
    API_VERSIONS,
    BINDING_KIND,
    TEMPLATES,
    CompiledObject,
    InvalidNamespace,
    InvalidVariant,
    ObjectRole,
    ProbePods,
    Target,
    Template,
    VariantSpec,
)
from policies.domain.library.scope import judged_by, judged_kinds, reported_kinds

__all__ = [
    "API_VERSIONS",
    "BINDING_KIND",
    "NAMESPACES_PER_TWIN",
    "TEMPLATES",
    "Check",
    "CompiledObject",
    "InvalidNamespace",
    "InvalidVariant",
    "ObjectRole",
    "ProbePods",
    "Target",
    "Template",
    "VariantSpec",
    "checks_of",
    "compile_objects",
    "failing_pod",
    "judged_by",
    "judged_kinds",
    "manifest_bytes",
    "names_at_fault",
    "object_name",
    "probe_pods",
    "reported_kinds",
    "spec_of_manifest",
]
