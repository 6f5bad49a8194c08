"""Which checks of a policy a pod fails, by the same posture that the product shows, and what is said to that."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import lru_cache
from typing import cast

import msgspec

from policies.domain.library import VariantSpec, names_at_fault
from policies.domain.objects import STRUCT_BY_KIND, Workload, WorkloadKind
from policies.domain.parameters import Parameters
from policies.domain.posture import Posture, assess
from sandbox.checks import Check
from sandbox.store import Manifest


def posture_of(spec: VariantSpec, manifest: Manifest) -> Posture:
    """Judge the pod of a workload as this variant does."""
    kind = WorkloadKind(manifest["kind"])
    workload = cast(Workload, msgspec.convert(manifest, STRUCT_BY_KIND[kind]))
    return assess(kind, workload, parameters=_parameters(spec), mechanisms=spec.mechanisms)


@lru_cache(maxsize=256)
def _parameters(spec: VariantSpec) -> Parameters:
    # Which namespaces are left out is what each object itself says.
    return replace(spec.parameters, excluded_namespaces=())


def failed(checks: Iterable[Check], posture: Posture) -> Iterator[tuple[Check, str]]:
    """Give the checks that a pod fails, each with what is said."""
    for check in checks:
        names = names_at_fault(posture, check.control)
        if names:
            yield check, check.said(names)
