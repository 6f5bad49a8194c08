"""The objects of a plan: what each is now, and what the server says it would store instead, by dry-run."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from policies.actions.errors import Refused
from policies.actions.live import Live, write_of
from policies.cluster.gateway import Gateway, Manifest, Verb
from policies.cluster.writes import write
from policies.domain.library import (
    CompiledObject,
    InvalidNamespace,
    InvalidVariant,
    ObjectRole,
    VariantSpec,
    compile_objects,
)
from policies.domain.library.exempting import with_exemptions
from policies.domain.lifecycle import EXEMPTING_VERBS, FlipVerb
from policies.domain.observed import policy_digest
from policies.domain.plans import ABSENT, Plan, PlannedObject
from policies.models import DesiredRevision

DRY_RUN_DECISION = "plan"
"""The decision id of a write that is only asked about."""
OWN_ANNOTATIONS = "secprof.io/"
_REMOVED_FIRST = (ObjectRole.TWIN, ObjectRole.COMPANION, ObjectRole.BINDING, ObjectRole.AUDIT)
"""What denies goes first; a policy only when nothing is bound to it any more."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What the objects of one plan stand on."""

    gateway: Gateway
    verb: FlipVerb
    spec: VariantSpec
    live: Live
    current: DesiredRevision | None
    """What was written last."""
    coming: Plan | None
    """What a worker may still write before this plan is carried out."""


@dataclass(frozen=True, slots=True)
class _Leftover:
    """An object that is not wanted, as far as it is known."""

    kind: str
    api_version: str
    name: str
    role: str


def planned_objects(ground: Ground, enforced_after: tuple[str, ...]) -> tuple[PlannedObject, ...]:
    """Plan every object of a variant, in the order in which they may be written. Raises Refused, ClusterError."""
    spec = ground.spec
    try:
        compiled = compile_objects(spec, enforced_after)
    except InvalidNamespace as error:
        raise Refused(
            f"A policy of {spec.name} on the cluster was edited by hand: {error} Roll that back too."
        ) from error
    except InvalidVariant as error:
        raise Refused(str(error)) from error
    planned = [_planned(ground, wanted) for wanted in compiled]
    names = {wanted.name for wanted in compiled}
    leftovers = [each for each in _known(ground) if each.name not in names]
    leftovers.sort(key=lambda each: each.name, reverse=True)
    leftovers.sort(key=lambda each: _removal_rank(each.role))
    return (*planned, *(_planned_removal(ground, each) for each in leftovers))


def _known(ground: Ground) -> Iterator[_Leftover]:
    """Name what is on the cluster, and what may still come to be there."""
    live = ground.live
    for name, manifest in live.manifests.items():
        role = live.records[name].role
        yield _Leftover(manifest["kind"], manifest["apiVersion"], name, role or "")
    for planned in ground.coming.objects if ground.coming else ():
        if planned.name not in live.records:
            yield _Leftover(planned.kind, planned.api_version, planned.name, planned.role)


def _removal_rank(role: str) -> int:
    return _REMOVED_FIRST.index(ObjectRole(role)) if role in _REMOVED_FIRST else 0


def _planned(ground: Ground, wanted: CompiledObject) -> PlannedObject:
    before = ground.live.manifests.get(wanted.name)
    approved = _approved(ground, wanted, before)
    if before is not None and approved is not None:
        if not _is_exempting(ground, wanted):
            return _object(wanted, Verb.REPLACE, before, before, approved, is_kept=True)
        wanted = replace(wanted, manifest=with_exemptions(approved, ground.spec.exemptions))
    change = write_of(wanted.kind, wanted.api_version, wanted.name, wanted.manifest, before)
    answer = write(ground.gateway, change, decision=DRY_RUN_DECISION, dry_run=True)
    return _object(
        wanted,
        change.verb,
        before,
        answer.manifest,
        wanted.manifest,
        is_kept=_is_as_wanted(ground, before, answer.manifest),
        warnings=answer.warnings,
    )


def _approved(ground: Ground, wanted: CompiledObject, before: Manifest | None) -> Manifest | None:
    """Give what was written last if it must stay as it is: only an install changes the policy that makes the evidence.

    A newer secprof may write the same parameters in another way; nobody has approved that yet.
    """
    denies = wanted.role in {ObjectRole.TWIN, ObjectRole.COMPANION}
    if denies and ground.verb not in EXEMPTING_VERBS:
        return None
    if ground.verb is FlipVerb.INSTALL or before is None or ground.current is None:
        return None
    for stored in ground.current.objects_wanted:
        if stored["name"] == wanted.name and stored["digest"] == policy_digest(before):
            manifest: Manifest = stored["manifest"]
            return manifest
    return None


def _is_exempting(ground: Ground, wanted: CompiledObject) -> bool:
    """Say whether this object is what an exception changes: the policy that carries its exemptions itself."""
    return ground.verb in EXEMPTING_VERBS and wanted.role is ObjectRole.AUDIT


def _is_as_wanted(ground: Ground, before: Manifest | None, after: Manifest) -> bool:
    if before is None or policy_digest(before) != policy_digest(after):
        return False
    # Our annotations decide nothing, and an install brings them up to date all the same.
    return ground.verb is not FlipVerb.INSTALL or own_annotations(before) == own_annotations(after)


def own_annotations(manifest: Manifest) -> dict[str, str]:
    """Give the annotations in which secprof says where an object comes from."""
    annotations = manifest["metadata"].get("annotations") or {}
    return {k: v for k, v in annotations.items() if k.startswith(OWN_ANNOTATIONS)}


def _object(
    compiled: CompiledObject,
    verb: Verb,
    before: Manifest | None,
    after: Manifest,
    wanted: Manifest,
    *,
    is_kept: bool,
    warnings: tuple[str, ...] = (),
) -> PlannedObject:
    return PlannedObject(
        verb="keep" if is_kept else verb.value,
        kind=compiled.kind,
        api_version=compiled.api_version,
        name=compiled.name,
        role=compiled.role.value,
        before=before,
        after=after,
        wanted=wanted,
        before_digest=policy_digest(before) if before else ABSENT,
        after_digest=policy_digest(after),
        warnings=warnings,
    )


def _planned_removal(ground: Ground, leftover: _Leftover) -> PlannedObject:
    """Plan to remove an object, or to see to it that one which is not there yet does not stay."""
    before = ground.live.manifests.get(leftover.name)
    warnings: tuple[str, ...] = ()
    if before is not None:
        change = write_of(leftover.kind, leftover.api_version, leftover.name, None, before)
        warnings = write(ground.gateway, change, decision=DRY_RUN_DECISION, dry_run=True).warnings
    return PlannedObject(
        verb=Verb.DELETE.value,
        kind=leftover.kind,
        api_version=leftover.api_version,
        name=leftover.name,
        role=str(leftover.role),
        before=before,
        after=None,
        wanted=None,
        before_digest=policy_digest(before) if before else ABSENT,
        after_digest=ABSENT,
        warnings=warnings,
    )
