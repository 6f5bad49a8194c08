"""What both API servers do about AppArmor by themselves: copied annotations, warnings, refusals, and which wins."""

from dataclasses import dataclass, field

import pytest

from policies.cluster.errors import Invalid
from policies.cluster.gateway import Answer, Manifest
from policies.domain.objects import WorkloadKind
from tests.contract.clusters import Cluster, own_name, refused
from tests.unit.domain.seccomp_cases import wrapped

PREFIX = "container.apparmor.security.beta.kubernetes.io/"
RD, UN = {"type": "RuntimeDefault"}, {"type": "Unconfined"}
WEB = {"type": "Localhost", "localhostProfile": "k8s-web"}
FIELD = "spec.containers[0].securityContext.appArmorProfile"
OLD = f"metadata.annotations[{PREFIX}"
MISMATCH = "Forbidden: apparmor {} in annotation and field must match"
POD, DEPLOYMENT = WorkloadKind.POD, WorkloadKind.DEPLOYMENT


@pytest.fixture(scope="module")
def home(cluster: Cluster) -> str:
    return cluster.make_namespace("aa")


@dataclass(frozen=True)
class Case:
    """A pod of one container `c`, with what the server makes of it."""

    id: str
    annotations: dict[str, str] = field(default_factory=dict)
    pod: Manifest | None = None
    own: Manifest | None = None
    os: str = ""
    copied: Manifest | None = None
    """The field of `c` afterwards, where it differs from `own`."""
    warned: bool = False
    said: str = ""
    """How the server refuses it."""
    template_said: str = ""
    """How it refuses a template with it, where a bare Pod is admitted."""

    def spec(self) -> Manifest:
        spec: Manifest = {"containers": [{"name": "c", "image": "secprof.invalid/case:none"}]}
        if self.own is not None:
            spec["containers"][0]["securityContext"] = {"appArmorProfile": self.own}
        if self.pod is not None:
            spec["securityContext"] = {"appArmorProfile": self.pod}
        return {**spec, "os": {"name": self.os}} if self.os else spec

    def manifest(self, kind: WorkloadKind) -> Manifest:
        annotations = {PREFIX + name: value for name, value in self.annotations.items()}
        return wrapped(kind, self.spec(), name="case", annotations=annotations)


def says(value: str) -> dict[str, str]:
    return {"c": value}


CASES = (
    Case("annotation-default", says("runtime/default"), copied=RD, warned=True),
    Case("annotation-localhost", says("localhost/k8s-web"), copied=WEB, warned=True),
    Case("annotation-unconfined", says("unconfined"), copied=UN, warned=True),
    Case("annotation-empty", says(""), warned=True),
    Case("annotation-no-name", says("localhost/"), warned=True),
    Case("annotation-padded", says("localhost/ k8s-web "), warned=True),
    Case(
        "annotation-other",
        says("runtime/other"),
        said=f'{OLD}c]: Invalid value: "runtime/other": invalid AppArmor profile name: "runtime/other"',
    ),
    Case(
        "annotation-of-nobody",
        {"d": "unconfined"},
        said=f'{OLD}d]: Invalid value: "d": container not found',
    ),
    Case(
        "annotation-over-pod",
        says("unconfined"),
        pod=RD,
        copied=UN,
        warned=True,
        template_said=f"{FIELD}.type: {MISMATCH.format('type')}",
    ),
    Case(
        "annotation-over-unconfined-pod",
        says("runtime/default"),
        pod=UN,
        copied=RD,
        warned=True,
        template_said=f"{FIELD}.type: {MISMATCH.format('type')}",
    ),
    Case(
        "annotation-other-name-than-pod",
        says("localhost/other"),
        pod=WEB,
        copied={"type": "Localhost", "localhostProfile": "other"},
        warned=True,
        template_said=f"{FIELD}.localhostProfile: {MISMATCH.format('profile')}",
    ),
    Case("annotation-as-pod", says("runtime/default"), pod=RD),
    Case(
        "annotation-empty-with-pod",
        says(""),
        pod=RD,
        said=f"{FIELD}.type: {MISMATCH.format('type')}",
    ),
    Case("annotation-as-container", says("localhost/k8s-web"), own=WEB),
    Case(
        "annotation-against-container",
        says("unconfined"),
        own=RD,
        said=f"{FIELD}.type: {MISMATCH.format('type')}",
    ),
    Case(
        "annotation-other-name",
        says("localhost/other"),
        own=WEB,
        said=f"{FIELD}.localhostProfile: {MISMATCH.format('profile')}",
    ),
    Case(
        "windows-field", own=RD, os="windows", said=f"{FIELD}: Forbidden: cannot be set for a win"
    ),
    Case(
        "windows-pod-field",
        pod=RD,
        os="windows",
        said="spec.securityContext.appArmorProfile: Forbidden: cannot be set for a windows pod",
    ),
    Case(
        "field-without-name",
        own={"type": "Localhost"},
        said=f"{FIELD}.localhostProfile: Required value: must be set when AppArmor type is Localhost",
    ),
    Case(
        "field-empty-name",
        own={"type": "Localhost", "localhostProfile": ""},
        said=f"{FIELD}.localhostProfile: Required value: must be set when AppArmor type is Localhost",
    ),
    Case(
        "field-padded-name",
        own={"type": "Localhost", "localhostProfile": " a "},
        said=f'{FIELD}.localhostProfile: Invalid value: " a ": must not be padded with whitespace',
    ),
    Case(
        "field-long-name",
        own={"type": "Localhost", "localhostProfile": "a" * 4096},
        said=f"{FIELD}.localhostProfile: Too long: may not be more than 4095 bytes",
    ),
    Case(
        "field-name-of-none",
        own={"type": "RuntimeDefault", "localhostProfile": "a"},
        said=f'{FIELD}.localhostProfile: Invalid value: "a": can only be set when AppArmor type is Local',
    ),
    Case(
        "field-type",
        own={"type": "Strict"},
        said=f'{FIELD}.type: Unsupported value: "Strict": supported values: "Localhost", "Runt',
    ),
    Case(
        "field-no-type",
        pod={},
        said="spec.securityContext.appArmorProfile.type: Required value: type is required when appArmor",
    ),
    Case("field-named-unconfined", own={"type": "Localhost", "localhostProfile": "unconfined"}),
)


