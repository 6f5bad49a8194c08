"""The parameters of a template: what its controls demand, of whom, and in which words. The same for every kind of policy."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self

from policies.domain.controls import IMPLIED, SECCOMP_CONTROLS, Control, Mechanism, in_order
from policies.domain.names import is_dns_label, is_label_key, is_label_value
from policies.domain.objects import WorkloadKind

PROFILE_TYPES = ("RuntimeDefault", "Localhost")
"""The types that a profile may have and still confine; every other one counts as bad."""
RUNTIME_DEFAULT, LOCALHOST = PROFILE_TYPES
LOCALHOST_PREFIX = "Localhost:"
AUDIT = "Audit"
MESSAGE_LIMIT = 300
LIST_LIMIT = 500
REFERENCE_LIMIT = 253

_LOCATIONS = {Mechanism.SECCOMP: "/var/lib/kubelet/seccomp", Mechanism.APPARMOR: "/etc/apparmor.d"}
# What Kubernetes, a shell and a regular expression read alike; a pattern may hold `*` besides.
_REFERENCE = re.compile(r"[A-Za-z0-9_.:@+/-]+")
_PATTERN = re.compile(r"[A-Za-z0-9_.:@+/*-]+")
_UNSAFE_PATH = re.compile(r"(^|/)\.{0,2}(/|\Z)")


class InvalidParameters(ValueError):
    """Some parameters are not fit; `problems` pairs the name of each with what to do about it."""

    def __init__(self, problems: tuple[tuple[str, str], ...]) -> None:
        super().__init__(" ".join(f"{name}: {text}" for name, text in problems))
        self.problems = problems


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileParameters:
    """What is demanded of the profiles of one mechanism."""

    types: tuple[str, ...] = PROFILE_TYPES
    """The types that meet `require-…`."""
    allowed: tuple[str, ...] = ()
    """Patterns that a Localhost profile must match one of, for `allowed-profiles`: `*` stays within a folder, `**`
    crosses folders. Empty: none is allowed."""
    denied: tuple[str, ...] = ()
    """Patterns that it must not match, whatever is allowed."""
    default: str = RUNTIME_DEFAULT
    """The profile that fixes propose: `RuntimeDefault`, or `Localhost:` with its path or name."""
    location: str = ""
    """The folder on a node where Localhost profiles lie; empty for the usual one."""
    installed: tuple[str, ...] | None = None
    """The Localhost profiles known to be on every node, for `profile-installed`. None: not known, and nothing fails."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """The parameters of one variant, each list in a fixed order.

    Raises:
        InvalidParameters: with every parameter that is not fit.
    """

    controls: tuple[Control, ...] = SECCOMP_CONTROLS
    failure_action: str = AUDIT
    """What the policy starts with. Only Audit: enforcing takes a flip."""
    seccomp: ProfileParameters = field(default_factory=ProfileParameters)
    apparmor: ProfileParameters = field(default_factory=ProfileParameters)
    apparmor_annotations: bool = True
    """Whether the cluster still reads AppArmor annotations."""
    excluded_namespaces: tuple[str, ...] = ()
    excluded_labels: tuple[tuple[str, str], ...] = ()
    """Pods that carry one of these labels are left alone; an empty value stands for any."""
    kinds: tuple[WorkloadKind, ...] = tuple(WorkloadKind)
    """The kinds whose pod template is judged when they are written; pods always are."""
    message: str = ""
    """A sentence for those who are refused, after secprof's own: whom to ask, what to read."""

    def __post_init__(self) -> None:
        problems = tuple(_problems(self))
        if problems:
            raise InvalidParameters(problems)
        settle = object.__setattr__
        implied = [IMPLIED[c] for c in self.controls if c in IMPLIED]
        settle(self, "controls", in_order([*self.controls, *implied]))
        settle(self, "seccomp", _settled(self.seccomp, Mechanism.SECCOMP))
        settle(self, "apparmor", _settled(self.apparmor, Mechanism.APPARMOR))
        settle(self, "excluded_namespaces", _sorted(self.excluded_namespaces))
        settle(self, "excluded_labels", tuple(sorted(set(self.excluded_labels))))
        kinds = {WorkloadKind.POD, *self.kinds}
        settle(self, "kinds", tuple(kind for kind in WorkloadKind if kind in kinds))
        settle(self, "message", self.message.strip())

    def of(self, mechanism: Mechanism) -> ProfileParameters:
        """Give what is demanded of this mechanism's profiles."""
        return self.seccomp if mechanism is Mechanism.SECCOMP else self.apparmor

    def excludes(self, labels: Mapping[str, str] | None) -> bool:
        """Say whether pods with these labels are left alone."""
        own = labels or {}
        return any(key in own and value in ("", own[key]) for key, value in self.excluded_labels)

    def to_json(self) -> dict[str, Any]:
        """Write the parameters as plain JSON types, those with their default value left out."""
        plain = _plain(self, _DEFAULTS)
        return {"controls": [str(control) for control in self.controls], **plain}

    @classmethod
    def from_json(cls, stored: object) -> Self:
        """Read what `to_json` wrote, or what a person wrote into a file.

        Raises:
            InvalidParameters: a name is unknown, a value has the wrong type, or a parameter is not fit.
        """
        values = _read(stored, "", _SHAPES)
        for mechanism in Mechanism:
            if mechanism.value in values:
                part = _read(values[mechanism.value], f"{mechanism.value}.", _PROFILE_SHAPES)
                values[mechanism.value] = ProfileParameters(**part)
        return cls(**values)


