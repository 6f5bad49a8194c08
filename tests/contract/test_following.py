"""A real API server is followed, not read whole again: after thousands of changes the numbers are those of its reports."""

import random
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from controlplane import ControlPlane
from policies.actions import clusters, collection
from policies.actions.recount import recount
from policies.cluster.errors import Gone
from policies.cluster.gateway import (
    NAMESPACES,
    PODS,
    Change,
    ChangeKind,
    Gateway,
    WatchEnded,
)
from policies.domain.authority import SYSTEM
from policies.models import Cluster, CollectionRun
from tests.contract.clusters import Cluster as AnyCluster
from tests.contract.planes import MERGE_PATCH, Plane, eventually
from tests.world import BAD, GOOD, deployment

CHANGES = 5000
Manifest = dict[str, Any]


def test_changes_since_a_version_are_told_in_their_order(cluster: AnyCluster) -> None:
    namespace = cluster.make_namespace("followed")
    version = _version(cluster.gateway)
    for word in ("one", "two"):
        cluster.apply(_pod(word, GOOD), namespace)

    told = _told(cluster.gateway, version)

    mine = [c for c in told if f'"namespace":"{namespace}"'.encode() in c.item]
    assert [c.kind for c in mine] == [ChangeKind.PUT] * 2
    versions = [int(c.resource_version) for c in told]
    assert versions == sorted(versions)
    assert all(number > int(version) for number in versions)


def test_nothing_is_told_twice(cluster: AnyCluster) -> None:
    namespace = cluster.make_namespace("once")
    version = _version(cluster.gateway)
    cluster.apply(_pod("one", GOOD), namespace)
    last = _told(cluster.gateway, version)[-1].resource_version

    again = _told(cluster.gateway, last)

    assert f'"namespace":"{namespace}"'.encode() not in b"".join(c.item for c in again)


def test_version_that_is_too_old_ends_its_kind_alone(cluster: AnyCluster) -> None:
    now = _version(cluster.gateway)

    said = list(cluster.gateway.changes({PODS: "1", NAMESPACES: now}, limit_seconds=10))

    ended = [one for one in said if isinstance(one, WatchEnded)]
    assert [(one.resource, type(one.error)) for one in ended] in ([], [(PODS, Gone)])


def _pod(name: str, container: Manifest) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"containers": [container]},
    }


def _version(gateway: Gateway) -> str:
    return next(iter(gateway.pages(PODS))).resource_version


def _told(gateway: Gateway, version: str) -> list[Change]:
    said = gateway.changes({PODS: version}, limit_seconds=10)
    return [one for one in said if isinstance(one, Change) and one.kind is not ChangeKind.BOOKMARK]


