"""What a variant owes a pod, word for word: who is at fault, the warnings, and the denial of each kind of policy."""

from dataclasses import dataclass
from typing import cast

import msgspec
import yaml

from policies.cluster.gateway import Manifest
from policies.domain.controls import Control
from policies.domain.library import Target, VariantSpec, checks_of, names_at_fault
from policies.domain.objects import STRUCT_BY_KIND, Workload, WorkloadKind
from policies.domain.posture import assess
from sandbox.kinds import resource_of


@dataclass(frozen=True)
class Denial:
    """A refusal as the gateway tells of it."""

    status: int
    webhook: str
    raw: str


def failures(spec: VariantSpec, manifest: Manifest) -> tuple[tuple[Control, str], ...]:
    """Give the controls that a workload fails, in the order of the checks, each with what is said."""
    kind = WorkloadKind(manifest["kind"])
    workload = cast(Workload, msgspec.convert(manifest, STRUCT_BY_KIND[kind]))
    posture = assess(kind, workload, parameters=spec.parameters, mechanisms=spec.mechanisms)
    return tuple(
        (check.control, check.message_for(names))
        for check in checks_of(spec)
        if (names := names_at_fault(posture, check.control))
    )


def rule_name(control: Control, kind: str) -> str:
    """The name under which a ClusterPolicy's rule judges this kind."""
    prefix = {"Pod": "", "CronJob": "autogen-cronjob-"}.get(kind, "autogen-")
    return f"{prefix}{control}"


def warnings(spec: VariantSpec, manifest: Manifest) -> tuple[str, ...]:
    """Give the warnings that the Audit policy owes a workload."""
    failed, kind = failures(spec, manifest), manifest["kind"]
    if spec.target is Target.CLUSTER_POLICY:
        return tuple(f"policy {spec.name}.{rule_name(c, kind)}: {text}" for c, text in failed)
    if spec.target is Target.VALIDATING_POLICY:
        # It stops at the first that fails.
        return tuple(f"Policy {spec.name} failed: {text}" for _, text in failed[:1])
    lead = f"Validation failed for {_native(spec, 'audit')}"
    return tuple(f"{lead}: {text}" for _, text in failed)


def denial(spec: VariantSpec, manifest: Manifest, namespace: str) -> Denial:
    """Give the denial that the twin owes a workload that fails."""
    failed = failures(spec, manifest)
    kind, name, twin = manifest["kind"], manifest["metadata"]["name"], f"{spec.name}-enforce"
    if spec.target is Target.NATIVE:
        resource = resource_of(manifest).full_name
        text = f"{_native(spec, 'enforce')} denied request: {failed[0][1]}"
        return Denial(422, spec.name, f'{resource} "{name}" is forbidden: {text}')
    if spec.target is Target.VALIDATING_POLICY:
        webhook = f"vpol.validate.kyverno.svc-fail-finegrained-{twin}"
        said = f"Policy {twin} failed: {failed[0][1]}"
    else:
        webhook = f"validate.kyverno.svc-fail-finegrained-{twin}"
        rules = {twin: {rule_name(control, kind): text for control, text in failed}}
        said = (
            f"\n\nresource {kind}/{namespace}/{name} was blocked due to the following policies "
            f"\n\n{yaml.safe_dump(rules, width=1_000_000)}"
        )
    return Denial(400, webhook, f'admission webhook "{webhook}" denied the request: {said}')


def _native(spec: VariantSpec, binding: str) -> str:
    return f"ValidatingAdmissionPolicy '{spec.name}' with binding '{spec.name}-{binding}'"
