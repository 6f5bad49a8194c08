"""From a variant's row to what the library compiles."""

from dataclasses import replace

from policies.cluster.gateway import (
    CLUSTER_POLICIES,
    NATIVE_POLICIES,
    VALIDATING_POLICIES,
    Resource,
)
from policies.domain.library import Target, VariantSpec
from policies.domain.parameters import Parameters
from policies.models import Variant


def spec_of(variant: Variant) -> VariantSpec:
    """Read a variant's parameters."""
    return VariantSpec(
        name=variant.name,
        template=variant.template,
        target=Target(variant.target),
        api_version=variant.api_version,
        parameters=Parameters.from_json({"controls": variant.controls}),
    )


def resource_of(spec: VariantSpec) -> Resource:
    """Say how the API addresses this variant's policies, in the version that the variant names."""
    return policy_resource(spec.target, spec.api_version)


def policy_resource(target: Target, api_version: str) -> Resource:
    """Say how the API addresses one kind of policy in one version."""
    if target is Target.CLUSTER_POLICY:
        return CLUSTER_POLICIES
    if target is Target.NATIVE:
        return NATIVE_POLICIES
    return replace(VALIDATING_POLICIES, version=api_version.rsplit("/", 1)[1])
