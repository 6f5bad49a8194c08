"""How an object says that it is ours, which variant it belongs to, and what that variant's parameters are."""

import json
from collections.abc import Mapping
from typing import Any

from policies.domain.library.records import (
    BINDING_KIND,
    InvalidVariant,
    Manifest,
    ObjectRole,
    Target,
    VariantSpec,
)
from policies.domain.parameters import InvalidParameters, Parameters

MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"
VARIANT_LABEL = "secprof.io/variant"
ROLE_LABEL = "secprof.io/role"
MANAGER = "secprof"
PARAMETERS_ANNOTATION = "secprof.io/parameters"
AUTOGEN_ANNOTATION = "pod-policies.kyverno.io/autogen-controllers"
ANNOTATION_LIMIT = 200_000
"""Characters; the API server takes 256 KiB of annotations, and others write some too."""


def metadata_of(
    spec: VariantSpec, role: ObjectRole, name: str, annotations: Mapping[str, str] | None = None
) -> Manifest:
    """Write the metadata of one object of a variant.

    Raises:
        InvalidVariant: there are more parameters than an annotation holds.
    """
    parameters = json.dumps(
        {"template": spec.template, **spec.parameters.to_json()},
        sort_keys=True,
        separators=(",", ":"),
    )
    if len(parameters) > ANNOTATION_LIMIT:
        raise InvalidVariant("The lists of profiles are too long for one policy.")
    return {
        "name": name,
        "labels": {
            MANAGED_BY_LABEL: MANAGER,
            VARIANT_LABEL: spec.name,
            ROLE_LABEL: str(role),
        },
        "annotations": {PARAMETERS_ANNOTATION: parameters, **(annotations or {})},
    }


def spec_of_manifest(manifest: Mapping[str, Any]) -> VariantSpec | None:
    """Read the variant that an object of ours was compiled from; None when it does not say, or says nonsense."""
    metadata = _mapping(manifest.get("metadata"))
    labels, annotations = _mapping(metadata.get("labels")), _mapping(metadata.get("annotations"))
    target = _TARGETS.get(str(manifest.get("kind")))
    if target is None or labels.get(MANAGED_BY_LABEL) != MANAGER:
        return None
    try:
        stored = json.loads(annotations.get(PARAMETERS_ANNOTATION, ""))
        template = stored.pop("template")
        return VariantSpec(
            name=labels[VARIANT_LABEL],
            template=template,
            target=target,
            api_version=str(manifest.get("apiVersion")),
            parameters=Parameters.from_json(stored),
        )
    except (
        InvalidParameters,
        InvalidVariant,
        AttributeError,
        KeyError,
        TypeError,
        ValueError,
    ):
        return None


_TARGETS = {**{str(target): target for target in Target}, BINDING_KIND: Target.NATIVE}


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
