"""How far the list of installed profiles that a variant carries is behind what lies on the nodes."""

from dataclasses import dataclass, replace
from datetime import datetime

from policies.domain.controls import Control, Mechanism
from policies.domain.library import TEMPLATES
from policies.domain.parameters import Parameters
from policies.models import Cluster, Variant
from policies.queries.inventory import installed


@dataclass(frozen=True, slots=True)
class OutdatedList:
    """One list that is behind."""

    mechanism: Mechanism
    added: tuple[str, ...]
    """On every node by now, and not in the list."""
    removed: tuple[str, ...]
    """In the list, and no longer on every node."""


def with_installed(
    cluster: Cluster, template: str, parameters: Parameters, *, now: datetime
) -> Parameters:
    """Put what lies on every node into parameters that ask for it; what is not known of them stays as it is."""
    if Control.PROFILE_INSTALLED not in parameters.controls or template not in TEMPLATES:
        return parameters
    known = installed(cluster, now=now)
    for mechanism in TEMPLATES[template].mechanisms:
        names = known[mechanism]
        if names is not None:
            parameters = _with_list(parameters, mechanism, names)
    return parameters


def _with_list(parameters: Parameters, mechanism: Mechanism, names: tuple[str, ...]) -> Parameters:
    part = replace(parameters.of(mechanism), installed=names)
    if mechanism is Mechanism.SECCOMP:
        return replace(parameters, seccomp=part)
    return replace(parameters, apparmor=part)


def outdated_lists(variant: Variant, *, now: datetime) -> tuple[OutdatedList, ...]:
    """Compare the lists that are wanted of a variant (with its cluster) with what lies on the nodes."""
    wanted = Parameters.from_json(variant.parameters)
    fresh = with_installed(variant.cluster, variant.template, wanted, now=now)
    found = (_compared(mechanism, wanted, fresh) for mechanism in Mechanism)
    return tuple(each for each in found if each is not None)


def _compared(mechanism: Mechanism, wanted: Parameters, fresh: Parameters) -> OutdatedList | None:
    before, after = wanted.of(mechanism).installed, fresh.of(mechanism).installed
    if before == after:
        return None
    old, new = set(before or ()), set(after or ())
    return OutdatedList(mechanism, tuple(sorted(new - old)), tuple(sorted(old - new)))
