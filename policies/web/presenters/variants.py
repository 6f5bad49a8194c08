"""Variants in words: the choices of the form, compiled manifests as text, and drift as a diff."""

from dataclasses import dataclass
from datetime import datetime

from policies.domain.controls import Control
from policies.domain.library import (
    API_VERSIONS,
    TEMPLATES,
    InvalidVariant,
    Target,
    VariantSpec,
    compile_objects,
)
from policies.domain.parameters import Parameters
from policies.domain.plans import manifest_text, object_diff
from policies.queries.variants import ObjectState
from policies.web.presenters.diffs import Block, diff_blocks

EXAMPLE_NAMESPACE = "example"
"""The namespace that a preview enforces, to show the twin."""

_CONTROL_TITLES = {
    Control.REQUIRE_SECCOMP: "Require a seccomp profile (RuntimeDefault or Localhost)",
    Control.DENY_UNCONFINED_SECCOMP: "Deny Unconfined",
}
_CONTROL_HELP = {
    Control.REQUIRE_SECCOMP: "Every container needs one, of its own or from its pod.",
    Control.DENY_UNCONFINED_SECCOMP: "A container that sets nothing still passes.",
}
_TARGET_HELP = {
    Target.CLUSTER_POLICY: "Kyverno 1.11 to 1.19",
    Target.VALIDATING_POLICY: "Kyverno 1.14 and newer",
    Target.NATIVE: "Kubernetes 1.30 and newer, no Kyverno needed",
}


@dataclass(frozen=True, slots=True)
class Choice:
    """One option of a form."""

    value: str
    title: str
    help: str


CONTROL_CHOICES = tuple(
    Choice(
        ",".join(control.value for control in choice),
        " and ".join(
            _CONTROL_TITLES[c] if n == 0 else _CONTROL_TITLES[c][0].lower() + _CONTROL_TITLES[c][1:]
            for n, c in enumerate(choice)
        ),
        _CONTROL_HELP[choice[0]],
    )
    for template in TEMPLATES.values()
    for choice in template.choices
)
TARGET_CHOICES = tuple(Choice(t.value, t.value, _TARGET_HELP[t]) for t in Target)

_ROLES = {
    "audit": "Audit policy, for every namespace",
    "twin": "Twin, refuses in the enforced namespaces",
    "companion": "Companion of the twin, refuses debug containers",
}


@dataclass(frozen=True, slots=True)
class CompiledText:
    """One compiled object as YAML."""

    kind: str
    name: str
    role: str
    text: str


@dataclass(frozen=True, slots=True)
class Preview:
    """What the typed parameters compile to, or why they do not."""

    objects: tuple[CompiledText, ...]
    trouble: str


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


def previewed(name: str, controls: str, target: str) -> Preview:
    """Compile what was typed so far; the defaults stand in for what was not."""
    chosen = controls or CONTROL_CHOICES[0].value
    kind = Target(target) if target in set(Target) else Target.CLUSTER_POLICY
    try:
        spec = VariantSpec(
            name=name or "require-seccomp",
            target=kind,
            api_version=API_VERSIONS[kind][0],
            parameters=Parameters(
                controls=tuple(c for c in Control if c.value in chosen.split(","))
            ),
        )
    except InvalidVariant as error:
        return Preview((), str(error))
    return Preview(compiled(spec, (EXAMPLE_NAMESPACE,)), "")


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
