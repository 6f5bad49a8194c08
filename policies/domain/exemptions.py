"""What one exception exempts: exact workloads of one namespace from controls of one variant, until its end; and the wish.

Not what a cluster does with it: `policies.domain.exceptions` writes it down for each kind of policy.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from policies.domain.controls import Control
from policies.domain.objects import WorkloadKind


@dataclass(frozen=True, slots=True, order=True)
class WorkloadName:
    """A top-level workload by kind and name."""

    kind: WorkloadKind
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"

    def to_json(self) -> dict[str, str]:
        """Write it as plain JSON types."""
        return {"kind": self.kind.value, "name": self.name}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Read back what `to_json` wrote. Raises KeyError, ValueError."""
        return cls(WorkloadKind(stored["kind"]), str(stored["name"]))


@dataclass(frozen=True, slots=True)
class Exemption:
    """What is exempted, from what, where and until when."""

    key: str
    """Twelve hexadecimal digits that name it, the same for as long as it lives."""
    namespace: str
    workloads: tuple[WorkloadName, ...]
    """Sorted, at least one; with everything that they own."""
    controls: tuple[Control, ...]
    """Those of the variant that do not count; all of them where the kind of policy cannot tell them apart."""
    ends_at: datetime
    approved_by: str
    reason: str
    ticket: str = ""

    def to_json(self) -> dict[str, Any]:
        """Write it as plain JSON types."""
        return {
            "key": self.key,
            "namespace": self.namespace,
            "workloads": [workload.to_json() for workload in self.workloads],
            "controls": [control.value for control in self.controls],
            "ends_at": self.ends_at.isoformat(),
            "approved_by": self.approved_by,
            "reason": self.reason,
            "ticket": self.ticket,
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Read back what `to_json` wrote. Raises KeyError, ValueError."""
        return cls(
            key=stored["key"],
            namespace=stored["namespace"],
            workloads=names_of(stored["workloads"]),
            controls=tuple(Control(control) for control in stored["controls"]),
            ends_at=datetime.fromisoformat(stored["ends_at"]),
            approved_by=stored["approved_by"],
            reason=stored["reason"],
            ticket=stored["ticket"],
        )

    def exempts(self, workload: WorkloadName) -> bool:
        """Say whether it was asked for this top-level workload of its namespace."""
        return workload in self.workloads


@dataclass(frozen=True, slots=True)
class ExceptionWish:
    """What somebody wants exempted, why and until when, as it was typed: nothing is checked yet."""

    variant_id: int
    namespace: str
    workloads: tuple[WorkloadName, ...] = ()
    controls: tuple[str, ...] = ()
    reason: str = ""
    compensating_control: str = ""
    ticket: str = ""
    ends_at: datetime | None = None


def names_of(stored: Iterable[Mapping[str, Any]]) -> tuple[WorkloadName, ...]:
    """Read stored workloads, sorted."""
    return tuple(sorted(WorkloadName.from_json(each) for each in stored))
