"""The single door for writes: what passes, what does not, and what is logged."""

import logging
from dataclasses import replace
from typing import Any, cast

import pytest

from policies.cluster.gateway import (
    CEL_EXCEPTIONS,
    CLUSTER_POLICIES,
    KYVERNO_EXCEPTIONS,
    PODS,
    VALIDATING_POLICIES,
    Gateway,
    Resource,
    Verb,
    Write,
)
from policies.cluster.kubernetes import KubernetesGateway
from policies.cluster.writes import RefusedWrite, UndecidedWrite, write
from tests.unit.cluster.stub import Canned, Stub

CREATE = Write(
    Verb.CREATE,
    CLUSTER_POLICIES,
    "p",
    {
        "apiVersion": "kyverno.io/v1",
        "kind": "ClusterPolicy",
        "metadata": {"name": "p"},
        "spec": {"canary": "manifest-text"},
    },
)
REPLACE = replace(CREATE, verb=Verb.REPLACE, uid="u", resource_version="1")
DELETE = Write(Verb.DELETE, CLUSTER_POLICIES, "p", uid="u", resource_version="1")
EXCEPTION = Write(
    Verb.CREATE,
    KYVERNO_EXCEPTIONS,
    "p",
    {
        "apiVersion": "kyverno.io/v2",
        "kind": "PolicyException",
        "metadata": {"name": "p", "namespace": "kyverno"},
    },
    namespace="kyverno",
)
OTHER_VERSION = Resource("policies.kyverno.io", "v1beta1", "validatingpolicies", "ValidatingPolicy")


def renamed(change: Write, resource: Resource) -> Write:
    manifest = cast("dict[str, Any]", change.manifest)
    told = {"apiVersion": resource.api_version, "kind": resource.kind}
    return replace(change, resource=resource, manifest=manifest | told)


@pytest.mark.parametrize(
    "change",
    [
        CREATE,
        REPLACE,
        DELETE,
        renamed(CREATE, VALIDATING_POLICIES),
        renamed(CREATE, OTHER_VERSION),
        EXCEPTION,
        renamed(EXCEPTION, CEL_EXCEPTIONS),
        replace(DELETE, resource=CEL_EXCEPTIONS, namespace="kyverno"),
    ],
)
def test_write_decided_reaches_the_cluster_and_the_log(
    change: Write, gateway: KubernetesGateway, stub: Stub, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    stub.answers = [Canned.of({"kind": "said"})]

    write(gateway, change, decision="flip-7", dry_run=True)

    assert len(stub.asked) == 1
    (record,) = [each for each in caplog.records if each.message == "cluster.write"]
    logged = {
        name: getattr(record, name)
        for name in ("decision", "verb", "kind", "object_name", "namespace", "dry_run")
    }
    assert logged == {
        "decision": "flip-7",
        "verb": change.verb.value,
        "kind": change.resource.kind,
        "object_name": "p",
        "namespace": change.namespace,
        "dry_run": True,
    }
    assert "manifest-text" not in str(vars(record))


@pytest.mark.parametrize("decision", ["", "  "])
def test_write_undecided_does_not_reach_the_cluster(
    decision: str, gateway: Gateway, stub: Stub
) -> None:
    with pytest.raises(UndecidedWrite):
        write(gateway, CREATE, decision=decision, dry_run=True)

    assert stub.asked == []


@pytest.mark.parametrize(
    "change",
    [
        renamed(CREATE, PODS),
        replace(DELETE, resource=PODS),
        renamed(CREATE, replace(CLUSTER_POLICIES, group="example.org")),
        renamed(CREATE, replace(CLUSTER_POLICIES, plural="policyexceptions")),
        renamed(CREATE, replace(CLUSTER_POLICIES, plural="cleanuppolicies")),
        replace(EXCEPTION, namespace=""),
        replace(EXCEPTION, namespace="another"),
        replace(CREATE, namespace="kyverno"),
        replace(DELETE, resource=KYVERNO_EXCEPTIONS),
        replace(DELETE, namespace="kyverno"),
        replace(REPLACE, uid=""),
        replace(REPLACE, resource_version=""),
        replace(DELETE, uid=""),
        replace(DELETE, resource_version=""),
        replace(CREATE, manifest=None),
        replace(CREATE, manifest={}),
        replace(CREATE, name="another"),
        replace(CREATE, resource=VALIDATING_POLICIES),
    ],
)
def test_write_of_another_kind_or_unguarded_does_not_reach_the_cluster(
    change: Write, gateway: Gateway, stub: Stub
) -> None:
    with pytest.raises(RefusedWrite):
        write(gateway, change, decision="flip-7", dry_run=True)

    assert stub.asked == []
