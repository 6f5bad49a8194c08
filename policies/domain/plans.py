"""A plan: the exact objects a flip will write, what they replace, the evidence behind it, and a digest of it all.

The digest covers what people approve: the objects before and after, the namespaces, and which gates were open
(not their numbers, which move all the time). Two plans with one digest ask for the same thing on the same ground.
"""

import difflib
import hashlib
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Self

import yaml

from policies.domain.exemptions import Exemption, WorkloadName
from policies.domain.library import ObjectRole, Target
from policies.domain.library.exempting import exempted_by
from policies.domain.lifecycle import EXEMPTING_VERBS, FlipVerb
from policies.domain.observed import policy_digest
from policies.domain.readiness import GateId, NamespaceVerdict
from policies.domain.yaml_text import ReadableDumper

Manifest = dict[str, Any]

PASSING_GATES = frozenset({GateId.CONTACT.value, GateId.ENGINE.value})
"""What may be open for a moment only: nobody has changed anything."""
ABSENT = "absent"
"""The digest of an object that does not exist."""


@dataclass(frozen=True, slots=True)
class PlannedObject:
    """One policy object or exception: as it is now, and as the server says it would be stored."""

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
    """Where an exception lies; empty for everything else."""

    @property
    def place(self) -> str:
        """Its name, behind its namespace if it lies in one."""
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


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
    """What is put into force, or ended."""
    removes: str = ""
    """An exception of somebody else that is taken off the cluster, as `group/namespace/name`."""

    @property
    def changes(self) -> tuple[PlannedObject, ...]:
        """Objects that will be written."""
        return tuple(o for o in self.objects if o.verb != "keep")

    @property
    def open_gates(self) -> tuple[GateAnswer, ...]:
        """Gates that did not pass."""
        return tuple(g for g in self.gates if g.outcome != "pass")

    @property
    def exempted(self) -> Exemption:
        """Who is exempt by it, or no longer. Raises ValueError for a plan of something else."""
        if self.exemption is None:
            raise ValueError(f"Nobody is exempted by the plan to {self.title}.")
        return self.exemption

    @property
    def ground(self) -> frozenset[tuple[str, str, str]]:
        """What the plan stands on: each object (kind and place) with the digest that it has now."""
        return frozenset((o.kind, o.place, o.before_digest) for o in self.objects)

    @property
    def is_beside_policies(self) -> bool:
        """Say whether it writes and deletes nothing but exceptions, and leaves the policies as they are."""
        return bool(self.objects) and not any(o.role in set(ObjectRole) for o in self.objects)

    @property
    def title(self) -> str:
        """The plan in words."""
        if self.verb is FlipVerb.INSTALL:
            what = (
                f"revision {self.revision} of {self.variant}" if self.revision > 1 else self.variant
            )
            stage = "" if self.enforced_after else " in Audit"
            return f"Install {what}{stage} on {self.cluster}"
        names = _listed(self.namespaces)
        if self.exemption is not None:
            return self._exempting_title(self.exemption.workloads)
        if self.verb is FlipVerb.REMOVE_EXCEPTION:
            return f"Remove the exception {self.removes} from {self.variant} on {self.cluster}"
        if self.verb is FlipVerb.ENFORCE:
            return f"Enforce {self.variant} in {names} on {self.cluster}"
        return f"Roll back {self.variant} in {names} on {self.cluster}"

    def _exempting_title(self, workloads: tuple[WorkloadName, ...]) -> str:
        where = f"{_listed(self.namespaces)} on {self.cluster}"
        if self.verb is FlipVerb.EXEMPT:
            return f"Exempt {_listed(workloads)} from {self.variant} in {where}"
        return f"End the exemption of {_listed(workloads)} from {self.variant} in {where}"

    @property
    def digest(self) -> str:
        """SHA-256, hex, over what is approved."""
        content = {
            "cluster": self.cluster,
            "variant": self.variant,
            "verb": self.verb,
            "namespaces": self.namespaces,
            "enforced_after": self.enforced_after,
            "revision": self.revision,
            "objects": [
                (o.verb, o.kind, o.api_version, o.place, o.before_digest, o.after_digest)
                for o in self.objects
            ],
            "open_gates": [(g.namespace, g.gate) for g in self.open_gates],
        }
        if self.exemption is not None:
            content["exemption"] = self.exemption.to_json()
        if self.removes:
            content["removes"] = self.removes
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
            "removes": self.removes,
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
            removes=stored.get("removes", ""),
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
    then = {(o.kind, o.place): o for o in approved.objects}
    for planned in fresh.objects:
        earlier = then.pop((planned.kind, planned.place), None)
        if earlier is None:
            moved.append(f"{planned.kind} {planned.place} is now part of the plan.")
        elif _is_kept_alike(approved, earlier, planned):
            continue
        elif earlier.before_digest != planned.before_digest:
            moved.append(f"{planned.kind} {planned.place} on the cluster was changed.")
        elif earlier.after_digest != planned.after_digest:
            moved.append(f"The server would now store {planned.kind} {planned.place} differently.")
    moved += [f"{kind} {place} is no longer part of the plan." for kind, place in then]
    moved += [
        f"{gate.namespace}: the gate {gate.gate} does not pass any more. {gate.sentence}"
        for gate in _opened(approved, fresh)
        if gate.gate not in PASSING_GATES
    ]
    return tuple(moved)


def _is_kept_alike(approved: Plan, earlier: PlannedObject, planned: PlannedObject) -> bool:
    """Say whether a flip leaves an object alone that differs only in whom it exempts in namespaces of no concern to it.

    A native policy carries its exemptions itself; they come and go while a flip waits.
    """
    if planned.kind != Target.NATIVE or approved.verb in EXEMPTING_VERBS:
        return False
    if earlier.before is None or planned.before is None:
        return False
    if (earlier.verb, planned.verb) != ("keep", "keep"):
        return False
    covered = frozenset(approved.namespaces)
    return without_exemptions(earlier.before, covered) == without_exemptions(
        planned.before, covered
    )


def without_exemptions(manifest: Manifest, but_in: Collection[str]) -> str:
    """Hash a policy as if it exempted nobody, but in these namespaces."""
    spec = dict(manifest.get("spec") or {})
    rest = []
    exempted: list[tuple[str, str]] = []
    for condition in spec.get("matchConditions") or ():
        clauses = exempted_by(str(condition.get("expression", "")))
        if clauses is None:
            rest.append(condition)
        else:
            exempted += [clause for clause in clauses if clause[0] in but_in]
    bare = {**manifest, "spec": {**spec, "matchConditions": rest}}
    return policy_digest(bare) + json.dumps(sorted(exempted))


def gates_away(approved: Plan, fresh: Plan) -> tuple[GateAnswer, ...]:
    """Name the gates that have opened because somebody does not answer this moment: that voids no plan."""
    return tuple(gate for gate in _opened(approved, fresh) if gate.gate in PASSING_GATES)


def _listed(names: Sequence[object]) -> str:
    more = f" and {len(names) - 4} more" if len(names) > 4 else ""
    return ", ".join(str(name) for name in names[:4]) + more


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
