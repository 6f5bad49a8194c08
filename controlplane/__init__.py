"""A real API server with Kyverno on loopback, without Docker, for tests. Not for anything else.

`up()` builds the programs from pinned Go modules (minutes, once), starts them and returns a
ControlPlane. Kyverno before 1.19 listens on every address, everything else on 127.0.0.1.
"""

from controlplane.build import DEFAULT_KYVERNO, available, kubectl, kyverno_versions
from controlplane.errors import ControlPlaneError
from controlplane.plane import ControlPlane, PartStatus, down, up

__all__ = [
    "DEFAULT_KYVERNO",
    "ControlPlane",
    "ControlPlaneError",
    "PartStatus",
    "available",
    "down",
    "kubectl",
    "kyverno_versions",
    "up",
]