def reference_of(default: str) -> str:
    """Give the path or name in `Localhost:…`; empty for RuntimeDefault."""
    return default.removeprefix(LOCALHOST_PREFIX) if default.startswith(LOCALHOST_PREFIX) else ""


def is_safe_path(reference: str) -> bool:
    """Say whether a seccomp path is relative, stays below its folder and is written the one normal way."""
    return _UNSAFE_PATH.search(reference) is None


def _sorted(values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted(set(values)))


def _settled(part: ProfileParameters, mechanism: Mechanism) -> ProfileParameters:
    return ProfileParameters(
        types=tuple(t for t in PROFILE_TYPES if t in part.types),
        allowed=_sorted(part.allowed),
        denied=_sorted(part.denied),
        default=part.default,
        location=part.location.rstrip("/") or _LOCATIONS[mechanism],
        installed=None if part.installed is None else _sorted(part.installed),
    )


# Problems, by name of the parameter


def _problems(parameters: Parameters) -> Iterator[tuple[str, str]]:
    if not parameters.controls:
        yield "controls", "Choose at least one control."
    if parameters.failure_action != AUDIT:
        yield (
            "failure_action",
            "A policy starts with Audit. Enforcing is a flip, namespace by namespace, with an approval and a proof.",
        )
    for mechanism in Mechanism:
        for name, text in _profile_problems(parameters.of(mechanism), mechanism):
            yield f"{mechanism}.{name}", text
    for namespace in parameters.excluded_namespaces:
        if not is_dns_label(namespace):
            yield "excluded_namespaces", f"{namespace!r} is not the name of a namespace."
    for key, value in parameters.excluded_labels:
        if not is_label_key(key) or (value and not is_label_value(value)):
            yield "excluded_labels", f"{key}={value} is not a label."
    if len(parameters.message) > MESSAGE_LIMIT or not parameters.message.isprintable():
        yield "message", f"At most {MESSAGE_LIMIT} characters on one line."


def _profile_problems(part: ProfileParameters, mechanism: Mechanism) -> Iterator[tuple[str, str]]:
    if not part.types or set(part.types) - set(PROFILE_TYPES):
        yield (
            "types",
            f"Choose among {' and '.join(PROFILE_TYPES)}; Unconfined can never be allowed.",
        )
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
    wanted = RUNTIME_DEFAULT if part.default == RUNTIME_DEFAULT else LOCALHOST
    reference = reference_of(part.default)
    if wanted not in part.types:
        yield "default", f"{wanted} is not among the allowed types."
    elif wanted is LOCALHOST and not _fits(reference, _REFERENCE, mechanism):
        yield (
            "default",
            f"Write RuntimeDefault, or {LOCALHOST_PREFIX} and a profile. {_unfit(reference, mechanism)}",
        )
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


# Reading and writing plain JSON


def _plain(record: Any, default: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for one in fields(record):
        value, usual = getattr(record, one.name), getattr(default, one.name)
        if one.name == "controls" or value == usual:
            continue
        if isinstance(value, ProfileParameters):
            found[one.name] = _plain(value, usual)
        elif isinstance(value, tuple):
            found[one.name] = [list(v) if isinstance(v, tuple) else str(v) for v in value]
        else:
            found[one.name] = value
    return found


_DEFAULTS = Parameters()


def _read(stored: object, prefix: str, shapes: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(stored, Mapping):
        raise InvalidParameters(((prefix.rstrip(".") or "parameters", "Write names and values."),))
    problems: list[tuple[str, str]] = []
    values: dict[str, Any] = {}
    for name, value in stored.items():
        if name not in shapes:
            known = ", ".join(shapes)
            problems.append((f"{prefix}{name}", f"There is no such parameter; there are {known}."))
            continue
        try:
            values[name] = shapes[name](value)
        except (TypeError, ValueError) as error:
            problems.append((f"{prefix}{name}", str(error)))
    if problems:
        raise InvalidParameters(tuple(problems))
    return values


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("Write a text.")
    return value


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError("Write true or false.")
    return value


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, (list, tuple)) or not all(isinstance(item, str) for item in value):
        raise TypeError("Write a list of texts.")
    return tuple(value)


def _maybe_texts(value: object) -> tuple[str, ...] | None:
    return None if value is None else _texts(value)


def _labels(value: object) -> tuple[tuple[str, str], ...]:
    if isinstance(value, Mapping):
        value = list(value.items())
    if not isinstance(value, (list, tuple)):
        raise TypeError("Write labels as `key: value`.")
    pairs = [_texts(pair) for pair in value]
    if not all(len(pair) == 2 for pair in pairs):
        raise ValueError("Write each label as a key and a value.")
    return tuple((pair[0], pair[1]) for pair in pairs)


def _kinds(value: object) -> tuple[WorkloadKind, ...]:
    return tuple(WorkloadKind(kind) for kind in _texts(value))


_SHAPES: Mapping[str, Any] = {
    "controls": lambda value: in_order(_texts(value)),
    "failure_action": _text,
    "seccomp": lambda value: value,
    "apparmor": lambda value: value,
    "apparmor_annotations": _flag,
    "excluded_namespaces": _texts,
    "excluded_labels": _labels,
    "kinds": _kinds,
    "message": _text,
}
_PROFILE_SHAPES: Mapping[str, Any] = {
    "types": _texts,
    "allowed": _texts,
    "denied": _texts,
    "default": _text,
    "location": _text,
    "installed": _maybe_texts,
}
