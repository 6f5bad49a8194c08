"""One variant on one real control plane, with a namespace that gets enforced and its neighbour. Not a test."""

from dataclasses import dataclass

import msgspec

from policies.domain.answers import AnswerOutcome, PodAnswer, read_answer
from policies.domain.controls import BASE_CONTROLS
from policies.domain.library import (
    TEMPLATES,
    CompiledObject,
    ObjectRole,
    Target,
    VariantSpec,
    compile_objects,
    probe_pods,
)
from policies.domain.objects import PolicyReport, WorkloadKind
from policies.domain.parameters import Parameters
from tests.contract.planes import (
    STRATEGIC_PATCH,
    Manifest,
    Plane,
    Reply,
    eventually,
    object_path,
    path_of,
)
from tests.reports import Result, read_results
from tests.unit.domain.seccomp_cases import RD, UN, container, pod, wrapped

BAD_SPEC = pod(container("c", UN))
UNSET_SPEC = pod(container("c"))
GOOD_SPEC = pod(container("c"), profile=RD)


@dataclass(frozen=True)
class Pods:
    """Pod specs that a template with its usual parameters refuses or admits."""

    bad: Manifest
    unset: Manifest
    good: Manifest
    bad_debug: Manifest
    """A container that does not belong into the good pod."""


_GOOD_APPARMOR = {"seccompProfile": RD, "appArmorProfile": RD}
PODS = {
    "seccomp": Pods(BAD_SPEC, UNSET_SPEC, GOOD_SPEC, container("debug-bad", UN)),
    "apparmor": Pods(
        pod(container("c", appArmorProfile=UN)),
        UNSET_SPEC,
        pod(container("c"), appArmorProfile=RD),
        container("debug-bad", appArmorProfile=UN),
    ),
    # Bad by one mechanism alone.
    "confined-pods": Pods(
        pod(container("c", RD, appArmorProfile=UN)),
        UNSET_SPEC,
        pod(container("c"), **_GOOD_APPARMOR),
        container("debug-bad", UN, appArmorProfile=RD),
    ),
}
"""By template."""
CONTROLS = {
    name: tuple(c for c in template.controls if c in BASE_CONTROLS)
    for name, template in TEMPLATES.items()
}


@dataclass
class Shape:
    """One variant on one plane, with a namespace that gets enforced and its neighbour."""

    plane: Plane
    spec: VariantSpec
    home: str
    neighbour: str

    @property
    def pods(self) -> Pods:
        return PODS[self.spec.template]

    @property
    def auditor(self) -> str:
        """The object that warns."""
        native = self.spec.target is Target.NATIVE
        return f"{self.spec.name}-audit" if native else self.spec.name

    @property
    def twin(self) -> str:
        return f"{self.spec.name}-enforce"

    def compiled(self) -> tuple[CompiledObject, ...]:
        return compile_objects(self.spec, [self.home])

    def answer(self, reply: Reply) -> PodAnswer:
        names = [c.name for c in self.compiled()]
        return read_answer(policies=names, warnings=reply.warnings, raw=reply.text)

    def ask(self, manifest: Manifest, namespace: str) -> PodAnswer:
        return self.answer(self.plane.create(manifest, namespace, dry_run=True))

    def write(self, role: ObjectRole) -> None:
        for c in self.compiled():
            if c.role is role:
                written = self.plane.create(c.manifest)
                assert written.ok, written.text

    def settle(self, namespace: str, outcome: AnswerOutcome) -> None:
        bad = probe_pods(self.spec).bad
        eventually(lambda: self.ask(bad, namespace), lambda a: a.outcome is outcome, in_a_row=3)

    def clear(self) -> None:
        for c in self.compiled():
            self.plane.delete(c.manifest)
        for name in (self.home, self.neighbour):
            self.plane.delete(namespace_of(name))


def namespace_of(name: str) -> Manifest:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def of(kind: WorkloadKind, spec: Manifest, name: str) -> Manifest:
    return wrapped(kind, spec, name=name)


def violators(pods: Pods) -> tuple[Manifest, ...]:
    """What stands in the namespace before any policy does."""
    held = of(WorkloadKind.POD, pods.bad, "held")
    held["metadata"]["finalizers"] = ["secprof.io/shape"]
    running = of(WorkloadKind.DEPLOYMENT, pods.bad, "running")
    running["spec"]["replicas"] = 1
    return (
        of(WorkloadKind.POD, pods.bad, "old-bad"),
        of(WorkloadKind.POD, pods.unset, "old-unset"),
        of(WorkloadKind.POD, pods.good, "old-good"),
        held,
        running,
        of(WorkloadKind.DEPLOYMENT, pods.bad, "doomed"),
        of(WorkloadKind.CRON_JOB, pods.bad, "nightly"),
    )


def new_shape(
    plane: Plane,
    key: str,
    target: Target,
    api_version: str,
    *,
    template: str = "seccomp",
    parameters: Parameters | None = None,
) -> Shape:
    spec = VariantSpec(
        name=f"shape-{key}",
        template=template,
        target=target,
        api_version=api_version,
        parameters=parameters or Parameters(controls=CONTROLS[template]),
    )
    shape = Shape(plane, spec, f"shape-{key}-home", f"shape-{key}-next")
    shape.clear()
    for name in (shape.home, shape.neighbour):
        path = object_path(namespace_of(name))
        eventually(lambda path=path: plane.send("GET", path), lambda r: r.status == 404, seconds=60)
        assert plane.create(namespace_of(name)).ok
    return shape


def debug(shape: Shape, debugger: Manifest) -> Reply:
    """Do what `kubectl debug` does to the good pod."""
    return shape.plane.patch(
        of(WorkloadKind.POD, shape.pods.good, "old-good"),
        {"spec": {"ephemeralContainers": [debugger]}},
        shape.home,
        subresource="ephemeralcontainers",
        content_type=STRATEGIC_PATCH,
    )


def own_webhooks(shape: Shape, policy: str) -> list[Manifest]:
    path = path_of("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration")
    return [
        webhook
        for configuration in shape.plane.send("GET", path).body["items"]
        for webhook in configuration.get("webhooks", ())
        if webhook["name"].endswith(f"-finegrained-{policy}")
    ]


def results_in(shape: Shape, namespace: str) -> list[Result]:
    path = path_of("wgpolicyk8s.io/v1alpha2", "PolicyReport", namespace)
    reports = msgspec.convert(shape.plane.send("GET", path).body["items"], type=list[PolicyReport])
    return [result for report in reports for result in read_results(report)]