@pytest.mark.parametrize("case", [c for c in CASES if not c.said], ids=lambda case: case.id)
def test_pod_is_stored_with_its_annotation_copied_and_a_warning(
    cluster: Cluster, home: str, case: Case
) -> None:
    answer = cluster.gateway.dry_run_pod(home, case.manifest(POD))

    (stored,) = answer.manifest["spec"]["containers"]
    assert profile_in(stored) == (case.copied or case.own)
    assert deprecations(answer) == ((warning("c"),) if case.warned else ())


@pytest.mark.parametrize("case", [c for c in CASES if c.said], ids=lambda case: case.id)
def test_pod_that_contradicts_itself_is_invalid(cluster: Cluster, home: str, case: Case) -> None:
    error = refused(lambda: cluster.gateway.dry_run_pod(home, case.manifest(POD)))

    assert isinstance(error, Invalid)
    assert f'Pod "case" is invalid: {case.said}'[:390] in error.message


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_template_is_never_changed_and_must_agree_with_itself(
    cluster: Cluster, home: str, case: Case
) -> None:
    said = case.template_said or case.said
    manifest = case.manifest(DEPLOYMENT)

    if said:
        error = refused(lambda: cluster.try_out(manifest, home))
        path = f"spec.template.{said}".replace("template.metadata.", "template.")
        assert isinstance(error, Invalid)
        assert f'Deployment.apps "case" is invalid: {path}'[:390] in error.message
        return
    answer = cluster.try_out(manifest, home)
    (stored,) = answer.manifest["spec"]["template"]["spec"]["containers"]
    assert profile_in(stored) == case.own
    assert deprecations(answer) == ((warning("c", "spec.template."),) if case.warned else ())


def profile_in(container: Manifest) -> Manifest | None:
    found: Manifest | None = (container.get("securityContext") or {}).get("appArmorProfile")
    return found


def deprecations(answer: Answer) -> tuple[str, ...]:
    """Without what policies say: others may stand on the same plane."""
    return tuple(text for text in answer.warnings if "appArmorProfile" in text)


def warning(name: str, stem: str = "") -> str:
    return f'{stem}{OLD}{name}]: deprecated since v1.30; use the "appArmorProfile" field instead'


STEMS = {
    POD: "",
    WorkloadKind.POD_TEMPLATE: "template.",
    WorkloadKind.CRON_JOB: "spec.jobTemplate.spec.template.",
}


@pytest.mark.parametrize("kind", WorkloadKind)
def test_annotations_of_each_kind_are_warned_of_under_its_own_path(
    cluster: Cluster, home: str, kind: WorkloadKind
) -> None:
    spec = {
        "initContainers": [{"name": "i", "image": "secprof.invalid/case:none"}],
        "containers": [
            {"name": name, "image": "secprof.invalid/case:none"} for name in ("c", "b", "a")
        ],
    }
    annotations = {PREFIX + name: "unconfined" for name in ("b", "c", "i")}

    answer = cluster.try_out(wrapped(kind, spec, annotations=annotations), home)

    stem = STEMS.get(kind, "spec.template.")
    assert deprecations(answer) == tuple(warning(name, stem) for name in ("i", "c", "b"))


def test_update_of_a_template_warns_again_only_if_its_spec_moved(
    cluster: Cluster, home: str
) -> None:
    kind = WorkloadKind.POD_TEMPLATE
    manifest = wrapped(kind, CASES[0].spec(), name="old", annotations={PREFIX + "c": "unconfined"})
    cluster.apply(manifest, home)

    labelled = cluster.patch(manifest, home, {"metadata": {"labels": {"edited": "yes"}}})
    edited = cluster.patch(
        manifest, home, {"template": {"metadata": {"labels": {"edited": "yes"}}}}
    )

    assert deprecations(labelled) == ()
    assert deprecations(edited) == (warning("c", "template."),)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("c", "unconfined", f"{OLD}c]: Forbidden: may not remove or update AppArmor annotations"),
        ("c", None, f"{OLD}c]: Forbidden: may not remove or update AppArmor annotations"),
        ("b", "unconfined", f"{OLD}b]: Forbidden: may not add AppArmor annotations"),
    ],
)
def test_annotation_of_a_living_pod_cannot_be_touched(
    cluster: Cluster, home: str, name: str, value: str | None, said: str
) -> None:
    containers = [{"name": each, "image": "secprof.invalid/case:none"} for each in ("c", "b")]
    annotations = {PREFIX + "c": "runtime/default"}
    manifest = wrapped(POD, {"containers": containers}, annotations=annotations)
    manifest["metadata"]["name"] = own_name("alive")
    cluster.apply(manifest, home)

    change = {"metadata": {"annotations": {PREFIX + name: value}}}
    error = refused(lambda: cluster.patch(manifest, home, change))

    assert isinstance(error, Invalid)
    assert said in error.message
