"""Variants in words: what they ask, compiled manifests as text, revisions, and drift as a diff."""

from dataclasses import dataclass
from datetime import datetime

import yaml

from policies.domain.controls import Control, Mechanism
from policies.domain.library import VariantSpec, compile_objects
from policies.domain.objects import WorkloadKind
from policies.domain.parameters import ProfileParameters
from policies.domain.plans import manifest_text, object_diff
from policies.queries.variants import ObjectState, VariantPage, Wish
from policies.web.presenters.controls import ShownControl, shown_controls
from policies.web.presenters.diffs import Block, compared, diff_blocks
from policies.web.words import count_of, listed

_ROLES = {
    "audit": "Audit policy, for every namespace",
    "twin": "Twin, refuses in the enforced namespaces",
    "companion": "Companion of the twin, refuses debug containers",
    "binding": "Binding, has the policy warn and audit everywhere",
}


@dataclass(frozen=True, slots=True)
class CompiledText:
    """One compiled object as YAML."""

    kind: str
    name: str
    role: str
    text: str


@dataclass(frozen=True, slots=True)
class ShownObject:
    """One object of a variant, with its drift."""

    kind: str
    name: str
    role: str
    state: str
    is_ready: bool | None
    changed_at: datetime | None
    text: str
    blocks: tuple[Block, ...]


def compiled(spec: VariantSpec, enforced: tuple[str, ...]) -> tuple[CompiledText, ...]:
    """Compile a variant for some enforced namespaces, as text."""
    return tuple(
        CompiledText(o.kind, o.name, _ROLES[o.role], manifest_text(o.manifest))
        for o in compile_objects(spec, enforced)
    )


@dataclass(frozen=True, slots=True)
class ParameterLine:
    """One parameter in words."""

    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Asked:
    """What a variant asks."""

    controls: tuple[ShownControl, ...]
    lines: tuple[ParameterLine, ...]


@dataclass(frozen=True, slots=True)
class ShownWishes:
    """The revisions of a variant, and the difference between two of them."""

    rows: tuple[Wish, ...]
    installed_number: int | None
    revision: int
    against: int
    blocks: tuple[Block, ...]


_MECHANISM_NAMES = {Mechanism.SECCOMP: "Seccomp", Mechanism.APPARMOR: "AppArmor"}


def asked(spec: VariantSpec, kubernetes: str = "", *, is_whole: bool = True) -> Asked:
    """Say what a variant asks, in words; what its template does not have is left out.

    Unless all of the cluster is seen, the excluded namespaces of the specification may be some of them only.
    """
    parameters = spec.parameters
    lines = [line for m in spec.mechanisms for line in _profile_lines(spec, m)]
    if Mechanism.APPARMOR in spec.mechanisms:
        read = "count" if parameters.apparmor_annotations else "do not count"
        lines.append(ParameterLine("AppArmor annotations", read))
    labels = tuple(f"{key}={value}" if value else key for key, value in parameters.excluded_labels)
    of_yours = "" if is_whole else ", of yours"
    for title, names in (
        (f"Namespaces left alone{of_yours}", parameters.excluded_namespaces),
        ("Labels left alone", labels),
    ):
        lines.append(ParameterLine(title, ", ".join(names) or "none"))
    kinds = parameters.kinds
    every = len(kinds) == len(WorkloadKind)
    lines.append(ParameterLine("Kinds", "all nine" if every else ", ".join(kinds)))
    lines.append(ParameterLine("Begins with", parameters.failure_action))
    if parameters.message:
        lines.append(ParameterLine("Message", parameters.message))
    return Asked(shown_controls(spec.controls, kubernetes), tuple(lines))


def _profile_lines(spec: VariantSpec, mechanism: Mechanism) -> list[ParameterLine]:
    part = spec.parameters.of(mechanism)
    name = _MECHANISM_NAMES[mechanism]
    lines = [
        ParameterLine(f"{name} types", " or ".join(part.types)),
        ParameterLine(f"{name} default", part.default),
    ]
    if Control.ALLOWED_PROFILES in spec.controls:
        lines.append(ParameterLine(f"{name} Localhost profiles", _patterns(part)))
    if Control.PROFILE_INSTALLED in spec.controls:
        lines.append(ParameterLine(f"{name} installed", _installed(part)))
    lines.append(ParameterLine(f"{name} profiles lie in", part.location))
    return lines


def _patterns(part: ProfileParameters) -> str:
    allowed = ", ".join(part.allowed) or "none allowed"
    return f"{allowed}; never {', '.join(part.denied)}" if part.denied else allowed


def _installed(part: ProfileParameters) -> str:
    if part.installed is None:
        return "not known, so nothing fails"
    return listed(part.installed, limit=8) or count_of(0, "profile")


def shown_wishes(page: VariantPage, revision: str, against: str) -> ShownWishes:
    """List the revisions and compare two: those asked for, or the newest with what is installed or came before."""
    by_number = {wish.number: wish for wish in page.wishes}
    newest = max(by_number)
    chosen = _number(revision, by_number, newest)
    usual = page.row.installed_number or newest
    other = _number(against, by_number, usual if usual != chosen else max(1, chosen - 1))
    blocks = compared(_wish_text(by_number[other]), _wish_text(by_number[chosen]))
    return ShownWishes(page.wishes, page.row.installed_number, chosen, other, blocks)


def _number(typed: str, known: dict[int, Wish], usual: int) -> int:
    return int(typed) if typed.isdigit() and int(typed) in known else usual


def _wish_text(wish: Wish) -> str:
    return yaml.safe_dump(wish.parameters.to_json(), sort_keys=False, allow_unicode=True)


def shown_objects(objects: tuple[ObjectState, ...]) -> tuple[ShownObject, ...]:
    """Word the objects of a variant, with the difference where one drifted."""
    return tuple(_object(o) for o in objects)


def _object(state: ObjectState) -> ShownObject:
    lines = () if state.state == "as-wanted" else object_diff(state.wanted, state.observed)
    observed = state.observed
    return ShownObject(
        state.kind,
        state.name,
        _ROLES.get(state.role, "of no known role"),
        state.state,
        state.is_ready,
        state.changed_at,
        manifest_text(observed) if observed else "",
        diff_blocks(lines),
    )
