"""The form of a variant in words: its choices and groups, and what was typed so far as compiled manifests."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.forms import BooleanField, BoundField, Form

from policies.domain.controls import Control, Mechanism
from policies.domain.library import (
    API_VERSIONS,
    TEMPLATES,
    InvalidVariant,
    Target,
    VariantSpec,
    compile_objects,
    judged_by,
    probe_pods,
)
from policies.domain.library.targets import TargetFacts, cautions, choices, unsafe
from policies.domain.objects import WorkloadKind
from policies.domain.observed import behaviour_of
from policies.domain.plans import object_diff
from policies.queries.variants import ObjectState
from policies.web.presenters.controls import ShownControl, shown_controls
from policies.web.presenters.diffs import Block, diff_blocks
from policies.web.presenters.variants import CompiledText, compiled

EXAMPLE_NAMESPACE = "example"
"""The namespace that a preview enforces where nothing is enforced yet, to show the twin."""
EXAMPLE_NAMES = {"seccomp": "require-seccomp", "apparmor": "require-apparmor"}

_TEMPLATE_HELP = {
    "seccomp": "Filters system calls. Works on every Linux node.",
    "apparmor": "Confines files, capabilities and more. Only for nodes with AppArmor.",
    "confined-pods": "Both at once, in one policy.",
}
TARGET_HELP = {
    Target.CLUSTER_POLICY: "Kyverno 1.11 to 1.19",
    Target.VALIDATING_POLICY: "Kyverno 1.14 and newer",
    Target.NATIVE: "Kubernetes 1.30 and newer, no Kyverno needed; nothing reports on it",
}
_MECHANISM_TITLES = {Mechanism.SECCOMP: "Seccomp profiles", Mechanism.APPARMOR: "AppArmor profiles"}
_PATTERN_HELP = {
    Mechanism.SECCOMP: "Paths below the folder, such as operator/*.json. * stays within a folder, ** crosses folders.",
    Mechanism.APPARMOR: "Names of loaded profiles, such as k8s-*. * matches all but a slash.",
}
_DEFAULT_HELP = {
    Mechanism.SECCOMP: "RuntimeDefault, or Localhost:profiles/web.json.",
    Mechanism.APPARMOR: "RuntimeDefault, or Localhost:k8s-web.",
}


@dataclass(frozen=True, slots=True)
class Choice:
    """One option of a form."""

    value: str
    title: str
    help: str


@dataclass(frozen=True, slots=True)
class ProfileGroup:
    """The fields of one mechanism."""

    mechanism: str
    title: str
    types: BoundField
    allowed: BoundField
    denied: BoundField
    default: BoundField
    location: BoundField
    pattern_help: str
    default_help: str
    has_annotations: bool
    installed: tuple[str, ...] | None
    """None: not known, or not asked yet."""


@dataclass(frozen=True, slots=True)
class TargetAnswer:
    """Which kind of policy it will be, and why; or why it cannot be the one that was chosen."""

    target: Target
    api_version: str
    sentence: str
    is_refused: bool = False
    notes: tuple[str, ...] = ()
    """What to know about it on this cluster."""


@dataclass(frozen=True, slots=True)
class Change:
    """One object as the newest parameters compile it, beside the one that is installed."""

    name: str
    word: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Preview:
    """What was typed so far compiles to, or why it does not."""

    objects: tuple[CompiledText, ...] = ()
    trouble: str = ""
    target: TargetAnswer | None = None
    judged: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    changes: tuple[Change, ...] | None = None
    """None where nothing is installed to compare with."""


TEMPLATE_CHOICES = tuple(
    Choice(t.name, t.title, _TEMPLATE_HELP[t.name]) for t in TEMPLATES.values()
)


TARGET_CHOICES = (
    Choice("", "By the cluster's facts", "The usual choice for the versions that run there"),
    *(Choice(t.value, t.value, TARGET_HELP[t]) for t in Target),
)


def control_options(
    mechanisms: Iterable[Mechanism], kubernetes: str = ""
) -> tuple[ShownControl, ...]:
    """Word the controls of these mechanisms, and those of both."""
    known = {"", *(m.value for m in mechanisms)}
    return tuple(c for c in shown_controls(Control, kubernetes) if c.mechanism in known)


def profile_groups(
    form: Form, mechanisms: Iterable[Mechanism], installed: Mapping[Mechanism, Any]
) -> tuple[ProfileGroup, ...]:
    """Gather the fields of each mechanism."""
    return tuple(
        ProfileGroup(
            mechanism.value,
            _MECHANISM_TITLES[mechanism],
            types=form[f"{mechanism}_types"],
            allowed=form[f"{mechanism}_allowed"],
            denied=form[f"{mechanism}_denied"],
            default=form[f"{mechanism}_default"],
            location=form[f"{mechanism}_location"],
            pattern_help=_PATTERN_HELP[mechanism],
            default_help=_DEFAULT_HELP[mechanism],
            has_annotations=mechanism is Mechanism.APPARMOR,
            installed=installed.get(mechanism),
        )
        for mechanism in mechanisms
    )


def field_errors(form: Form) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Pair every visible field that can be wrong with what is wrong with it, for slots that are refreshed as one types."""
    fields = [f for f in form.visible_fields() if not isinstance(f.field, BooleanField)]
    slots = {field.name: field.errors for field in fields}
    slots["form"] = form.non_field_errors()
    return tuple((name, tuple(map(str, errors))) for name, errors in slots.items())