@dataclass
class Churn:
    """Random changes to pods, Deployments and reports of some namespaces on a real API server."""

    raw: Plane
    namespaces: tuple[str, ...]
    chance: random.Random = field(default_factory=lambda: random.Random(11))
    pods: dict[str, str] = field(default_factory=dict)
    """Uid by `namespace/name`."""
    reports: set[tuple[str, str]] = field(default_factory=set)
    count: int = 0

    def change(self) -> None:
        steps: tuple[Callable[[], None], ...] = (
            self.add,
            self.add,
            self.report,
            self.report,
            self.report,
            self.touch,
            self.remove,
            self.forget,
            self.deploy,
        )
        self.chance.choice(steps)()
        self.count += 1

    def go_on(self) -> None:
        for _ in range(CHANGES):
            self.change()

    def add(self) -> None:
        if len(self.pods) >= 300:
            self.remove()
            return
        space = self.chance.choice(self.namespaces)
        name = f"p-{secrets.token_hex(4)}"
        reply = self.raw.create(_pod(name, self.chance.choice((GOOD, BAD))), space)
        if reply.ok:
            self.pods[f"{space}/{name}"] = reply.body["metadata"]["uid"]

    def touch(self) -> None:
        if self.pods:
            space, name = self.chance.choice(sorted(self.pods)).split("/")
            label = {"metadata": {"labels": {"turn": str(self.count)}}}
            at = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}}
            self.raw.patch(at, label, space, content_type=MERGE_PATCH)

    def remove(self) -> None:
        if self.pods:
            key = self.chance.choice(sorted(self.pods))
            space, name = key.split("/")
            path = f"/api/v1/namespaces/{space}/pods/{name}"
            self.raw.send("DELETE", path, {"gracePeriodSeconds": 0})
            del self.pods[key]

    def report(self) -> None:
        if not self.pods:
            return
        key = self.chance.choice(sorted(self.pods))
        space, name = key.split("/")
        uid = self.pods[key]
        path = f"/apis/wgpolicyk8s.io/v1alpha2/namespaces/{space}/policyreports"
        manifest = {
            "apiVersion": "wgpolicyk8s.io/v1alpha2",
            "kind": "PolicyReport",
            "metadata": {"name": f"scan-{uid}"},
            "scope": {
                "apiVersion": "v1",
                "kind": "Pod",
                "name": name,
                "namespace": space,
                "uid": uid,
            },
            "results": [self._result(number) for number in range(5)],
        }
        if (space, uid) in self.reports:
            self.raw.send("PATCH", f"{path}/scan-{uid}", manifest, content_type=MERGE_PATCH)
        elif self.raw.send("POST", path, manifest).ok:
            self.reports.add((space, uid))

    def forget(self) -> None:
        if self.reports:
            space, uid = self.chance.choice(sorted(self.reports))
            path = f"/apis/wgpolicyk8s.io/v1alpha2/namespaces/{space}/policyreports/scan-{uid}"
            self.raw.send("DELETE", path)
            self.reports.discard((space, uid))

    def deploy(self) -> None:
        space = self.chance.choice(self.namespaces)
        name = f"d-{self.chance.randrange(4)}"
        manifest = deployment(space, name, self.chance.choice((GOOD, BAD)), replicas=2)
        path = f"/apis/apps/v1/namespaces/{space}/deployments"
        if self.raw.send("DELETE", f"{path}/{name}", {"propagationPolicy": "Background"}).ok:
            return
        self.raw.send("POST", path, manifest)

    def _result(self, number: int) -> Manifest:
        return {
            "source": "scanner",
            "policy": f"check-{number}",
            "rule": self.chance.choice(("rule", "autogen-rule")),
            "result": self.chance.choice(("pass", "fail", "warn", "error", "skip")),
            "message": "because",
            "timestamp": {"seconds": int(time.time()) - self.chance.randrange(100), "nanos": 0},
        }


@pytest.fixture
def followed(control_plane: ControlPlane, settings: Settings) -> Cluster:
    settings.SECPROF_ALLOW_LOOPBACK_CLUSTERS = True
    return clusters.add_cluster(
        name=f"ct-followed-{secrets.token_hex(3)}",
        kubeconfig=control_plane.kubeconfig.read_text(encoding="utf-8"),
        context=None,
        by=SYSTEM,
        now=timezone.now(),
    )


def _keep_up(cluster: Cluster) -> CollectionRun:
    run = collection.keep_up(cluster_id=cluster.pk, by=SYSTEM, now=timezone.now())
    assert (run.state, run.error_message) == (CollectionRun.State.COMPLETE, "")
    return run


@pytest.mark.controlplane
@pytest.mark.django_db
def test_five_thousand_changes_leave_no_difference_before_during_and_after(
    followed: Cluster, raw_plane: Plane
) -> None:
    namespaces = tuple(f"ct-churn-{secrets.token_hex(3)}" for _ in range(5))
    for name in namespaces:
        raw_plane.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    churn = Churn(raw_plane, namespaces)
    for _ in range(200):
        churn.change()
    _keep_up(followed)
    before = recount(followed)
    other = threading.Thread(target=churn.go_on)

    other.start()
    during, modes = [], []
    while other.is_alive():
        modes.append(_keep_up(followed).mode)
        during.append(recount(followed))
    other.join()
    _keep_up(followed)
    after = recount(followed)

    assert churn.count >= CHANGES
    assert before.results > 0
    assert before.differences == []
    assert [found.differences for found in during] == [[]] * len(during)
    assert len(during) > 3
    assert modes.count(CollectionRun.Mode.CATCH_UP) >= len(modes) - 1
    assert after.differences == []
    collection.collect(cluster_id=followed.pk, by=SYSTEM, now=timezone.now())
    eventually(lambda: recount(followed).differences, lambda found: found == [], seconds=30)
    for name in namespaces:
        raw_plane.send("DELETE", f"/api/v1/namespaces/{name}")
