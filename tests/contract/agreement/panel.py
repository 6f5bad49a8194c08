"""The variants that are asked: one a template for one kind of policy, in a namespace of their own on a real plane."""

import re
from dataclasses import dataclass
from typing import Self

from policies.domain.answers import AnswerOutcome, read_answer
from policies.domain.controls import APPARMOR_CONTROLS, SECCOMP_CONTROLS, Control
from policies.domain.library import (
    API_VERSIONS,
    TEMPLATES,
    ObjectRole,
    Target,
    VariantSpec,
    checks_of,
    compile_objects,
    probe_pods,
)
from policies.domain.parameters import Parameters, ProfileParameters
from tests.contract.agreement.subjects import Subject
from tests.contract.planes import STRATEGIC_PATCH, Plane, Reply, eventually, object_path, path_of
from tests.contract.shapes import namespace_of

_LOCALHOST = (Control.PROFILE_INSTALLED, Control.ALLOWED_PROFILES)
_SECCOMP = ProfileParameters(
    allowed=("operator/*.json", "profiles/web-*.json"),
    denied=("**log-enricher-trace*",),
    installed=("operator/a.json", "profiles/web-1.json"),
)
_APPARMOR = ProfileParameters(
    allowed=("k8s-**",), denied=("k8s-old-*",), installed=("k8s-web", "k8s-old-web")
)
_LABELS = (("exempt", "yes"), ("tier", ""))
PARAMETERS = {
    "seccomp": Parameters(
        controls=(*SECCOMP_CONTROLS, *_LOCALHOST),
        seccomp=ProfileParameters(
            types=("Localhost",), default="Localhost:a.json", allowed=("**",), installed=("a.json",)
        ),
    ),
    "apparmor": Parameters(
        controls=(*APPARMOR_CONTROLS, *_LOCALHOST),
        apparmor=ProfileParameters(types=("RuntimeDefault",), allowed=("**",), denied=("**/**",)),
        excluded_labels=_LABELS,
    ),
    "confined-pods": Parameters(
        controls=tuple(Control), seccomp=_SECCOMP, apparmor=_APPARMOR, excluded_labels=_LABELS
    ),
}
"""By template; between them every parameter that decides anything has a value that is not its default."""

# Short names: an API server cuts warnings once they are too long together.
_SHORT = {Target.CLUSTER_POLICY: "c", Target.VALIDATING_POLICY: "v", Target.NATIVE: "n"}
_RULE = re.compile(r"^policy (\S+?)\.(?:autogen-cronjob-|autogen-)?([a-z-]+): (.*)$", re.DOTALL)
_SENTENCE = re.compile(r"Policy (\S+) (?:failed|error): (.*?)(?=; Policy \S+ (?:failed|error): |$)")
_NATIVE = re.compile(r"ValidatingAdmissionPolicy '(\S+)' with binding '\S+'.*?: (.*)$", re.DOTALL)
WARNING_CHARACTERS = 4096
"""Of all warnings together; beyond that they are cut."""


@dataclass(frozen=True)
class Panel:
    """Three Audit policies of one kind that judge one namespace, and where needed their companions."""

    plane: Plane
    specs: tuple[VariantSpec, ...]
    namespace: str

    @classmethod
    def of(cls, plane: Plane, target: Target, others: tuple[str, ...]) -> Self:
        """Compile the panel of this kind of policy; the `others` are namespaces to leave alone."""
        namespace = f"agree-{_SHORT[target]}"
        specs = tuple(
            VariantSpec(
                name=f"agr{_SHORT[target]}-{template}",
                template=template,
                target=target,
                api_version=API_VERSIONS[target][0],
                parameters=_excluding(
                    PARAMETERS[template], tuple(n for n in others if n != namespace)
                ),
            )
            for template in TEMPLATES
        )
        return cls(plane, specs, namespace)

    @property
    def target(self) -> Target:
        return self.specs[0].target

    def set_up(self) -> None:
        """Write the namespace and the policies, and wait until each policy judges."""
        self.take_down()
        home = object_path(namespace_of(self.namespace))
        eventually(lambda: self.plane.send("GET", home), lambda r: r.status == 404, seconds=90)
        assert self.plane.create(namespace_of(self.namespace)).ok
        for spec in self.specs:
            for one in compile_objects(spec, [self.namespace]):
                if one.role is not ObjectRole.TWIN:
                    written = self.plane.create(one.manifest)
                    assert written.ok, written.text
        for spec in self.specs:
            bad = probe_pods(spec).bad
            eventually(
                lambda spec=spec, bad=bad: self._judges(spec, bad),
                lambda outcome: outcome is AnswerOutcome.WARNED,
                seconds=60,
                in_a_row=3,
            )

    def _judges(self, spec: VariantSpec, bad: dict[str, object]) -> AnswerOutcome:
        reply = self.plane.create(bad, self.namespace, dry_run=True)
        names = [one.name for one in compile_objects(spec, ())]
        return read_answer(policies=names, warnings=reply.warnings, raw=reply.text).outcome

    def take_down(self) -> None:
        """Delete the policies and the namespace."""
        for spec in self.specs:
            for one in compile_objects(spec, [self.namespace]):
                self.plane.delete(one.manifest)
        self.plane.delete(namespace_of(self.namespace))

    def ask(self, subject: Subject) -> Reply:
        """Send an object by dry-run; one with ephemeral containers stands first, and gets them by dry-run."""
        if not subject.debug:
            return self.plane.create(subject.manifest, self.namespace, dry_run=True)
        name = subject.id.lower()
        manifest = subject.manifest | {"metadata": subject.manifest["metadata"] | {"name": name}}
        stood = self.plane.create(manifest, self.namespace)
        if not stood.ok:
            return stood
        try:
            return self.plane.patch(
                manifest,
                {"spec": {"ephemeralContainers": list(subject.debug)}},
                self.namespace,
                subresource="ephemeralcontainers",
                content_type=STRATEGIC_PATCH,
                dry_run=True,
            )
        finally:
            self.plane.delete(manifest, self.namespace)


def _excluding(parameters: Parameters, namespaces: tuple[str, ...]) -> Parameters:
    stored = parameters.to_json() | {"excluded_namespaces": list(namespaces)}
    return Parameters.from_json(stored)


def namespaces_of(plane: Plane) -> tuple[str, ...]:
    """List the namespaces of a plane."""
    items = plane.send("GET", path_of("v1", "Namespace")).body["items"]
    return tuple(sorted(item["metadata"]["name"] for item in items))


def said(spec: VariantSpec, reply: Reply) -> frozenset[tuple[str, str]]:
    """Give the control and the message of everything that this variant said; an unknown control reads `error`."""
    leads = {check.lead: str(check.control) for check in checks_of(spec)}
    found = set()
    for policy, message in _sentences(reply):
        if policy == spec.name or policy.startswith(f"{spec.name}-enforce"):
            control = next((c for lead, c in leads.items() if message.startswith(lead)), "error")
            found.add((control, message))
    return frozenset(found)


def _sentences(reply: Reply) -> list[tuple[str, str]]:
    found = []
    for text in reply.warnings if reply.ok else (reply.text,):
        if match := _RULE.match(text):
            found.append((match[1], match[3]))
        elif match := _NATIVE.search(text):
            found.append((match[1], match[2]))
        else:
            found += [(m[1], m[2].strip()) for m in _SENTENCE.finditer(text)]
    return found
