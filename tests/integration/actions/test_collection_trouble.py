"""Whatever a server, the way to it or a worker does wrong: afterwards the numbers are those of the raw reports."""

import json
import random
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone
from pytest_django import Settings

from bench.api_server import Answer, ApiServer, serve
from policies.actions import clusters, collection, storing
from policies.actions.recount import recount
from policies.domain.authority import SYSTEM
from policies.models import (
    Cluster,
    CollectionRun,
    KindSnapshot,
    ObservedResult,
    ReportOrigin,
    ResultTally,
)

pytestmark = pytest.mark.django_db

PODS = "/api/v1/pods"
DEPLOYMENTS = "/apis/apps/v1/deployments"
REPORTS = "/apis/wgpolicyk8s.io/v1alpha2/policyreports"
OPEN_REPORTS = "/apis/openreports.io/v1alpha1/reports"
State = CollectionRun.State
Mode = CollectionRun.Mode
PAGE = 4
"""Objects on a page, so that few objects make many pages."""


@dataclass
class Fleet:
    """One cluster behind the bench's API server, and what happens in it."""

    api: ApiServer
    cluster: Cluster
    chance: random.Random = field(default_factory=lambda: random.Random(7))
    uids: list[str] = field(default_factory=list)

    def add(self, count: int = 1) -> None:
        for _ in range(count):
            uid = str(uuid.UUID(int=self.chance.getrandbits(128)))
            self.uids.append(uid)
            self.api.put(PODS, self.pod(uid))
            self.report(uid)

    def pod(self, uid: str) -> dict[str, Any]:
        profile = self.chance.choice(({}, {"seccompProfile": {"type": "RuntimeDefault"}}))
        container = {"name": "app", "image": "app:1", "securityContext": profile}
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": f"p-{uid}", "namespace": f"team-{uid[0]}", "uid": uid},
            "spec": {"containers": [container]},
        }

    def report(self, uid: str, path: str = REPORTS, **more: Any) -> None:
        space = f"team-{uid[0]}"
        scope = {"kind": "Pod", "name": f"p-{uid}", "namespace": space, "uid": uid}
        results = [self.result(f"policy-{number}") for number in range(3)]
        self.api.put(
            path,
            {
                "metadata": {"name": uid, "namespace": space, "uid": f"r-{uid}"},
                "scope": scope,
                "results": results,
                **more,
            },
        )

    def result(self, policy: str, **more: Any) -> dict[str, Any]:
        return {
            "source": "kyverno",
            "policy": policy,
            "rule": self.chance.choice(("check", "autogen-check")),
            "result": self.chance.choice(("pass", "pass", "fail", "warn", "error", "skip")),
            "message": "because",
            "timestamp": {"seconds": 1_700_000_000 + self.chance.randrange(10_000)},
            **more,
        }

    def remove(self, uid: str) -> None:
        self.uids.remove(uid)
        self.api.remove(PODS, f"p-{uid}", f"team-{uid[0]}")
        self.api.remove(REPORTS, uid, f"team-{uid[0]}")

    def churn(self, count: int) -> None:
        for _ in range(count):
            step = self.chance.choice((self.add, self.again, self.other_pod, self.gone))
            step()

    def again(self) -> None:
        self.report(self.chance.choice(self.uids))

    def other_pod(self) -> None:
        self.api.put(PODS, self.pod(self.chance.choice(self.uids)))

    def gone(self) -> None:
        if len(self.uids) > 5:
            self.remove(self.chance.choice(self.uids))

    def collect(self) -> CollectionRun:
        return collection.collect(cluster_id=self.cluster.pk, by=SYSTEM, now=timezone.now())

    def keep_up(self) -> CollectionRun:
        run = collection.keep_up(cluster_id=self.cluster.pk, by=SYSTEM, now=timezone.now())
        run.refresh_from_db()
        return run

    def caught_up(self) -> None:
        run = self.keep_up()
        assert (run.mode, run.state, run.error_message) == (Mode.CATCH_UP, State.COMPLETE, "")

    def is_right(self) -> None:
        """Hold the stored numbers against an independent count of the raw reports."""
        found = recount(self.cluster)
        assert found.differences == []
        assert found.results > 0


@pytest.fixture
def fleet(tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fleet]:
    settings.SECPROF_ALLOW_LOOPBACK_CLUSTERS = True
    monkeypatch.setattr("policies.cluster.kubernetes.PAGE_SIZE", PAGE)
    api = ApiServer()
    with serve(tmp_path, api) as kubeconfig:
        for letter in "0123456789abcdef":
            name = f"team-{letter}"
            api.put("/api/v1/namespaces", {"metadata": {"name": name, "uid": name}})
        cluster = clusters.add_cluster(
            name="fleet", kubeconfig=kubeconfig, context=None, by=SYSTEM, now=timezone.now()
        )
        fleet = Fleet(api, cluster)
        fleet.add(18)
        assert fleet.collect().state == State.COMPLETE
        fleet.is_right()
        yield fleet