def target_answer(
    facts: TargetFacts | None, typed: str, mechanisms: Iterable[Mechanism]
) -> TargetAnswer:
    """Say which kind of policy it will be, from what was collected last: the cluster is asked when it is created."""
    chosen = Target(typed) if typed in set(Target) else None
    usual = chosen or next(iter(Target))
    if facts is None:
        sentence = "Nothing was collected from this cluster yet: what it serves is asked when it is created."
        return TargetAnswer(usual, API_VERSIONS[usual][0], sentence)
    safe = choices(facts, mechanisms)
    found = next((c for c in safe if chosen in (None, c.target)), None)
    if found is not None:
        notes = cautions(found.target, facts)
        return TargetAnswer(found.target, found.api_version, found.reason, notes=notes)
    version = API_VERSIONS[usual][0]
    why = unsafe(usual, version, facts, mechanisms) or "Nothing that secprof writes is safe here."
    return TargetAnswer(usual, version, why, is_refused=True)


def previewed(
    spec_of: Callable[[], VariantSpec],
    *,
    answer: TargetAnswer | None = None,
    enforced: tuple[str, ...] = (),
    installed: tuple[ObjectState, ...] = (),
) -> Preview:
    """Compile what was typed so far; `spec_of` and the compilation may raise InvalidVariant."""
    try:
        spec = spec_of()
        objects = compiled(spec, enforced or (EXAMPLE_NAMESPACE,))
        probe_pods(spec)
    except InvalidVariant as error:
        return Preview(trouble=str(error), target=answer)
    judged = judged_by(spec)
    return Preview(
        objects=objects,
        target=answer,
        judged=tuple(kind.value for kind in judged),
        left_out=tuple(kind.value for kind in WorkloadKind if kind not in judged),
        changes=tuple(_changes(spec, enforced, installed)) if installed else None,
    )


def _changes(
    spec: VariantSpec, enforced: tuple[str, ...], installed: tuple[ObjectState, ...]
) -> Iterable[Change]:
    wanted = {(o.kind, o.name): behaviour_of(o.manifest) for o in compile_objects(spec, enforced)}
    there = {(o.kind, o.name): behaviour_of(o.observed) for o in installed if o.observed}
    for key in sorted({*wanted, *there}):
        before, after = there.get(key), wanted.get(key)
        word = "is new" if not before else "goes" if not after else "changes"
        lines = object_diff(before, after)
        yield Change(key[1], word if lines else "stays as it is", diff_blocks(lines))
