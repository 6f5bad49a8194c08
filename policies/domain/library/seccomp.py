"""Seccomp as CEL: what pod and containers declare, and who fails controls C1 and C2."""

from collections.abc import Iterator

from policies.domain.library.cel import Variable
from policies.domain.parameters import LOCALHOST, RUNTIME_DEFAULT, Parameters

# A declared profile is written as one text: '', 'RuntimeDefault', 'Localhost:<path>', or the type as it stands.
_DECLARED = """\
!has({holder}.securityContext) || !has({holder}.securityContext.{field}) ? ''
{indent}: !has({holder}.securityContext.{field}.type) ? '(no type)'
{indent}: {holder}.securityContext.{field}.type != 'Localhost' ? string({holder}.securityContext.{field}.type)
{indent}: !has({holder}.securityContext.{field}.localhostProfile) ? 'Localhost:'
{indent}: 'Localhost:' + {holder}.securityContext.{field}.localhostProfile"""


def declared(holder: str, field: str, indent: str = "") -> str:
    """Write the profile that a pod spec or a container itself declares, as one text."""
    return _DECLARED.format(holder=holder, field=field, indent=indent)


def declared_by_pod(field: str) -> str:
    """Write the profile that a pod spec itself declares; none for pods that are not judged."""
    return f"!variables.judged ? '' :\n{declared('object.spec', field)}"


def of_types(text: str, types: tuple[str, ...]) -> str:
    """Say in CEL that a declared profile is of one of these types."""
    ways = {
        RUNTIME_DEFAULT: f"{text} == 'RuntimeDefault'",
        LOCALHOST: f"{text}.startsWith('Localhost:')",
    }
    return " || ".join(ways[each] for each in types)


def variables(parameters: Parameters) -> Iterator[Variable]:
    """Give the variables that list who is at fault, and those before them."""
    types = parameters.seccomp.types
    own = declared("c", "seccompProfile", "  ")
    yield Variable("podSeccomp", declared_by_pod("seccompProfile"))
    yield Variable(
        "seccomp",
        f"variables.containers.map(c, {{\n  'container': string(c.name),\n  'own': {own}\n}})",
    )
    pod = "variables.podSeccomp"
    yield Variable(
        "unconfinedSeccomp",
        f"({pod} in ['', 'RuntimeDefault'] || {pod}.startsWith('Localhost:')"
        " ? [] : ['the pod']) +\n"
        "variables.seccomp.filter(c,\n"
        "  !(c.own in ['', 'RuntimeDefault'] || c.own.startsWith('Localhost:'))\n"
        ").map(c, c.container)",
    )
    yield Variable(
        "withoutSeccomp",
        f"({pod} == '' || {of_types(pod, types)} ? [] : ['the pod']) +\n"
        "variables.seccomp.filter(c,\n"
        f"  c.own == '' ? {pod} == '' : !({of_types('c.own', types)})\n"
        ").map(c, c.container)",
    )
