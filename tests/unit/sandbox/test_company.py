"""The seed is the company that the demo promises: its size, its cases, and the same each time."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from policies.cluster.errors import Conflict
from policies.cluster.gateway import (
    CRON_JOBS,
    DEPLOYMENTS,
    JOBS,
    NAMESPACES,
    PODS,
    POLICY_REPORTS,
    WORKLOADS,
    Manifest,
    Resource,
)
from policies.domain.library import TEMPLATES, Target, VariantSpec, compile_objects
from policies.domain.library.records import APPARMOR, CONFINED_PODS
from policies.domain.objects import STRUCT_BY_KIND, WorkloadKind
from policies.domain.parameters import Parameters
from policies.domain.posture import Effective, Role, Source, assess
from sandbox.company import KYVERNO_VERSION, Which, lines, seed
from sandbox.control import Sandbox
from sandbox.gateway import SandboxGateway
from tests.unit.sandbox.conftest import START, Clock, policies

BOTH: tuple[Which, ...] = ("prod", "staging")
SECCOMP_SOURCES = {Source.CONTAINER, Source.POD, Source.NOTHING}
APPARMOR_SOURCES = {Source.CONTAINER, Source.POD, Source.ANNOTATION, Source.KUBELET}
SYSTEM = {"default", "kube-system", "kyverno"}


@pytest.fixture(scope="module")
def clusters(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, SandboxGateway]]:
    folder = tmp_path_factory.mktemp("company")
    opened = {}
    for which in BOTH:
        seed(folder / which, which, START)
        opened[which] = SandboxGateway(folder / which, clock=Clock())
    yield opened
    for gateway in opened.values():
        gateway.close()


def items(gateway: SandboxGateway, resource: Resource) -> list[Manifest]:
    return [
        {**json.loads(item), "kind": resource.kind}
        for page in gateway.pages(resource)
        for item in page.items
    ]


def workloads(gateway: SandboxGateway) -> list[Manifest]:
    return [manifest for resource in WORKLOADS for manifest in items(gateway, resource)]


def top(manifests: list[Manifest]) -> list[Manifest]:
    return [each for each in manifests if not each["metadata"].get("ownerReferences")]


def test_company_has_thirty_namespaces_with_a_team_and_some_two_hundred_workloads(
    clusters: dict[str, SandboxGateway],
) -> None:
    namespaces = [ns for gateway in clusters.values() for ns in items(gateway, NAMESPACES)]
    teams = Counter(ns["metadata"]["labels"].get("team", "") for ns in namespaces)
    owned = sum(len(top(workloads(gateway))) for gateway in clusters.values())

    assert teams.total() - teams[""] == 30
    assert teams.keys() - {""} == {
        "payments",
        "web",
        "data",
        "platform",
        "identity",
        "mobile",
        "risk",
    }
    assert 170 <= owned <= 230


def test_company_has_each_of_the_nine_kinds_in_each_cluster(
    clusters: dict[str, SandboxGateway],
) -> None:
    for gateway in clusters.values():
        assert all(items(gateway, resource) for resource in WORKLOADS)


def test_company_objects_are_read_by_the_domain(clusters: dict[str, SandboxGateway]) -> None:
    for gateway in clusters.values():
        for manifest in workloads(gateway):
            kind = WorkloadKind(manifest["kind"])
            workload = msgspec.convert(manifest, STRUCT_BY_KIND[kind])

            assert assess(kind, workload, parameters=Parameters()).containers


def test_company_has_every_case_of_interest(clusters: dict[str, SandboxGateway]) -> None:
    seen: set[object] = set()
    for manifest in workloads(clusters["prod"]):
        kind = WorkloadKind(manifest["kind"])
        workload = msgspec.convert(manifest, STRUCT_BY_KIND[kind])
        posture = assess(kind, workload, parameters=Parameters())
        seen |= {"windows"} if not posture.applicable else set()
        seen |= {"dead annotation"} if posture.dead_annotations else set()
        for row in posture.containers:
            seen |= {row.role, row.seccomp.source, row.seccomp.declared, row.seccomp.effective}

    assert seen >= {*Role, *SECCOMP_SOURCES, "", "RuntimeDefault", "Localhost", "Unconfined"}
    assert seen >= {
        "windows",
        "dead annotation",
        Effective.PRIVILEGED,
        Effective.WIDER_DEFAULT,
        Effective.DOES_NOT_START,
        Effective.AUDIT_ONLY,
        "Localhost:profiles/web-fine.json",
    }


@pytest.mark.parametrize("which", BOTH)
def test_company_has_every_case_of_apparmor(
    clusters: dict[str, SandboxGateway], which: Which
) -> None:
    seen: set[object] = set()
    for manifest in workloads(clusters[which]):
        kind = WorkloadKind(manifest["kind"])
        workload = msgspec.convert(manifest, STRUCT_BY_KIND[kind])
        for row in assess(kind, workload, parameters=Parameters()).containers:
            seen |= {row.apparmor.source, row.apparmor.declared, row.apparmor.effective}
            seen |= {(row.role, row.apparmor.declared), (row.privileged, row.apparmor.declared)}

    assert seen >= {*APPARMOR_SOURCES, "", "RuntimeDefault", "Localhost", "Unconfined"}
    assert seen >= {
        (Role.INIT if which == "prod" else Role.SIDECAR, "Unconfined"),
        (True, "Localhost"),
        "Localhost:k8s-web",
        Effective.IMPLICIT_DEFAULT,
    }


def test_company_pods_have_their_templates_annotations_as_fields(
    clusters: dict[str, SandboxGateway],
) -> None:
    pods = {pod["metadata"]["name"]: pod for pod in items(clusters["prod"], PODS)}
    (reindex,) = (pod for name, pod in pods.items() if name.startswith("reindex-2940006"))

    for pod, profile in (
        (reindex, {"type": "Localhost", "localhostProfile": "k8s-web"}),
        (pods["sftp-upload"], {"type": "Unconfined"}),
        (pods["netshoot"], {"type": "Unconfined"}),
    ):
        (container,) = pod["spec"]["containers"]
        assert container["securityContext"]["appArmorProfile"] == profile


@pytest.mark.parametrize("template", [APPARMOR.name, CONFINED_PODS.name])
def test_company_namespaces_are_ready_and_blocked_for_each_template(
    tmp_path: Path, template: str
) -> None:
    path = tmp_path / "own"
    seed(path, "prod", START)
    sandbox, gateway = Sandbox(path, clock=Clock()), SandboxGateway(path, clock=Clock())
    spec = VariantSpec(
        name="confined",
        template=template,
        target=Target.CLUSTER_POLICY,
        api_version="kyverno.io/v1",
        parameters=Parameters(controls=TEMPLATES[template].choices[0]),
    )
    sandbox.create(compile_objects(spec, ())[0].manifest)
    reports = items(gateway, POLICY_REPORTS)
    gateway.close()
    sandbox.close()

    judged = {each["metadata"]["namespace"] for each in reports} - SYSTEM
    failing = {each["metadata"]["namespace"] for each in reports if each["summary"]["fail"]}
    assert judged - failing >= {"identity", "ingress", "push", "search"}
    assert failing >= {"data-pipelines", "fraud", "monitoring", "payments", "web-edge"}


def test_company_has_what_does_not_run_now(clusters: dict[str, SandboxGateway]) -> None:
    gateway = clusters["prod"]
    running = {
        owner["name"]
        for job in items(gateway, JOBS)
        for owner in job["metadata"].get("ownerReferences", ())
    }
    cron_jobs = items(gateway, CRON_JOBS)

    assert any(each["metadata"]["name"] not in running for each in cron_jobs)
    assert any(each["spec"]["suspend"] for each in cron_jobs)
    assert any(each["spec"]["replicas"] == 0 for each in items(gateway, DEPLOYMENTS))
    assert any(len(each["metadata"]["name"]) == 63 for each in items(gateway, DEPLOYMENTS))


def test_company_pods_have_the_owners_and_tokens_of_real_ones(
    clusters: dict[str, SandboxGateway],
) -> None:
    uids = {each["metadata"]["uid"] for each in workloads(clusters["prod"])}
    pods = items(clusters["prod"], PODS)
    owned = [pod for pod in pods if pod["metadata"].get("ownerReferences")]

    for pod in owned:
        (owner,) = pod["metadata"]["ownerReferences"]
        assert owner["controller"]
        assert owner["uid"] in uids or owner["kind"] == "Node"
    assert any("projected" in volume for pod in pods for volume in pod["spec"].get("volumes", ()))
    assert len(owned) < len(pods)


def test_company_namespaces_are_ready_blocked_and_empty(
    clusters: dict[str, SandboxGateway], tmp_path: Path
) -> None:
    failing: dict[str, set[str]] = {}
    for line in lines("prod"):
        failing.setdefault(line.namespace, set())
    seed(tmp_path / "own", "prod", START)
    gateway = SandboxGateway(tmp_path / "own", clock=Clock())
    sandbox = Sandbox(tmp_path / "own", clock=Clock())
    sandbox.create(policies(Target.CLUSTER_POLICY)[0])
    for report in items(gateway, POLICY_REPORTS):
        if report["summary"]["fail"] and report["scope"]["kind"] in ("Deployment", "CronJob"):
            failing[report["metadata"]["namespace"]].add(report["scope"]["name"])
    gateway.close()
    sandbox.close()

    sizes = Counter(min(len(names), 4) for ns, names in failing.items() if ns not in SYSTEM)
    assert sizes[0] >= 5
    assert sizes[1] + sizes[2] + sizes[3] >= 5
    assert sizes[4] >= 1
    assert "risk-archive" not in failing


@pytest.mark.parametrize("which", BOTH)
def test_company_is_the_same_each_time(
    clusters: dict[str, SandboxGateway], which: Which, tmp_path: Path
) -> None:
    seed(tmp_path / "again", which, START)
    again = SandboxGateway(tmp_path / "again", clock=Clock())

    assert workloads(again) == workloads(clusters[which])
    again.close()


def test_company_cannot_be_seeded_twice(tmp_path: Path) -> None:
    seed(tmp_path / "once", "prod", START)

    with pytest.raises(Conflict):
        seed(tmp_path / "once", "prod", START)


def test_company_says_which_kyverno_it_runs(clusters: dict[str, SandboxGateway]) -> None:
    for gateway in clusters.values():
        (admission,) = (
            each
            for each in items(gateway, DEPLOYMENTS)
            if each["metadata"]["labels"].get("app.kubernetes.io/component")
            == "admission-controller"
        )
        (container,) = admission["spec"]["template"]["spec"]["containers"]

        assert admission["metadata"]["namespace"] == "kyverno"
        assert container["image"] == f"reg.kyverno.io/kyverno/kyverno:{KYVERNO_VERSION}"
