"""What else weakens a pod: each weakness by its field, and annotations that nobody reads."""

from typing import Any

import pytest

from policies.domain.facts import TYPICAL, ClusterFacts
from policies.domain.objects import WorkloadKind
from policies.domain.parameters import Parameters
from policies.domain.posture import Hardening, Posture, Weakness, assess
from tests.unit.domain.apparmor_cases import keys
from tests.unit.domain.seccomp_cases import RD, container, pod, wrapped
from tests.unit.domain.test_posture import decoded

HARD = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
    "runAsNonRoot": True,
}


def posture(
    spec: dict[str, Any],
    kind: WorkloadKind = WorkloadKind.POD,
    facts: ClusterFacts = TYPICAL,
    annotations: dict[str, str] | None = None,
) -> Posture:
    workload = decoded(kind, wrapped(kind, spec, annotations=annotations))
    return assess(kind, workload, parameters=Parameters(), facts=facts)


def weaknesses(spec: dict[str, Any], **more: Any) -> list[tuple[Weakness, str, str]]:
    return [(h.weakness, h.container, h.path) for h in posture(spec, **more).hardening]


def hard(**changes: Any) -> dict[str, Any]:
    return container("c", **{**HARD, **changes})


def test_hardened_pod_has_no_weakness() -> None:
    assert weaknesses(pod(hard())) == []


def test_harmless_capability_and_settings_of_the_pod_are_no_weakness() -> None:
    spec = pod(hard(runAsNonRoot=None, capabilities={"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}))

    assert weaknesses(spec | {"securityContext": {"runAsNonRoot": True}}) == []


@pytest.mark.parametrize(
    ("changes", "weakness", "field"),
    [
        ({"privileged": True}, Weakness.PRIVILEGED, "privileged"),
        (
            {"allowPrivilegeEscalation": None},
            Weakness.PRIVILEGE_ESCALATION,
            "allowPrivilegeEscalation",
        ),
        ({"runAsNonRoot": False}, Weakness.RUNS_AS_ROOT, "runAsNonRoot"),
        ({"runAsUser": 0}, Weakness.RUNS_AS_ROOT, "runAsUser"),
        ({"capabilities": None}, Weakness.CAPABILITIES, "capabilities.drop"),
        (
            {"capabilities": {"drop": ["ALL"], "add": ["CHOWN"]}},
            Weakness.CAPABILITIES,
            "capabilities.add",
        ),
        ({"readOnlyRootFilesystem": None}, Weakness.WRITABLE_ROOT, "readOnlyRootFilesystem"),
    ],
)
def test_container_with_one_weakness_names_its_field(
    changes: dict[str, Any], weakness: Weakness, field: str
) -> None:
    path = f"spec.containers[0].securityContext.{field}"

    assert weaknesses(pod(hard(**changes))) == [(weakness, "c", path)]


def test_root_of_the_pod_is_named_where_it_stands() -> None:
    spec = pod(hard()) | {"securityContext": {"runAsUser": 0}}

    assert weaknesses(spec) == [(Weakness.RUNS_AS_ROOT, "c", "spec.securityContext.runAsUser")]


@pytest.mark.parametrize(("minor", "found"), [(34, 1), (35, 0)])
def test_root_in_a_user_namespace_counts_until_1_35(minor: int, found: int) -> None:
    spec = pod(hard(runAsUser=0)) | {"hostUsers": False}

    assert len(weaknesses(spec, facts=ClusterFacts(kubernetes=(1, minor)))) == found


def test_added_capability_that_widens_the_default_profile_says_so() -> None:
    spec = pod(hard(capabilities={"drop": ["ALL"], "add": ["CAP_SYS_ADMIN"]}), profile=RD)

    (found,) = posture(spec).hardening

    assert "RuntimeDefault lets more system calls through for SYS_ADMIN" in found.message


def test_ports_paths_and_namespaces_of_the_host_are_named() -> None:
    spec = pod(hard() | {"ports": [{"containerPort": 80}, {"hostPort": 80}]}) | {
        "hostNetwork": True,
        "hostPID": True,
        "hostIPC": True,
        "volumes": [{"name": "a", "emptyDir": {}}, {"name": "b", "hostPath": {"path": "/etc"}}],
    }

    assert weaknesses(spec) == [
        (Weakness.HOST_NAMESPACES, "", "spec.hostNetwork"),
        (Weakness.HOST_NAMESPACES, "", "spec.hostPID"),
        (Weakness.HOST_NAMESPACES, "", "spec.hostIPC"),
        (Weakness.HOST_PATHS, "", "spec.volumes[1].hostPath"),
        (Weakness.HOST_PORTS, "c", "spec.containers[0].ports[1].hostPort"),
    ]


def dead(found: Posture) -> list[Hardening]:
    return [h for h in found.hardening if h.weakness is Weakness.DEAD_ANNOTATION]


def test_seccomp_annotations_are_dead_from_1_25_on() -> None:
    key = "seccomp.security.alpha.kubernetes.io/pod"
    spec, annotations = pod(hard()), {key: "runtime/default"}

    old = posture(spec, facts=ClusterFacts(kubernetes=(1, 24)), annotations=annotations)
    new = posture(spec, facts=ClusterFacts(kubernetes=(1, 25)), annotations=annotations)

    assert (old.dead_annotations, dead(old), old.findings) == ((), [], ())
    assert new.dead_annotations == (key,)
    assert [h.path for h in dead(new)] == [f"metadata.annotations[{key}]"]
    assert new.findings


def test_apparmor_annotation_for_no_container_is_dead() -> None:
    (found,) = dead(posture(pod(hard()), annotations=keys({"gone": "unconfined"})))

    assert "no container 'gone'" in found.message


def test_annotations_of_the_controller_itself_never_reach_its_pods() -> None:
    kind = WorkloadKind.DEPLOYMENT
    manifest = wrapped(kind, pod(hard()))
    manifest["metadata"]["annotations"] = keys({"c": "runtime/default"}) | {"other": "x"}

    (found,) = dead(assess(kind, decoded(kind, manifest), parameters=Parameters()))

    assert found.path == "metadata.annotations[container.apparmor.security.beta.kubernetes.io/c]"
    assert "never reaches its pods" in found.message
