"""Placement: which nodes a pod may use, read from its spec and kept as JSON."""

import json
from typing import Any

import msgspec
import pytest

from policies.domain.inventory import ANYWHERE, Node, Taint, placement_fields, placement_of
from policies.domain.inventory.placement import Fit, fit, read_placement
from policies.domain.objects import PodSpec, WorkloadKind

PLAIN = Node("plain", labels={"pool": "web", "cores": "8"})
TAINTED = Node("tainted", taints=(Taint("gpu", "yes", "NoSchedule"),))
SOFT = Node("soft", taints=(Taint("spot", "", "PreferNoSchedule"),))


def affinity(*terms: dict[str, Any]) -> dict[str, Any]:
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}
    return {"affinity": {"nodeAffinity": required}}


def label(key: str, operator: str, *values: str) -> dict[str, Any]:
    return affinity({"matchExpressions": [line(key, operator, *values)]})


def line(key: str, operator: str, *values: str) -> dict[str, Any]:
    return {"key": key, "operator": operator, "values": values}


def field(key: str, operator: str, *values: str) -> dict[str, Any]:
    return affinity({"matchFields": [line(key, operator, *values)]})


def tolerates(**toleration: str) -> dict[str, Any]:
    return {"tolerations": [toleration]}


@pytest.mark.parametrize(
    ("spec", "node", "expected"),
    [
        ({}, PLAIN, Fit.YES),
        ({}, SOFT, Fit.YES),
        ({}, TAINTED, Fit.NO),
        ({}, Node("w", os="windows"), Fit.NO),
        ({}, Node("silent", os=""), Fit.YES),
        ({"os": {"name": "windows"}}, PLAIN, Fit.NO),
        ({"nodeSelector": {"kubernetes.io/os": "windows"}}, PLAIN, Fit.NO),
        ({"nodeSelector": {"pool": "web"}}, PLAIN, Fit.YES),
        ({"nodeSelector": {"pool": "gpu"}}, PLAIN, Fit.NO),
        ({"nodeSelector": {"zone": "a"}}, PLAIN, Fit.NO),
        ({"nodeName": "plain"}, PLAIN, Fit.YES),
        ({"nodeName": "tainted"}, TAINTED, Fit.YES),
        ({"nodeName": "plain"}, TAINTED, Fit.NO),
        (label("pool", "In", "web", "gpu"), PLAIN, Fit.YES),
        (label("pool", "In", "gpu"), PLAIN, Fit.NO),
        (label("pool", "NotIn", "gpu"), PLAIN, Fit.YES),
        (label("zone", "NotIn", "a"), PLAIN, Fit.YES),
        (label("pool", "Exists"), PLAIN, Fit.YES),
        (label("zone", "Exists"), PLAIN, Fit.NO),
        (label("zone", "DoesNotExist"), PLAIN, Fit.YES),
        (label("pool", "DoesNotExist"), PLAIN, Fit.NO),
        (label("cores", "Gt", "4"), PLAIN, Fit.YES),
        (label("cores", "Gt", "8"), PLAIN, Fit.NO),
        (label("cores", "Lt", "16"), PLAIN, Fit.YES),
        (label("pool", "Gt", "4"), PLAIN, Fit.NO),
        (label("zone", "Lt", "4"), PLAIN, Fit.NO),
        (label("pool", "Near", "web"), PLAIN, Fit.MAYBE),
        (field("metadata.name", "In", "plain"), PLAIN, Fit.YES),
        (field("metadata.name", "In", "other"), PLAIN, Fit.NO),
        (field("spec.unschedulable", "In", "true"), PLAIN, Fit.MAYBE),
        (affinity(), PLAIN, Fit.NO),
        (affinity({}), PLAIN, Fit.NO),
        (
            affinity(
                {"matchExpressions": [line("pool", "In", "gpu")]},
                {"matchExpressions": [line("pool", "In", "web"), line("cores", "Exists")]},
            ),
            PLAIN,
            Fit.YES,
        ),
        (tolerates(key="gpu", value="yes"), TAINTED, Fit.YES),
        (tolerates(key="gpu", value="no"), TAINTED, Fit.NO),
        (tolerates(key="gpu", operator="Exists"), TAINTED, Fit.YES),
        (tolerates(operator="Exists"), TAINTED, Fit.YES),
        (tolerates(key="gpu", operator="Exists", effect="NoExecute"), TAINTED, Fit.NO),
        (tolerates(key="gpu", operator="Gt", value="1"), TAINTED, Fit.MAYBE),
        ({"runtimeClassName": "gvisor"}, TAINTED, Fit.MAYBE),
        ({"runtimeClassName": "gvisor"}, PLAIN, Fit.YES),
    ],
)
def test_fit_spec_on_node_says_whether_it_takes_the_pod(
    spec: dict[str, Any], node: Node, expected: Fit
) -> None:
    placement = placement_of(WorkloadKind.POD, msgspec.convert(spec, PodSpec))

    assert fit(placement, node) is expected
    assert read_placement(json.loads(json.dumps(placement_fields(placement)))) == placement


CORDONED = Node("cordoned", taints=(Taint("node.kubernetes.io/unschedulable", "", "NoSchedule"),))


@pytest.mark.parametrize(
    ("kind", "expected"), [(WorkloadKind.DEPLOYMENT, Fit.NO), (WorkloadKind.DAEMON_SET, Fit.YES)]
)
def test_fit_cordoned_node_takes_only_daemon_sets(kind: WorkloadKind, expected: Fit) -> None:
    assert fit(placement_of(kind, PodSpec()), CORDONED) is expected


def test_placement_fields_of_a_pod_that_says_nothing_are_empty() -> None:
    assert placement_fields(ANYWHERE) == {}
