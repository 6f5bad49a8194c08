"""A plan: the exact objects a flip will write, what they replace, the evidence behind it, and a digest of it all.

The digest covers what people approve: the objects before and after, the namespaces, and which gates were open
(not their numbers, which move all the time). Two plans with one digest ask for the same thing on the same ground.
"""

import difflib
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import yaml

from policies.domain.exemptions import Exemption
from policies.domain.lifecycle import FlipVerb
from policies.domain.readiness import GateId, NamespaceVerdict
from policies.domain.yaml_text import ReadableDumper

Manifest = dict[str, Any]

PASSING_GATES = frozenset({GateId.CONTACT.value, GateId.ENGINE.value})
"""What may be open for a moment only: nobody has changed anything."""
ABSENT = "absent"
"""The digest of an object that does not exist."""


@dataclass(frozen=True, slots=True)
class PlannedObject:
    """One policy object: as it is now, and as the server says it would be stored."""

    verb: str
    """`create`, `replace`, `delete` or `keep`."""
    kind: str
    api_version: str
    name: str
    role: str
    before: Manifest | None
    after: Manifest | None
    wanted: Manifest | None
    """What is sent; None to delete."""
    before_digest: str
    after_digest: str
    warnings: tuple[str, ...] = ()
    """What the server's dry-run warned of."""
    namespace: str = ""
    """Where it lies; empty for policies, which lie in none."""


@dataclass(frozen=True, slots=True)
class GateAnswer:
    """How one gate answered for one namespace when the plan was made."""

    namespace: str
    gate: str
    outcome: str
    number: int | None
    sentence: str


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that a person approves."""

    cluster: str
    variant: str
    verb: FlipVerb
    namespaces: tuple[str, ...]
    enforced_before: tuple[str, ...]
    enforced_after: tuple[str, ...]
    objects: tuple[PlannedObject, ...]
    gates: tuple[GateAnswer, ...]
    verdicts: tuple[tuple[str, str], ...]
    """(namespace, verdict) in the order of `namespaces`."""
    audit_namespace: str
    """A namespace that stays in Audit, for the proof; empty when there is none."""
    revision: int = 1
    """Of the variant: whose parameters the objects carry."""
    proof_namespaces: tuple[str, ...] = ()
    """Enforced namespaces in which an install is proven too: what changes for them has to hold there."""
    exemption: Exemption | None = None
    """What is exempted, or no longer; only of the flips that carry out exceptions."""

    @property
    def changes(self) -> tuple[PlannedObject, ...]:
        """Objects that will be written."""
        return tuple(o for o in self.objects if o.verb != "keep")

    @property
    def open_gates(self) -> tuple[GateAnswer, ...]:
        """Gates that did not pass."""
        return tuple(g for g in self.gates if g.outcome != "pass")

    @property
    def title(self) -> str:
        """The plan in words."""
        if self.verb is FlipVerb.INSTALL:
            what = (
                f"revision {self.revision} of {self.variant}" if self.revision > 1 else self.variant
            )
            stage = "" if self.enforced_after else " in Audit"
            return f"Install {what}{stage} on {self.cluster}"
        if self.exemption is not None:
            return self._exemption_title(self.exemption)
        names = ", ".join(self.namespaces[:4])
        more = f" and {len(self.namespaces) - 4} more" if len(self.namespaces) > 4 else ""
        if self.verb is FlipVerb.ENFORCE:
            return f"Enforce {self.variant} in {names}{more} on {self.cluster}"
        return f"Roll back {self.variant} in {names}{more} on {self.cluster}"

    def _exemption_title(self, exemption: Exemption) -> str:
        names = ", ".join(str(workload) for workload in exemption.workloads[:3])
        more = f" and {len(exemption.workloads) - 3} more" if len(exemption.workloads) > 3 else ""
        who = f"{names}{more} in {exemption.namespace}"
        if self.verb is FlipVerb.END_EXEMPTION:
            return f"End the exemption of {who} from {self.variant} on {self.cluster}"
        until = f"{exemption.ends_at:%Y-%m-%d}"
        return f"Exempt {who} from {self.variant} on {self.cluster} until {until}"

    @property
    def has_policies(self) -> bool:
        """Whether it says how policies shall be; an exception may be an object of its own instead."""
        return self.exemption is None or any(not planned.namespace for planned in self.objects)

    @property
    def digest(self) -> str:
        """SHA-256, hex, over what is approved."""
        content: dict[str, Any] = {
            "cluster": self.cluster,
            "variant": self.variant,
            "verb": self.verb,
            "namespaces": self.namespaces,
            "enforced_after": self.enforced_after,
            "revision": self.revision,
            "objects": [
                (o.verb, o.kind, o.api_version, o.name, o.before_digest, o.after_digest)
                for o in self.objects
            ],
            "open_gates": [(g.namespace, g.gate) for g in self.open_gates],
        }
        if self.exemption is not None:
            content["exemption"] = self.exemption.to_json()
        return hashlib.sha256(canonical_json(content)).hexdigest()

    def to_json(self) -> dict[str, Any]:
        """Write the plan as plain JSON types."""
        return {
            "cluster": self.cluster,
            "variant": self.variant,
            "verb": self.verb.value,
            "namespaces": list(self.namespaces),
            "enforced_before": list(self.enforced_before),
            "enforced_after": list(self.enforced_after),
            "objects": [
                {name: getattr(o, name) for name in PlannedObject.__slots__} for o in self.objects
            ],
            "gates": [
                {name: getattr(g, name) for name in GateAnswer.__slots__} for g in self.gates
            ],
            "verdicts": [list(pair) for pair in self.verdicts],
            "audit_namespace": self.audit_namespace,
            "revision": self.revision,
            "proof_namespaces": list(self.proof_namespaces),
            "exemption": self.exemption.to_json() if self.exemption else None,
        }

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Self:
        """Read back what `to_json` wrote."""
        return cls(
            cluster=stored["cluster"],
            variant=stored["variant"],
            verb=FlipVerb(stored["verb"]),
            namespaces=tuple(stored["namespaces"]),
            enforced_before=tuple(stored["enforced_before"]),
            enforced_after=tuple(stored["enforced_after"]),
            objects=tuple(
                PlannedObject(**{**o, "warnings": tuple(o["warnings"])}) for o in stored["objects"]
            ),
            gates=tuple(GateAnswer(**g) for g in stored["gates"]),
            verdicts=tuple((pair[0], pair[1]) for pair in stored["verdicts"]),
            audit_namespace=stored["audit_namespace"],
            # Older plans were made before a variant could have more than one revision.
            revision=stored.get("revision", 1),
            proof_namespaces=tuple(stored.get("proof_namespaces", ())),
            exemption=Exemption.from_json(stored["exemption"]) if stored.get("exemption") else None,
        )


def gate_answers(verdicts: Sequence[NamespaceVerdict]) -> tuple[GateAnswer, ...]:
    """Freeze the gates of some namespaces, in a stable order."""
    return tuple(
        GateAnswer(v.namespace, g.id.value, g.outcome.value, g.number, g.sentence)
        for v in sorted(verdicts, key=lambda v: v.namespace)
        for g in v.gates
    )


def what_moved(approved: Plan, fresh: Plan) -> tuple[str, ...]:
    """Say in sentences what differs between an approved plan and the same plan made now.

    A gate that passes by now is no reason to ask people again; one that has opened since is, unless it may pass again
    in a moment (see `gates_away`).
    """
    moved = []
    if fresh.revision != approved.revision:
        moved.append(
            f"The parameters are those of revision {fresh.revision} now, not of {approved.revision}."
        )
    then = {(o.kind, o.name): o for o in approved.objects}
    for planned in fresh.objects:
        earlier = then.pop((planned.kind, planned.name), None)
        if earlier is None:
            moved.append(f"{planned.kind} {planned.name} is now part of the plan.")
        elif earlier.before_digest != planned.before_digest:
            moved.append(f"{planned.kind} {planned.name} on the cluster was changed.")
        elif earlier.after_digest != planned.after_digest:
            moved.append(f"The server would now store {planned.kind} {planned.name} differently.")
    moved += [f"{kind} {name} is no longer part of the plan." for kind, name in then]
    moved += [
        f"{gate.namespace}: the gate {gate.gate} does not pass any more. {gate.sentence}"
        for gate in _opened(approved, fresh)
        if gate.gate not in PASSING_GATES
    ]
    return tuple(moved)


def gates_away(approved: Plan, fresh: Plan) -> tuple[GateAnswer, ...]:
    """Name the gates that have opened because somebody does not answer this moment: that voids no plan."""
    return tuple(gate for gate in _opened(approved, fresh) if gate.gate in PASSING_GATES)


def _opened(approved: Plan, fresh: Plan) -> list[GateAnswer]:
    accepted = {(g.namespace, g.gate) for g in approved.open_gates}
    return [gate for gate in fresh.open_gates if (gate.namespace, gate.gate) not in accepted]


def object_diff(before: Manifest | None, after: Manifest | None) -> tuple[str, ...]:
    """Compare two objects as YAML without the server's bookkeeping: lines of a unified diff."""
    old = _yaml_lines(before)
    new = _yaml_lines(after)
    context = max(len(old), len(new))
    lines = difflib.unified_diff(old, new, fromfile="now", tofile="after", lineterm="", n=context)
    return tuple(lines)