def once(answer: Answer, path: str, **wanted: str) -> Any:
    """Make a server answer so to the first request of this kind, and properly after that."""
    left = [answer]

    def trouble(asked: str, query: dict[str, str]) -> Answer | None:
        fits = asked == path and all(query.get(name) == value for name, value in wanted.items())
        return left.pop() if fits and left else None

    return trouble


def test_third_page_of_five_fails(fleet: Fleet) -> None:
    before = sorted(ObservedResult.objects.values_list("uid", "content_hash"))
    fleet.churn(10)
    fleet.api.trouble = once(Answer(500), REPORTS, **{"continue": str(2 * PAGE)})

    run = fleet.collect()

    assert run.state == State.PARTIAL
    assert "policyreports.wgpolicyk8s.io" in run.error_message
    assert sorted(ObservedResult.objects.values_list("uid", "content_hash")) == before
    assert fleet.collect().state == State.COMPLETE
    fleet.is_right()


def test_connection_cut_in_the_middle_of_a_page(fleet: Fleet) -> None:
    fleet.churn(10)
    whole = json.dumps({"metadata": {}, "items": []}).encode()
    fleet.api.trouble = once(Answer(body=whole, cut_after=9), REPORTS)

    run = fleet.collect()

    assert (run.state, run.error_reason) == (State.PARTIAL, "unreachable")
    assert fleet.collect().state == State.COMPLETE
    fleet.is_right()


def test_too_many_requests_with_a_time_to_wait(fleet: Fleet) -> None:
    fleet.churn(10)
    fleet.api.trouble = once(Answer(429, headers=(("Retry-After", "1"),)), REPORTS)

    assert fleet.collect().state == State.COMPLETE

    fleet.is_right()


def test_too_many_requests_that_never_end_leave_what_was_known(fleet: Fleet) -> None:
    fleet.churn(10)
    fleet.api.trouble = lambda path, _: (
        Answer(429, headers=(("Retry-After", "60"),)) if path == REPORTS else None
    )

    run = fleet.collect()

    assert (run.state, run.error_reason) == (State.PARTIAL, "throttled")
    fleet.api.trouble = lambda *_: None
    fleet.keep_up()
    fleet.is_right()


def test_version_too_old_twice_in_a_row_is_listed_again(fleet: Fleet) -> None:
    for _ in range(2):
        fleet.churn(5)
        fleet.api.forget()
        fleet.caught_up()
        fleet.is_right()
    fleet.churn(5)
    fleet.caught_up()
    fleet.is_right()


def test_continue_token_expires_twice_in_a_row(fleet: Fleet) -> None:
    fleet.churn(5)
    for _ in range(2):
        fleet.api.trouble = once(Answer(410), REPORTS, **{"continue": str(PAGE)})
        assert fleet.collect().state == State.PARTIAL

    assert fleet.collect().state == State.COMPLETE

    fleet.is_right()


@pytest.mark.parametrize("way", ["listed", "watched"])
def test_object_of_two_megabytes(fleet: Fleet, way: str) -> None:
    uid = fleet.uids[0]
    fleet.report(uid, summary={"note": "x" * 2 * 2**20})

    run = fleet.collect() if way == "listed" else fleet.keep_up()

    assert run.state == State.COMPLETE
    fleet.is_right()


@pytest.mark.parametrize("way", ["listed", "watched"])
def test_report_of_a_thousand_results_about_as_many_objects(fleet: Fleet, way: str) -> None:
    fleet.add(40)
    resources = [
        {"kind": "Pod", "namespace": f"team-{u[0]}", "name": u, "uid": u} for u in fleet.uids
    ]
    results = [
        fleet.result(f"CVE-{number}", source="scanner", resources=[fleet.chance.choice(resources)])
        for number in range(1000)
    ]
    fleet.api.put(
        REPORTS,
        {"metadata": {"name": "scan", "namespace": "team-a", "uid": "scan"}, "results": results},
    )

    assert (fleet.collect() if way == "listed" else fleet.keep_up()).state == State.COMPLETE

    fleet.is_right()
    assert ResultTally.objects.filter(source="scanner").exists()


@pytest.mark.parametrize("body", [b"rubbish", b"{}", b'{"metadata": {}, "items": 1}', b""])
def test_rubbish_in_the_place_of_a_page(fleet: Fleet, body: bytes) -> None:
    fleet.churn(5)
    fleet.api.trouble = once(Answer(body=body), REPORTS)

    run = fleet.collect()

    assert (run.state, run.error_reason) == (State.PARTIAL, "malformed")
    assert fleet.collect().state == State.COMPLETE
    fleet.is_right()


def test_rubbish_in_the_place_of_a_watch_is_listed_instead(fleet: Fleet) -> None:
    fleet.churn(5)
    fleet.api.trouble = once(Answer(body=b"rubbish\n"), REPORTS, watch="true")

    fleet.caught_up()

    fleet.is_right()


