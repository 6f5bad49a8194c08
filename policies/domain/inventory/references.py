"""Which profiles the containers of a workload name."""

from collections.abc import Iterable
from dataclasses import dataclass

from policies.domain.controls import Mechanism
from policies.domain.inventory.records import Reference
from policies.domain.posture import ContainerPosture

LOCALHOST = "Localhost"


@dataclass(frozen=True, slots=True)
class Named:
    """A Localhost profile that one container asks for, by itself or by its pod."""

    container: str
    reference: Reference


def references_of(containers: Iterable[ContainerPosture]) -> tuple[Named, ...]:
    """Collect the Localhost profiles that containers ask for; RuntimeDefault and Unconfined name none."""
    return tuple(
        Named(container.name, Reference(mechanism, profile.profile or ""))
        for container in containers
        for mechanism, profile in (
            (Mechanism.SECCOMP, container.seccomp),
            (Mechanism.APPARMOR, container.apparmor),
        )
        if profile.declared == LOCALHOST
    )
