"""Whether parameters are fit: every problem at once, by the name of its parameter."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from policies.domain.controls import Control, Mechanism
from policies.domain.names import is_dns_label, is_label_key, is_label_value
from policies.domain.parameters.problems import Problem
from policies.domain.parameters.profiles import (
    LOCALHOST,
    LOCALHOST_PREFIX,
    PROFILE_TYPES,
    RUNTIME_DEFAULT,
    ProfileParameters,
    is_safe_path,
    is_unconfined,
    reference_of,
)
from policies.domain.patterns import matches_any

if TYPE_CHECKING:
    from policies.domain.parameters.records import Parameters

AUDIT = "Audit"
MESSAGE_LIMIT = 300
LIST_LIMIT = 500
REFERENCE_LIMIT = 253

# What Kubernetes, a shell and a regular expression read alike; a pattern may hold `*` besides.
_REFERENCE = re.compile(r"[A-Za-z0-9_.:@+/-]+")
_PATTERN = re.compile(r"[A-Za-z0-9_.:@+/*-]+")


def problems_of(parameters: "Parameters") -> tuple[Problem, ...]:
    """Name every parameter that is not fit, with what to do about it."""
    found = [*_general(parameters), *_exclusions(parameters)]
    for mechanism in Mechanism:
        part = parameters.of(mechanism)
        of_profile = [*_types(part), *_lists(part, mechanism), *_default(part, mechanism)]
        if Control.ALLOWED_PROFILES in parameters.controls:
            of_profile += _default_is_allowed(part)
        found += [(f"{mechanism}.{name}", text) for name, text in (*of_profile, *_location(part))]
    return tuple(found)


def _general(parameters: "Parameters") -> Iterator[Problem]:
    if not parameters.controls:
        yield "controls", "Choose at least one control."
    if parameters.failure_action != AUDIT:
        yield (
            "failure_action",
            "A policy starts with Audit. Enforcing is a flip, namespace by namespace, with an approval and a proof.",
        )
    if len(parameters.message) > MESSAGE_LIMIT or not parameters.message.isprintable():
        yield "message", f"At most {MESSAGE_LIMIT} characters on one line."


def _exclusions(parameters: "Parameters") -> Iterator[Problem]:
    for namespace in parameters.excluded_namespaces:
        if not is_dns_label(namespace):
            yield "excluded_namespaces", f"{namespace!r} is not the name of a namespace."
    for key, value in parameters.excluded_labels:
        if not is_label_key(key) or (value and not is_label_value(value)):
            yield "excluded_labels", f"{key}={value} is not a label."


def _types(part: ProfileParameters) -> Iterator[Problem]:
    if not part.types or set(part.types) - set(PROFILE_TYPES):
        yield (
            "types",
            f"Choose among {' and '.join(PROFILE_TYPES)}; Unconfined can never be allowed.",
        )


def _lists(part: ProfileParameters, mechanism: Mechanism) -> Iterator[Problem]:
    for name, values, fit in (
        ("allowed", part.allowed, _PATTERN),
        ("denied", part.denied, _PATTERN),
        ("installed", part.installed or (), _REFERENCE),
    ):
        if len(values) > LIST_LIMIT:
            yield name, f"At most {LIST_LIMIT} entries."
        for value in values:
            if not _fits(value, fit, mechanism):
                yield name, _unfit(value, mechanism)


def _default(part: ProfileParameters, mechanism: Mechanism) -> Iterator[Problem]:
    wanted = RUNTIME_DEFAULT if part.default == RUNTIME_DEFAULT else LOCALHOST
    reference = reference_of(part.default)
    if wanted not in part.types:
        yield "default", f"{wanted} is not among the allowed types."
    elif wanted is LOCALHOST and not _fits(reference, _REFERENCE, mechanism):
        yield (
            "default",
            f"Write RuntimeDefault, or {LOCALHOST_PREFIX} and a profile. {_unfit(reference, mechanism)}",
        )
    elif is_unconfined(reference):
        yield "default", f"{reference!r} confines nothing."


def _default_is_allowed(part: ProfileParameters) -> Iterator[Problem]:
    reference = reference_of(part.default)
    if not reference:
        return
    if not matches_any(part.allowed, reference) or matches_any(part.denied, reference):
        yield "default", f"{reference!r} is not among the allowed profiles."


def _location(part: ProfileParameters) -> Iterator[Problem]:
    if part.location and not (
        part.location.startswith("/") and _REFERENCE.fullmatch(part.location)
    ):
        yield "location", "Write an absolute folder, such as /var/lib/kubelet/seccomp."


def _fits(value: str, fit: re.Pattern[str], mechanism: Mechanism) -> bool:
    if len(value) > REFERENCE_LIMIT or not fit.fullmatch(value):
        return False
    return mechanism is Mechanism.APPARMOR or is_safe_path(value)


def _unfit(value: str, mechanism: Mechanism) -> str:
    if mechanism is Mechanism.APPARMOR:
        return f"{value!r} is not the name of a loaded profile: write it without `localhost/`, as `k8s-web`."
    return f"{value!r} is not a path below the seccomp folder: write it as `profiles/web.json`, without a leading slash."