def _yaml_lines(manifest: Manifest | None) -> list[str]:
    if manifest is None:
        return []
    return manifest_text(manifest).splitlines()


def manifest_text(manifest: Manifest) -> str:
    """Write an object as people read it: without the server's bookkeeping, the same order whoever wrote it."""
    return yaml.dump(shown(manifest), Dumper=ReadableDumper, sort_keys=False, width=1000)


def shown(manifest: Manifest) -> Manifest:
    """Leave out what the server keeps for itself: status, managed fields, versions, times. Keys come sorted."""
    metadata = manifest.get("metadata", {})
    rest = {k: v for k, v in manifest.items() if k not in {"metadata", "status"}}
    return {
        "apiVersion": rest.pop("apiVersion", ""),
        "kind": rest.pop("kind", ""),
        "metadata": {
            key: _in_order(metadata[key])
            for key in ("name", "labels", "annotations")
            if metadata.get(key)
        },
        **{key: _in_order(rest[key]) for key in sorted(rest)},
    }


def _in_order(value: Any) -> Any:
    # A name stands first, as people write it.
    if isinstance(value, dict):
        keys = sorted(value, key=lambda key: (key != "name", key))
        return {key: _in_order(value[key]) for key in keys}
    return [_in_order(item) for item in value] if isinstance(value, list) else value


def canonical_json(content: Any) -> bytes:
    """Write JSON with sorted keys and no spaces, the same bytes for the same content."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
