"""The jq program that names what fails a variant, from a list of objects as `kubectl get -o json` prints it.

The third wording of the same rule, for people without secprof at hand: tests hold it to `posture` on the same objects.
Runs on jq 1.6 and newer, and holds no single quote, so that a shell takes it as it is.
"""

import json
from collections.abc import Iterable

from policies.domain.controls import APPARMOR_CONTROLS, SECCOMP_CONTROLS, Control, Mechanism
from policies.domain.parameters import PROFILE_TYPES, Parameters, ProfileParameters
from policies.domain.patterns import LONGEST_VALUE, expression_of

ANNOTATION_PREFIX = "container.apparmor.security.beta.kubernetes.io/"
_FIELD = {Mechanism.SECCOMP: "seccompProfile", Mechanism.APPARMOR: "appArmorProfile"}
_BASE = {Mechanism.SECCOMP: SECCOMP_CONTROLS, Mechanism.APPARMOR: APPARMOR_CONTROLS}

_UNFIT = {
    Mechanism.SECCOMP: "(^|/)[.]{0,2}(/|$)",
    Mechanism.APPARMOR: "^[Uu][Nn][Cc][Oo][Nn][Ff][Ii][Nn][Ee][Dd]$",
}
"""What no pattern can allow: paths that are not written the one normal way, and a profile that is none."""

_TEMPLATE = """\
def template:
  if .kind == "Pod" then .
  elif .kind == "PodTemplate" then .template
  elif .kind == "CronJob" then .spec.jobTemplate.spec.template
  else .spec.template end;
"""
_ANNOTATED = f"""\
def annotated($annotations):
  ($annotations["{ANNOTATION_PREFIX}" + .name] // "")
  | if . == "" then null
    elif . == "runtime/default" then {{type: "RuntimeDefault"}}
    elif . == "unconfined" then {{type: "Unconfined"}}
    elif startswith("localhost/") then {{type: "Localhost", localhostProfile: .[10:]}}
    else {{type: .}} end;
"""
_DECLARED = """\
def declared:
  .spec.securityContext.{field} as $pod
  | ($pod | values | {{container: "(pod)", value: .}}),
    (.spec | (.initContainers, .containers, .ephemeralContainers)[]?
     | {{container: .name, value: .securityContext.{field}, inherited: $pod}});
"""
_DECLARED_OR_ANNOTATED = """\
def declared:
  .metadata.annotations as $annotations
  | .spec.securityContext.{field} as $pod
  | ($pod | values | {{container: "(pod)", value: .}}),
    (.spec | (.initContainers, .containers)[]?
     | annotated($annotations) as $annotation
     | {{container: .name, value: (.securityContext.{field} // $annotation), $annotation, inherited: $pod}}),
    (.spec.ephemeralContainers[]?
     | {{container: .name, value: .securityContext.{field}, inherited: $pod}});
"""
# What stands in an object below one that fails alike is said once, at the top: a Deployment, not its pods.
_LISTING = """\
(.items | map({key: .metadata.uid, value: .}) | from_entries) as $known
| def owner: [.metadata.ownerReferences[]? | select(.controller) | $known[.uid] | values][0];
  def top: owner as $above | if $above then $above | top else . end;
  .items[]
  | select(.kind != "ReplicaSet" or .spec.replicas != 0 or owner == null)
  | . as $object
  | [top | select(.metadata.uid != $object.metadata.uid) | faults | .[:2]] as $said
  | faults | select(.[:2] as $fault | $said | any(. == $fault) | not)
  | [$object.metadata.namespace, $object.kind + "/" + $object.metadata.name] + .
  | @tsv
"""


def listing(parameters: Parameters, mechanism: Mechanism) -> str:
    """Write the program: a line each with namespace, object, container, control and what is declared."""
    annotated = mechanism is Mechanism.APPARMOR and parameters.apparmor_annotations
    declared = _DECLARED_OR_ANNOTATED if annotated else _DECLARED
    tests = list(_tests(parameters, mechanism))
    return "".join(
        (
            _TEMPLATE,
            _ANNOTATED if annotated else "",
            declared.format(field=_FIELD[mechanism]),
            *_words(parameters.of(mechanism), mechanism, [control for control, _ in tests]),
            "def faults:\n  template\n",
            '  | select(.spec.os.name != "windows")\n',
            *_exclusion(parameters),
            "  | declared | . as $found\n  | (",
            ",\n     ".join(
                f"({condition}\n      | {_text(control)})" for control, condition in tests
            ),
            ") as $control\n",
            '  | [$found.container, $control, ($found.value | if . == null then "nothing set"\n',
            '     elif .localhostProfile then .type + ":" + .localhostProfile else .type end)];\n',
            _LISTING,
        )
    )


def _tests(parameters: Parameters, mechanism: Mechanism) -> Iterable[tuple[Control, str]]:
    """Pair each control with what selects a declaration that fails it."""
    require, deny = _BASE[mechanism]
    conditions = {
        require: (
            "select(if .value then .value | meets | not\n"
            '        else .container != "(pod)" and .inherited == null end)'
        ),
        deny: "select([.value, .annotation | values | confines | not] | any)",
        Control.PROFILE_INSTALLED: (
            'select(.container != "(pod)") | (.value // .inherited) | values\n'
            '      | select(.type == "Localhost" and (installed | not))'
        ),
        Control.ALLOWED_PROFILES: (
            '.value | values | select(.type == "Localhost" and (allowed | not))'
        ),
    }
    known = parameters.of(mechanism).installed is not None
    for control, condition in conditions.items():
        if control in parameters.controls and (known or control is not Control.PROFILE_INSTALLED):
            yield control, condition


def _words(part: ProfileParameters, mechanism: Mechanism, controls: list[Control]) -> Iterable[str]:
    """Define the words that the tests use, and no others: what meets, confines, is allowed, is installed."""
    require, deny = _BASE[mechanism]
    named = mechanism is Mechanism.APPARMOR
    unconfined = (
        '\n  and ((.localhostProfile // "") | ascii_downcase) != "unconfined"' if named else ""
    )
    nameless = '\n  and (.type != "Localhost" or (.localhostProfile // "") != "")' if named else ""
    if require in controls:
        yield f"def meets:\n  (.type | IN({_texts(part.types)})){unconfined}{nameless};\n"
    if deny in controls:
        yield f"def confines:\n  (.type | IN({_texts(PROFILE_TYPES)})){unconfined};\n"
    if Control.PROFILE_INSTALLED in controls:
        yield f'def installed: (.localhostProfile // "") | IN({_texts(part.installed or ("(none)",))});\n'
    if Control.ALLOWED_PROFILES in controls:
        yield _allowed(part, mechanism)


def _allowed(part: ProfileParameters, mechanism: Mechanism) -> str:
    tests = [
        f"test({_text(expression_of(part.allowed))})" if part.allowed else "false",
        f"length <= {LONGEST_VALUE}",
        "length > 0",
        f"(test({_text(_UNFIT[mechanism])}) | not)",
    ]
    if part.denied:
        tests.append(f"(test({_text(expression_of(part.denied))}) | not)")
    return 'def allowed: (.localhostProfile // "")\n  | (' + "\n     and ".join(tests) + ");\n"


def _exclusion(parameters: Parameters) -> Iterable[str]:
    for key, value in parameters.excluded_labels:
        wanted = f"(. == null or . != {_text(value)})" if value else ". == null"
        yield f"  | select(.metadata.labels[{_text(key)}]? | {wanted})\n"


def _texts(values: Iterable[str]) -> str:
    return ", ".join(map(_text, values))


def _text(value: str) -> str:
    return json.dumps(str(value))
