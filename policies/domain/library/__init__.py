"""The library: templates with parameters, the policy objects they compile to, and the pods that prove them."""

from policies.domain.library.compile import (
    NAMESPACES_PER_TWIN,
    compile_objects,
    manifest_bytes,
    probe_pods,
)
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

__all__ = [
    "API_VERSIONS",
    "BINDING_KIND",
    "NAMESPACES_PER_TWIN",
    "TEMPLATES",
    "CompiledObject",
    "InvalidNamespace",
    "InvalidVariant",
    "ObjectRole",
    "ProbePods",
    "Target",
    "Template",
    "VariantSpec",
    "compile_objects",
    "manifest_bytes",
    "probe_pods",
]