def test_two_reports_about_one_object_count_each_rule_once(fleet: Fleet) -> None:
    uid = fleet.uids[0]
    space = f"team-{uid[0]}"
    for number in range(3):
        fleet.report(uid)
        double = json.loads(fleet.api.kinds[REPORTS].objects[space, uid])
        double["metadata"]["name"] = f"double-{number}"
        fleet.api.put(REPORTS, double)
        fleet.caught_up()
        fleet.is_right()

    fleet.api.remove(REPORTS, "double-1", space)
    fleet.caught_up()

    fleet.is_right()
    assert fleet.collect().state == State.COMPLETE
    fleet.is_right()


@pytest.mark.parametrize("minutes", [-10, 10])
def test_clock_of_the_engine_ten_minutes_off(fleet: Fleet, minutes: int) -> None:
    at = int((timezone.now() + timedelta(minutes=minutes)).timestamp())
    for uid in fleet.uids[:6]:
        fleet.api.put(
            REPORTS,
            {
                "metadata": {"name": uid, "namespace": f"team-{uid[0]}", "uid": f"r-{uid}"},
                "scope": {"kind": "Pod", "namespace": f"team-{uid[0]}", "name": uid, "uid": uid},
                "results": [fleet.result("policy-0", timestamp={"seconds": at})],
            },
        )

    fleet.caught_up()

    fleet.is_right()
    newest = (
        ResultTally.objects.filter(policy="policy-0", newest_at__isnull=False)
        .order_by("newest_at")
        .last()
    )
    assert newest is not None
    assert newest.newest_at is not None
    assert int(newest.newest_at.timestamp()) == at


def test_freshest_of_both_groups_counts(fleet: Fleet) -> None:
    for uid in fleet.uids[:8]:
        fleet.report(uid, OPEN_REPORTS, source="kyverno")
        stored = json.loads(fleet.api.kinds[OPEN_REPORTS].objects[f"team-{uid[0]}", uid])
        for result in stored["results"]:
            result["timestamp"]["seconds"] += 100_000
        fleet.api.put(OPEN_REPORTS, stored)

    run = fleet.keep_up()

    assert (run.mode, run.state) == (Mode.FULL, State.COMPLETE)
    fleet.is_right()
    origins = dict(ReportOrigin.objects.values_list("group", "is_counted"))
    assert origins == {"openreports.io": True, "wgpolicyk8s.io": False}


def test_server_without_versions_is_listed_each_time(fleet: Fleet) -> None:
    fleet.api.weak.add(REPORTS)
    assert fleet.collect().state == State.COMPLETE

    for _ in range(2):
        fleet.churn(5)
        fleet.caught_up()
        fleet.is_right()

    fleet.api.trouble = lambda path, _: Answer(503) if path == REPORTS else None
    run = fleet.keep_up()
    assert run.state == State.PARTIAL
    snapshot = KindSnapshot.objects.get(kind="policyreports.wgpolicyk8s.io")
    assert snapshot.failure


def test_two_workers_on_one_cluster(fleet: Fleet) -> None:
    """The second is told that somebody is at it; both know what happened afterwards."""
    fleet.churn(10)
    with transaction.atomic():
        run = CollectionRun.objects.create(
            cluster=fleet.cluster,
            requested_by="another worker",
            started_at=timezone.now(),
            heartbeat_at=timezone.now(),
        )
    with pytest.raises(collection.Busy):
        fleet.keep_up()
    CollectionRun.objects.filter(pk=run.pk).update(
        heartbeat_at=timezone.now() - collection.RUN_IS_LOST_AFTER * 2
    )

    fleet.caught_up()

    fleet.is_right()


class Killed(BaseException):
    """A worker that is killed does not tidy up."""


@pytest.mark.parametrize("way", ["listed", "watched"])
def test_worker_killed_at_every_write(
    fleet: Fleet, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kill the run at its first write, at its second, …, until one comes through."""
    fleet.churn(25)
    monkeypatch.setattr(storing, "BATCH_SIZE", 7)
    deaths = 0
    while True:
        left = [deaths]
        with monkeypatch.context() as patched:
            for name in ("insert_rows", "update_rows"):
                _die_after(patched, name, left)
            try:
                run = fleet.collect() if way == "listed" else fleet.keep_up()
            except Killed:
                deaths += 1
                CollectionRun.objects.filter(state=State.RUNNING).update(
                    state=State.FAILED, finished_at=timezone.now()
                )
                continue
        assert run.state == State.COMPLETE
        break
    assert deaths > 5
    fleet.is_right()
    fleet.churn(5)
    fleet.keep_up()
    fleet.is_right()


def _die_after(patched: pytest.MonkeyPatch, name: str, left: list[int]) -> None:
    write = getattr(storing, name)

    def dying(*args: Any) -> None:
        if args[1]:
            if not left[0]:
                raise Killed
            left[0] -= 1
        write(*args)

    patched.setattr(storing, name, dying)


def test_changes_while_it_catches_up(fleet: Fleet) -> None:
    """A watch goes on from where it ended, whatever happens meanwhile."""
    ending = threading.Event()

    def churn() -> None:
        while not ending.wait(0.01):
            fleet.churn(1)

    other = threading.Thread(target=churn)
    other.start()
    try:
        for _ in range(8):
            fleet.caught_up()
    finally:
        ending.set()
        other.join()
    fleet.caught_up()
    fleet.is_right()
