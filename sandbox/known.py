"""What the library compiles for one variant, taken apart: the only expressions that the sandbox understands."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from typing import Any

from policies.domain.library import Check, VariantSpec, checks_of, compile_objects, spec_of_manifest
from sandbox.store import Manifest

Pairs = tuple[tuple[str, str], ...]


class UnknownPolicy(ValueError):
    """The sandbox cannot run this policy; the message names the first part that it does not know."""


@dataclass(frozen=True, slots=True)
class Known:
    """The parts of a variant's objects."""

    spec: VariantSpec
    checks: dict[str, Check]
    """By their CEL expression."""
    variables: frozenset[tuple[str, Pairs]]
    """Each expression with the variables that it may stand beside."""
    changed: frozenset[str]
    """The conditions that leave out updates which change nothing that is judged."""
    harmless: frozenset[str]
    """Conditions that always hold."""
    resource_rules: tuple[Manifest, ...]
    """Of a native policy."""


def known(manifest: Manifest) -> Known:
    """Find what a policy may consist of, by what it says of its own variant. Raises UnknownPolicy."""
    spec = spec_of_manifest(manifest)
    if spec is None:
        raise UnknownPolicy("no readable annotation secprof.io/parameters")
    return _take_apart(spec)


@lru_cache(maxsize=256)
def _take_apart(spec: VariantSpec) -> Known:
    own = (f"namespace-{number}" for number in count())
    somewhere = next(name for name in own if name not in spec.parameters.excluded_namespaces)
    variables: set[tuple[str, Pairs]] = set()
    changed: set[str] = set()
    harmless: set[str] = set()
    rules: tuple[Manifest, ...] = ()
    for compiled in compile_objects(spec, (somewhere,)):
        body = compiled.manifest["spec"]
        for part in _judging_parts(body):
            beside = pairs(part.get("variables"))
            variables.update((each["expression"], beside) for each in part["expressions"])
        for condition in _conditions(body):
            kind = {"changed-pod-spec": changed, "own-webhook": harmless}.get(condition["name"])
            if kind is not None:
                kind.add(condition["expression"])
        rules = tuple((body.get("matchConstraints") or {}).get("resourceRules") or rules)
    checks = {check.expression: check for check in checks_of(spec)}
    return Known(spec, checks, frozenset(variables), frozenset(changed), frozenset(harmless), rules)


def pairs(variables: list[Any] | None) -> Pairs:
    return tuple((entry["name"], entry["expression"]) for entry in variables or ())


def _judging_parts(body: Manifest) -> Iterator[Manifest]:
    for rule in body.get("rules") or ():
        yield rule["validate"]["cel"]
    if "validations" in body:
        yield {"variables": body.get("variables"), "expressions": body["validations"]}


def _conditions(body: Manifest) -> Iterator[Manifest]:
    yield from body.get("matchConditions") or ()
    yield from (body.get("webhookConfiguration") or {}).get("matchConditions") or ()
    for rule in body.get("rules") or ():
        yield from rule.get("celPreconditions") or ()
