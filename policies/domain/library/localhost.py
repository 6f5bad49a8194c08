"""Localhost profiles as CEL: which references are allowed (C6), and which profiles are on every node (C5)."""

from collections.abc import Iterable, Iterator

from policies.domain.controls import Control, Mechanism
from policies.domain.library.cel import Variable, listed, quoted
from policies.domain.library.records import InvalidVariant
from policies.domain.parameters import LOCALHOST_PREFIX, Parameters, ProfileParameters
from policies.domain.patterns import LONGEST_VALUE, expression_of

PATTERNS_LIMIT = 8_000
"""Characters; with more, pods of fifty containers came near the cost that an API server allows an expression."""

_POD = {Mechanism.SECCOMP: "variables.podSeccomp", Mechanism.APPARMOR: "variables.podAppArmor"}
_CONTAINERS = {Mechanism.SECCOMP: "variables.seccomp", Mechanism.APPARMOR: "variables.appArmor"}
_SUFFIX = {Mechanism.SECCOMP: "Seccomp", Mechanism.APPARMOR: "AppArmor"}
_NONE = "[]"


def variables(parameters: Parameters, mechanisms: Iterable[Mechanism]) -> Iterator[Variable]:
    """Give the variables that list who is at fault, one a mechanism, and both together.

    Raises:
        InvalidVariant: the patterns would cost an API server too much.
    """
    both = tuple(mechanisms)
    if Control.ALLOWED_PROFILES in parameters.controls:
        for mechanism in both:
            text = _disallowed(mechanism, parameters.of(mechanism))
            yield Variable("disallowed" + _SUFFIX[mechanism], text)
        yield Variable("disallowed", _joined("disallowed", both))
    if Control.PROFILE_INSTALLED in parameters.controls:
        for mechanism in both:
            text = _not_installed(mechanism, parameters.of(mechanism))
            yield Variable("notInstalled" + _SUFFIX[mechanism], text)
        yield Variable("notInstalled", _joined("notInstalled", both))


def _joined(name: str, mechanisms: tuple[Mechanism, ...]) -> str:
    first, *others = (f"variables.{name}{_SUFFIX[mechanism]}" for mechanism in mechanisms)
    return first + "".join(f" +\n{other}.filter(n, !(n in {first}))" for other in others)


def _disallowed(mechanism: Mechanism, part: ProfileParameters) -> str:
    pod = _POD[mechanism]
    allowed = _allowed(mechanism, part)
    return (
        f"[{pod}].filter(v, v.startsWith('Localhost:'))\n"
        f"  .map(v, v.substring({len(LOCALHOST_PREFIX)}))\n"
        f"  .filter(v, !({allowed})).map(v, 'the pod') +\n"
        f"{_CONTAINERS[mechanism]}.filter(c, c.own.startsWith('Localhost:') &&\n"
        f"  ![c.own.substring({len(LOCALHOST_PREFIX)})].all(v, {allowed})\n"
        ").map(c, c.container)"
    )


def _allowed(mechanism: Mechanism, part: ProfileParameters) -> str:
    """Say in CEL whether the path or name `v` is allowed; the length bounds what the expressions may cost."""
    if not part.allowed:
        return "false"
    rules = [f"size(v) <= {LONGEST_VALUE}", _sound(mechanism), f"({_fits(part.allowed)})"]
    if part.denied:
        rules.append(f"!({_fits(part.denied)})")
    return " && ".join(rules)


def _fits(patterns: tuple[str, ...]) -> str:
    """Say in CEL that `v` fits one of the patterns; those without wildcards cost next to nothing in a list."""
    wild = tuple(pattern for pattern in patterns if "*" in pattern)
    exact = tuple(pattern for pattern in patterns if "*" not in pattern)
    expression = expression_of(wild)
    if len(expression) > PATTERNS_LIMIT:
        raise InvalidVariant(
            "The patterns with `*` are too long together: name the profiles, or use fewer patterns."
        )
    ways = [f"v in {listed(exact)}"] if exact else []
    if wild:
        ways.append(f"v.matches({quoted(expression)})")
    return " || ".join(ways)


def _sound(mechanism: Mechanism) -> str:
    if mechanism is Mechanism.APPARMOR:
        return "!(v.lowerAscii() in ['', 'unconfined'])"
    return "!v.matches('(^|/)[.]{0,2}(/|$)')"


def _not_installed(mechanism: Mechanism, part: ProfileParameters) -> str:
    if part.installed is None:
        return _NONE
    pod, prefix = _POD[mechanism], len(LOCALHOST_PREFIX)
    return (
        f"{_CONTAINERS[mechanism]}.map(c, {{\n"
        "  'container': c.container,\n"
        f"  'profile': c.own != '' ? c.own : {pod}\n"
        "}).filter(c, c.profile.startsWith('Localhost:') &&\n"
        f"  !(c.profile.substring({prefix}) in {listed(part.installed)})\n"
        ").map(c, c.container)"
    )
