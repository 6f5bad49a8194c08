"""The pod that a workload would create, fit for a dry-run create."""

from typing import Any

import pytest

from policies.domain.objects import WorkloadKind
from policies.domain.posture import UnreadablePodSpec, pod_of
from tests.unit.domain.seccomp_cases import RD, container, pod, wrapped


@pytest.mark.parametrize("kind", WorkloadKind)
def test_pod_of_each_kind_holds_its_containers_and_labels(kind: WorkloadKind) -> None:
    manifest = wrapped(kind, pod(container("c"), profile=RD), annotations={"note": "kept"})

    built = pod_of(kind, manifest, name="rehearsed")

    assert (built["apiVersion"], built["kind"]) == ("v1", "Pod")
    assert built["metadata"] == {
        "name": "rehearsed",
        "labels": {"app": "case"},
        "annotations": {"note": "kept"},
    }
    assert built["spec"]["containers"] == [container("c")]
    assert built["spec"]["securityContext"] == {"seccompProfile": RD}


def running_pod() -> dict[str, Any]:
    token = {"name": "kube-api-access-x1", "projected": {"sources": []}}
    mount = {"name": "kube-api-access-x1", "mountPath": "/var/run/secrets/kubernetes.io"}
    work = {"name": "work", "emptyDir": {}}
    spec = pod(
        container("c") | {"volumeMounts": [mount, {"name": "work", "mountPath": "/w"}]},
        ephemeral=(container("debug"),),
    )
    spec |= {"nodeName": "node-1", "priority": 0, "volumes": [token, work]}
    manifest = wrapped(WorkloadKind.POD, spec, annotations={"kubernetes.io/config.mirror": "x"})
    return manifest | {"status": {"phase": "Running"}}


def test_pod_of_a_running_pod_leaves_out_what_the_cluster_added() -> None:
    built = pod_of(WorkloadKind.POD, running_pod(), name="rehearsed")

    assert set(built) == {"apiVersion", "kind", "metadata", "spec"}
    assert "annotations" not in built["metadata"]
    assert set(built["spec"]) == {"containers", "volumes"}
    assert built["spec"]["volumes"] == [{"name": "work", "emptyDir": {}}]
    assert built["spec"]["containers"][0]["volumeMounts"] == [{"name": "work", "mountPath": "/w"}]


def test_pod_of_does_not_change_its_input() -> None:
    manifest = running_pod()

    pod_of(WorkloadKind.POD, manifest, name="rehearsed")

    assert manifest == running_pod()


@pytest.mark.parametrize(
    ("kind", "manifest"),
    [
        (WorkloadKind.REPLICATION_CONTROLLER, {"spec": {"template": None}}),
        (WorkloadKind.DEPLOYMENT, {"spec": {"template": {"spec": {"containers": []}}}}),
        (WorkloadKind.CRON_JOB, {}),
        (WorkloadKind.POD, {"spec": "odd"}),
    ],
)
def test_pod_of_without_containers_raises(kind: WorkloadKind, manifest: dict[str, Any]) -> None:
    with pytest.raises(UnreadablePodSpec):
        pod_of(kind, manifest, name="x")
