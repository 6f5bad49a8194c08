"""AppArmor as CEL: fields, and annotations where they still count; and who fails controls C3 and C4."""

from collections.abc import Iterator

from policies.domain.library.cel import Variable, quoted
from policies.domain.library.seccomp import declared, declared_by_pod
from policies.domain.parameters import LOCALHOST, RUNTIME_DEFAULT, Parameters

ANNOTATION_PREFIX = "container.apparmor.security.beta.kubernetes.io/"

_ANNOTATIONS = """\
has(object.metadata) && has(object.metadata.annotations) ? object.metadata.annotations : {}"""
_EPHEMERAL = """\
(has(object.spec.ephemeralContainers) ? object.spec.ephemeralContainers : []).map(c, c.name)"""
# The annotation's own text as that of a field; what no API server takes is kept apart from every good text.
_ANNOTATED = """\
variables.containers.map(c, {
  'container': string(c.name),
  'annotation': c.name in variables.ephemeral || !((PREFIX + c.name) in variables.annotations) ? ''
  : string(variables.annotations[PREFIX + c.name]),
  'field': FIELD
}).map(c, {
  'container': c.container,
  'field': c.field,
  'annotation': c.annotation == '' ? ''
  : c.annotation == 'runtime/default' ? 'RuntimeDefault'
  : c.annotation.startsWith('localhost/') ? 'Localhost:' + c.annotation.substring(10)
  : 'Unconfined'
}).map(c, {
  'container': c.container,
  'annotation': c.annotation,
  'own': c.field != '' ? c.field : c.annotation
})"""


def variables(parameters: Parameters) -> Iterator[Variable]:
    """Give the variables that list who is at fault, and those before them."""
    field = declared("c", "appArmorProfile", "  ")
    yield Variable("podAppArmor", declared_by_pod("appArmorProfile"))
    if parameters.apparmor_annotations:
        yield Variable("annotations", _ANNOTATIONS)
        yield Variable("ephemeral", _EPHEMERAL)
        text = _ANNOTATED.replace("PREFIX", quoted(ANNOTATION_PREFIX)).replace("FIELD", field)
    else:
        text = (
            "variables.containers.map(c, {\n"
            "  'container': string(c.name),\n"
            "  'annotation': '',\n"
            f"  'own': {field}\n"
            "})"
        )
    yield Variable("appArmor", text)
    pod, types = "variables.podAppArmor", parameters.apparmor.types
    yield Variable(
        "unconfinedAppArmor",
        f"({_confined(pod)} ? [] : ['the pod']) +\n"
        "variables.appArmor.filter(c,\n"
        f"  !({_confined('c.own')}) ||\n"
        f"  !({_confined('c.annotation')})\n"
        ").map(c, c.container)",
    )
    yield Variable(
        "withoutAppArmor",
        f"({pod} == '' || {_named(pod, types)} ? [] : ['the pod']) +\n"
        "variables.appArmor.filter(c,\n"
        f"  c.own == '' ? {pod} == '' : !({_named('c.own', types)})\n"
        ").map(c, c.container)",
    )


def _confined(text: str) -> str:
    """Not Unconfined, nor the name that one container runtime takes for it."""
    return (
        f"{text} in ['', 'RuntimeDefault'] ||"
        f" ({text}.startsWith('Localhost:') && {text}.lowerAscii() != 'localhost:unconfined')"
    )


def _named(text: str, types: tuple[str, ...]) -> str:
    ways = {
        RUNTIME_DEFAULT: f"{text} == 'RuntimeDefault'",
        LOCALHOST: (
            f"({text}.startsWith('Localhost:') &&"
            f" !({text}.lowerAscii() in ['localhost:', 'localhost:unconfined']))"
        ),
    }
    return " || ".join(ways[each] for each in types)


def annotations_changed(new: str, old: str) -> str:
    """Say in CEL that an update changed an AppArmor annotation; `new` and `old` lead to a pod's metadata."""
    prefix = quoted(ANNOTATION_PREFIX)
    now, was = (f"[has({m}.annotations) ? {m}.annotations : {{}}]" for m in (new, old))
    return (
        f"{now}.exists(now, {was}.exists(was,\n"
        f"  now.exists(k, k.startsWith({prefix}) && !(k in was && was[k] == now[k])) ||\n"
        f"  was.exists(k, k.startsWith({prefix}) && !(k in now))))"
    )
