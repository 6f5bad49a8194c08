"""How a policy, or an exception to one, says who is exempt: the line of `policies.domain.identities` in CEL and JMESPath.

Neither can err on any object of the nine kinds: an error inside an exception would be one of its policy.
"""

import json
import re
from collections.abc import Iterable, Iterator

from policies.domain.exemptions import Exemption
from policies.domain.identities import CONTROLLERS, TEMPLATE_HASH_LABEL, pattern_of
from policies.domain.library.cel import EXPRESSION_LIMIT, quoted
from policies.domain.library.records import InvalidVariant, Manifest
from policies.domain.names import is_dns_label

CONDITIONS_LIMIT = 63
"""The API server takes 64 conditions a policy; one is ours already."""
CONDITION_NAME = "exempt"

_PAIRS = [f"{version},{kind}" for version, kind in CONTROLLERS]
_LABEL = f"'{TEMPLATE_HASH_LABEL}'"
IDENTITY = f"""\
object.kind + ',' + object.metadata.name + ',' +
(has(object.metadata.ownerReferences) ? object.metadata.ownerReferences : [])
.filter(o, has(o.controller) && o.controller && (o.apiVersion + ',' + o.kind) in
[{", ".join(f"'{pair}'" for pair in _PAIRS)}])
.map(o, o.apiVersion + ',' + o.kind + ',' + o.name).join(',') + ',' +
(has(object.metadata.labels) && {_LABEL} in object.metadata.labels ? object.metadata.labels[{_LABEL}] : '')"""
"""CEL, of type string."""

_OBJECT = "request.object"
_JMESPATH_IDENTITY = (
    f"join(',', [{_OBJECT}.kind, {_OBJECT}.metadata.name, join(',', "
    f"not_null({_OBJECT}.metadata.ownerReferences, `[]`)"
    f"[?controller && contains(`{json.dumps(_PAIRS)}`, join(',', [apiVersion, kind]))]"
    ".join(',', [apiVersion, kind, name])), "
    f"not_null({_OBJECT}.metadata.labels.\"{TEMPLATE_HASH_LABEL}\", '')])"
)
_JMESPATH = ("{{ regex_match('", f"', {_JMESPATH_IDENTITY}) }}}}")
_CEL = (f"({IDENTITY})\n.matches(", ")")
_CLAUSE = re.compile(r"^\(request\.namespace == '([a-z0-9-]+)' && who\.matches\('([^'\\]*)'\)\)$")
_NATIVE = (f"![{IDENTITY}].exists(who,\n", ")")
_OR = " ||\n"


def jmespath_key(pattern: str) -> str:
    """Write the key of a condition of Kyverno's that is true for whoever fits the pattern."""
    return pattern.join(_JMESPATH)


def pattern_of_jmespath(key: object) -> str | None:
    """Read what `jmespath_key` wrote; None for anything else."""
    return _between(key, _JMESPATH)


def cel_condition(pattern: str) -> str:
    """Write the expression that is true for whoever fits the pattern."""
    return quoted(pattern).join(_CEL)


def pattern_of_cel(expression: object) -> str | None:
    """Read what `cel_condition` wrote; None for anything else."""
    return (_between(expression, _CEL) or "")[1:-1] or None


def native_conditions(exemptions: Iterable[Exemption]) -> list[Manifest]:
    """Write what keeps a policy of the API server's own from exempted objects, in as few conditions as may be.

    Raises:
        InvalidExemption: a workload has no possible name.
        InvalidVariant: they are more than one policy holds.
    """
    expressions = list(_packed(_clause(each) for each in _in_order(exemptions)))
    if len(expressions) > CONDITIONS_LIMIT:
        raise InvalidVariant("There are more exceptions than one native policy holds.")
    return [
        {"name": f"{CONDITION_NAME}-{number}", "expression": expression}
        for number, expression in enumerate(expressions, start=1)
    ]


def with_exemptions(policy: Manifest, exemptions: Iterable[Exemption]) -> Manifest:
    """Give a native policy that exempts these and nobody else, and is the same in everything else.

    Raises InvalidExemption, InvalidVariant.
    """
    spec = policy["spec"]
    kept = [c for c in spec["matchConditions"] if exempted_by(c["expression"]) is None]
    conditions = [*kept, *native_conditions(exemptions)]
    return {**policy, "spec": {**spec, "matchConditions": conditions}}


def exempted_by(expression: str) -> tuple[tuple[str, str], ...] | None:
    """Read namespaces and patterns out of what `native_conditions` wrote; None for anything else."""
    inner = _between(expression, _NATIVE)
    clauses = [_CLAUSE.match(part) for part in (inner or "").split(_OR)]
    found = tuple((clause[1], clause[2]) for clause in clauses if clause)
    return found if len(found) == len(clauses) else None


def _in_order(exemptions: Iterable[Exemption]) -> list[Exemption]:
    return sorted(exemptions, key=lambda each: (each.namespace, each.workloads, each.key))


def _clause(exemption: Exemption) -> str:
    if not is_dns_label(exemption.namespace):
        raise InvalidVariant(f"{exemption.namespace!r} is not the name of a namespace.")
    pattern = quoted(pattern_of(exemption.workloads))
    return f"(request.namespace == {quoted(exemption.namespace)} && who.matches({pattern}))"


def _packed(clauses: Iterable[str]) -> Iterator[str]:
    room = EXPRESSION_LIMIT - len("".join(_NATIVE))
    held: list[str] = []
    for clause in dict.fromkeys(clauses):
        if len(clause) >= room:
            raise InvalidVariant("An exception names more workloads than one policy holds.")
        if held and len(_OR.join((*held, clause))) >= room:
            yield _OR.join(held).join(_NATIVE)
            held = []
        held.append(clause)
    if held:
        yield _OR.join(held).join(_NATIVE)


def _between(text: object, frame: tuple[str, str]) -> str | None:
    before, after = frame
    if not isinstance(text, str) or len(text) < len(before) + len(after):
        return None
    if not (text.startswith(before) and text.endswith(after)):
        return None
    return text[len(before) : len(text) - len(after)]
