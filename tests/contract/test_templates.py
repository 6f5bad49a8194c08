"""What both clusters say by variants with parameters: every template and target, word for word, and whom they leave alone."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from policies.cluster.errors import RejectedByAdmission
from policies.cluster.gateway import Answer, Manifest
from policies.domain.controls import APPARMOR_CONTROLS
from policies.domain.library import (
    API_VERSIONS,
    TEMPLATES,
    CompiledObject,
    Target,
    VariantSpec,
    compile_objects,
    probe_pods,
)
from policies.domain.objects import WorkloadKind
from policies.domain.parameters import Parameters, ProfileParameters
from tests.contract.clusters import Cluster, own_name, refused
from tests.contract.conftest import SHORT
from tests.contract.planes import eventually
from tests.contract.words import Denial, denial, failures, warnings
from tests.unit.domain.seccomp_cases import RD, UN, container, pod, wrapped

PREFIX = "container.apparmor.security.beta.kubernetes.io/"
POD, DEPLOYMENT, CRON_JOB = WorkloadKind.POD, WorkloadKind.DEPLOYMENT, WorkloadKind.CRON_JOB
APPARMOR = Parameters(controls=APPARMOR_CONTROLS)
EVERYTHING = Parameters(
    controls=TEMPLATES["confined-pods"].controls,
    seccomp=ProfileParameters(
        allowed=("profiles/**", "operator/*.json"),
        denied=("**/*-trace.json",),
        installed=("profiles/web.json", "operator/a-trace.json"),
    ),
    apparmor=ProfileParameters(allowed=("k8s-*",), installed=("k8s-web",)),
    excluded_labels=(("example.com/exempt", ""), ("tier", "legacy")),
    message="Ask in the platform team's channel: they know.",
)
VARIANTS = {"apparmor": APPARMOR, "confined-pods": EVERYTHING}


def localhost(profile: str) -> Manifest:
    return {"type": "Localhost", "localhostProfile": profile}


def aa(profile: Manifest) -> dict[str, Any]:
    return {"appArmorProfile": profile}


def guarded(spec: Manifest, profile: Manifest = RD) -> Manifest:
    """The same pod with an AppArmor profile of its own."""
    return {**spec, "securityContext": {**spec.get("securityContext", {}), **aa(profile)}}


@dataclass(frozen=True)
class Case:
    id: str
    spec: Manifest
    annotations: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    kinds: tuple[WorkloadKind, ...] = (POD, DEPLOYMENT, CRON_JOB)

    def manifest(self, kind: WorkloadKind) -> Manifest:
        annotations = {PREFIX + name: value for name, value in self.annotations.items()}
        made = wrapped(kind, self.spec, annotations=annotations)
        holder = made["metadata"] if kind is POD else template_of(made)["metadata"]
        holder["labels"] = {**holder["labels"], **self.labels}
        return made


def template_of(manifest: Manifest) -> Manifest:
    spec = manifest["spec"]
    found: Manifest = spec.get("template") or spec["jobTemplate"]["spec"]["template"]
    return found


PLAIN = pod(container("c"), profile=RD)
LONG = pod(*(container(f"{letter * 50}") for letter in "abcdef"))
CASES = (
    Case("good", guarded(PLAIN)),
    Case("nothing", pod(container("c"))),
    Case("no-apparmor", PLAIN),
    Case("unconfined-pod", guarded(pod(container("c"), profile=UN), UN)),
    Case("unconfined-container", guarded(pod(container("c", UN, **aa(UN)), profile=RD))),
    Case("one-of-two", pod(container("a", RD, **aa(RD)), container("b"))),
    Case("init-first", guarded(pod(container("z"), profile=RD, init=(container("a", UN),)))),
    Case("pod-and-container", guarded(pod(container("c", UN), profile=UN), UN)),
    Case("many-names", LONG),
    Case("windows", pod(container("c"), os="windows")),
    Case("privileged", guarded(pod(container("c", privileged=True), profile=RD))),
    Case("annotation", PLAIN, {"c": "runtime/default"}),
    Case("annotation-unconfined", PLAIN, {"c": "unconfined"}),
    Case("annotation-localhost", PLAIN, {"c": "localhost/k8s-web"}),
    Case("annotation-elsewhere", PLAIN, {"c": "localhost/ntpd"}),
    Case("annotation-no-name", PLAIN, {"c": "localhost/"}),
    Case("annotation-empty", PLAIN, {"c": ""}),
    Case("annotation-for-one", pod(container("a"), container("b"), profile=RD), {"a": "unconfined"}),
    Case("annotation-over-pod", guarded(PLAIN), {"c": "unconfined"}, kinds=(POD,)),
    Case("annotation-over-bad-pod", guarded(PLAIN, UN), {"c": "runtime/default"}, kinds=(POD,)),
    Case("allowed", guarded(pod(container("c", localhost("profiles/web.json"))), localhost("k8s-web"))),
    Case("not-installed", guarded(pod(container("c", localhost("profiles/a/b.json"))), localhost("k8s-a"))),
    Case("not-allowed", guarded(pod(container("c", localhost("web.json"))), localhost("docker-default"))),
    Case("denied", guarded(pod(container("c", localhost("operator/a-trace.json"))))),
    Case("deeper", guarded(pod(container("c", localhost("operator/x/a.json"))))),
    Case("empty-path", guarded(pod(container("c", localhost(""))))),
    Case("unsafe-path", guarded(pod(container("c", localhost("profiles//web.json"))))),
    Case("named-unconfined", guarded(PLAIN, localhost("Unconfined"))),
    Case("pod-overridden", guarded(pod(container("c", RD, **aa(RD)), profile=localhost("x.json")), localhost("x"))),
    Case("exempt", pod(container("c", UN)), labels={"example.com/exempt": "yes"}),
    Case("exempt-by-value", pod(container("c", UN)), labels={"tier": "legacy"}),
    Case("not-exempt", pod(container("c", UN)), labels={"tier": "front"}),
)  # fmt: skip

OLD = wrapped(DEPLOYMENT, PLAIN, name="old", annotations={PREFIX + "c": "localhost/"})
"""Stands before the policy does, and fails it."""


@dataclass(frozen=True)
class Ground:
    """A variant on a cluster: enforced at home, audited next door, and one namespace left alone."""

    cluster: Cluster
    spec: VariantSpec
    home: str
    neighbour: str
    excluded: str

    @property
    def compiled(self) -> tuple[CompiledObject, ...]:
        return compile_objects(self.spec, [self.home])

    def ours(self, answer: Answer) -> tuple[str, ...]:
        return tuple(text for text in answer.warnings if self.spec.name in text)

    def refuses(self, manifest: Manifest) -> bool:
        error = refused(lambda: self.cluster.try_out(manifest, self.home))
        return isinstance(error, RejectedByAdmission) and self.spec.name in error.webhook

    def settle(self, *, refusing: bool) -> None:
        bad = probe_pods(self.spec).bad
        namespace = self.home if refusing else self.neighbour
        eventually(
            lambda: (
                self.refuses(bad) if refusing else self.ours(self.cluster.try_out(bad, namespace))
            ),
            bool,
            in_a_row=3,
        )


@pytest.fixture(
    scope="module",
    params=[(target, template) for target in Target for template in VARIANTS],
    ids=lambda param: f"{SHORT[param[0]]}-{param[1]}",
)
def ground(request: pytest.FixtureRequest, cluster: Cluster) -> Iterator[Ground]:
    target, template = request.param
    home, neighbour, excluded = map(cluster.make_namespace, ("home", "next", "left"))
    spec = VariantSpec(
        name=own_name(SHORT[target]),
        template=template,
        target=target,
        api_version=API_VERSIONS[target][0],
        parameters=replace(VARIANTS[template], excluded_namespaces=(excluded,)),
    )
    made = Ground(cluster, spec, home, neighbour, excluded)
    cluster.apply(OLD, home)
    cluster.create(made.compiled)
    made.settle(refusing=False)
    made.settle(refusing=True)
    yield made
    cluster.remove(made.compiled)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_variant_warns_next_door_and_denies_at_home_in_the_librarys_words(
    ground: Ground, case: Case
) -> None:
    for kind in case.kinds:
        manifest = case.manifest(kind)
        failed = failures(ground.spec, manifest)

        answer = ground.cluster.try_out(manifest, ground.neighbour)
        error = refused(lambda manifest=manifest: ground.cluster.try_out(manifest, ground.home))

        assert sorted(ground.ours(answer)) == sorted(warnings(ground.spec, manifest)), kind
        if not failed:
            assert error is None
            continue
        assert isinstance(error, RejectedByAdmission), error
        assert Denial(error.status, error.webhook, error.raw) == denial(
            ground.spec, manifest, ground.home
        )


def test_variant_says_nothing_in_an_excluded_namespace(ground: Ground) -> None:
    for kind in (POD, DEPLOYMENT, CRON_JOB):
        manifest = wrapped(kind, pod(container("c", UN, **aa(UN))))

        assert ground.ours(ground.cluster.try_out(manifest, ground.excluded)) == ()


@pytest.mark.parametrize(
    ("annotations", "is_refused"),
    [
        ({"example.com/restarted": "now"}, False),
        ({PREFIX + "c": "unconfined"}, True),
        ({PREFIX + "c": "runtime/default"}, False),
    ],
)
def test_edit_of_a_template_is_judged_only_if_an_apparmor_annotation_moved(
    ground: Ground, annotations: dict[str, str], is_refused: bool
) -> None:
    change = {"spec": {"template": {"metadata": {"annotations": annotations}}}}
    error = refused(lambda: ground.cluster.patch(OLD, ground.home, change))

    assert isinstance(error, RejectedByAdmission) == is_refused, error


def test_only_the_chosen_kinds_are_judged(cluster: Cluster) -> None:
    namespace = cluster.make_namespace("kinds")
    for target in Target:
        spec = VariantSpec(
            name=own_name(SHORT[target]),
            target=target,
            api_version=API_VERSIONS[target][0],
            parameters=Parameters(kinds=(WorkloadKind.DAEMON_SET, CRON_JOB)),
        )
        ground = Ground(cluster, spec, namespace, namespace, "")
        objects = compile_objects(spec, [])
        cluster.create(objects)
        try:
            ground.settle(refusing=False)
            for kind in WorkloadKind:
                manifest = wrapped(kind, pod(container("c")))
                expected = warnings(spec, manifest) if kind in spec.parameters.kinds else ()
                assert ground.ours(cluster.try_out(manifest, namespace)) == expected, (target, kind)
        finally:
            cluster.remove(objects)
