"""Who fails, each fault once at the topmost object: owners speak for what they own."""

import msgspec
import pytest

from policies.domain.failing import failures
from policies.domain.objects import STRUCT_BY_KIND, Workload, WorkloadKind
from policies.domain.parameters import Parameters
from policies.domain.posture import Posture, assess
from tests.unit.domain.seccomp_cases import RD, UN, container, pod, wrapped


def held(
    kind: WorkloadKind, name: str, spec: dict, owner: str = "", replicas: int | None = None
) -> tuple[WorkloadKind, Workload]:
    manifest = wrapped(kind, spec, name=name)
    manifest["metadata"] |= {"uid": name, "namespace": "shop"}
    if owner:
        manifest["metadata"]["ownerReferences"] = [
            {"uid": owner, "kind": "Deployment", "name": owner, "controller": True}
        ]
    if replicas is not None:
        manifest["spec"]["replicas"] = replicas
    return kind, msgspec.convert(manifest, type=STRUCT_BY_KIND[kind])


def judge(kind: WorkloadKind, workload: Workload) -> Posture:
    return assess(kind, workload, parameters=Parameters())


BAD = pod(container("c"))
GOOD = pod(container("c"), profile=RD)
DEBUGGED = pod(container("c"), profile=RD, ephemeral=(container("debug", UN),))
DEPLOYMENT, REPLICA_SET, POD = (
    WorkloadKind.DEPLOYMENT,
    WorkloadKind.REPLICA_SET,
    WorkloadKind.POD,
)


@pytest.mark.parametrize(
    ("objects", "names"),
    [
        ([held(DEPLOYMENT, "web", BAD), held(POD, "web-1", BAD, "web")], ["web"]),
        ([held(DEPLOYMENT, "web", GOOD), held(POD, "web-1", BAD, "web")], ["web-1"]),
        ([held(DEPLOYMENT, "web", GOOD), held(POD, "web-1", DEBUGGED, "web")], ["web-1"]),
        ([held(DEPLOYMENT, "web", GOOD), held(REPLICA_SET, "old", BAD, "web", 0)], []),
        ([held(REPLICA_SET, "alone", BAD, "rollout", 0)], ["alone"]),
    ],
    ids=["as-owner", "injected", "debugged", "idle", "owner-unknown"],
)
def test_failures_name_the_topmost_object(
    objects: list[tuple[WorkloadKind, Workload]], names: list[str]
) -> None:
    found = failures(objects, judge)

    assert [failing.name for failing in found.failing] == names
    assert found.workload_count == 1


def test_failures_count_what_cannot_be_read() -> None:
    found = failures([held(POD, "empty", {"containers": []})], judge)

    assert found.unreadable == ("Pod empty",)
    assert found.failing == ()
