"""What the fleet's clusters report: workloads, results with their tallies, rehearsals, nodes and profiles."""

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta

from bench.fleet_records import OTHERS, Fleet, Space, insert
from bench.fleet_workloads import Shape, shapes
from policies.domain.judges import Judge, usual_judges
from policies.models import (
    Cluster,
    CollectionRun,
    ObservedNode,
    ObservedPolicy,
    ObservedProfile,
    ObservedProfileStatus,
    ObservedResult,
    ObservedWorkload,
    PostureTally,
    ReferencedProfile,
    Rehearsal,
    RehearsedWorkload,
    ResultTally,
    Variant,
)
from policies.queries.evidence import HEARD, SOURCE
from policies.queries.specs import written_judges
from tests import factories

HASH = "0" * 32
MESSAGE = (
    "A seccomp profile is required: set securityContext.seccompProfile.type to RuntimeDefault."
)
LARGE_POOL = 200
"""Nodes of the cluster that is looked at."""


def write(fleet: Fleet) -> None:
    """Write everything that collections have found."""
    insert(row for cluster in fleet.clusters for row in _policies(fleet, cluster))
    insert(row for cluster in fleet.clusters for row in _runs(fleet, cluster))
    insert(row for number, on in enumerate(fleet.clusters) for row in _nodes(on, number))
    insert(row for cluster in fleet.clusters[:10] for row in _profiles(cluster))
    insert(row for cluster in fleet.clusters[:10] for row in _statuses(cluster))
    judges = {pk: _judges(variants) for pk, variants in fleet.variants.items()}
    _heard(fleet, judges)
    insert(row for space in fleet.spaces for row in _workloads(space))
    insert(row for space in fleet.spaces for row in _references(space))
    insert(row for space in fleet.spaces for row in _results(fleet, space))
    insert(row for space in fleet.spaces for row in _tallies(fleet, space))
    insert(row for space in fleet.spaces for row in _postures(space, judges[space.cluster.pk]))
    rehearsed = [space for space in fleet.spaces[2::3] if space.workload_count]
    rehearsals = [_rehearsal(fleet, space) for space in rehearsed]
    insert(rehearsals)
    pairs = list(zip(rehearsals, rehearsed, strict=True))
    insert(row for made, space in pairs for row in _rehearsed(fleet, made, space))


def in_space(space: Space) -> Iterator[tuple[str, str, Shape]]:
    """Name the workloads of a namespace: uid, name and shape."""
    every = shapes()
    for number in range(space.workload_count):
        name = f"service-{number:04}"
        yield f"{space.cluster.pk}/{space.name}/{name}", name, every[number % len(every)]


def _policies(fleet: Fleet, cluster: Cluster) -> Iterator[ObservedPolicy]:
    for name in OTHERS:
        manifest = factories.manifest(name)
        manifest["spec"] = {
            "validationFailureAction": "Audit",
            "rules": [
                {
                    "name": f"rule-{number}",
                    "match": {"any": [{"resources": {"kinds": ["Pod"]}}]},
                    "validate": {"message": MESSAGE, "pattern": {"spec": {"hostPID": "!true"}}},
                }
                for number in range(3)
            ],
        }
        yield ObservedPolicy(
            cluster=cluster,
            kind="ClusterPolicy",
            name=name,
            uid=f"{cluster.pk}-{name}",
            resource_version="1",
            digest=f"digest-of-{name}",
            changed_at=fleet.now - timedelta(days=40),
            manifest=manifest,
        )


def _runs(fleet: Fleet, cluster: Cluster) -> Iterator[CollectionRun]:
    """As many as are kept, newest first; every tenth could not read an object."""
    for number in range(max(12, fleet.results // 5000)):
        at = fleet.now - timedelta(minutes=5 * (number + 1))
        problems = [{"kind": "Pod", "object": "app/one", "reason": "malformed"}]
        is_odd = number % 10 == 9
        yield CollectionRun(
            cluster=cluster,
            state=CollectionRun.State.COMPLETE,
            requested_by="system",
            started_at=at,
            heartbeat_at=at,
            finished_at=at + timedelta(seconds=9),
            counts={"pods": 900, "deployments.apps": 300},
            problems=problems if is_odd else [],
            problem_count=int(is_odd),
            request_count=40,
            received_bytes=9_000_000,
            seconds=9.1,
        )


def _nodes(cluster: Cluster, number: int) -> Iterator[ObservedNode]:
    for node in range(LARGE_POOL if number < 2 else 20):
        yield ObservedNode(
            cluster=cluster,
            name=f"node-{node:03}",
            labels={"pool": f"pool-{node % 4}", "kubernetes.io/os": "linux"},
            os="linux",
            os_image="Debian GNU/Linux 12",
            is_ready=True,
            kubelet_version="v1.36.3",
            runtime="containerd://2.1.4",
            content_hash=HASH,
        )


def _profiles(cluster: Cluster) -> Iterator[ObservedProfile]:
    for number in range(60):
        yield ObservedProfile(
            cluster=cluster,
            mechanism="seccomp",
            name=f"profile-{number:02}",
            state="Installed",
            localhost_value=f"operator/profile-{number:02}.json",
            content_hash=HASH,
        )


def _statuses(cluster: Cluster) -> Iterator[ObservedProfileStatus]:
    nodes = ObservedNode.objects.filter(cluster=cluster).values_list("name", flat=True)
    for node in nodes:
        for number in range(60):
            yield ObservedProfileStatus(
                cluster=cluster,
                mechanism="seccomp",
                profile=f"profile-{number:02}",
                node=node,
                state="Installed",
            )


def _judges(variants: tuple[Variant, ...]) -> tuple[Judge, ...]:
    by_key = {judge.key: judge for judge in (*usual_judges(), *written_judges(variants).values())}
    return tuple(by_key.values())


def _heard(fleet: Fleet, judges: dict[int, tuple[Judge, ...]]) -> None:
    known = set(PostureTally.objects.filter(namespace=HEARD).values_list("cluster_id", "judge"))
    insert(
        PostureTally(
            cluster=cluster,
            namespace=HEARD,
            judge=judge.key,
            workload_count=0,
            failing_count=0,
            not_applicable_count=0,
            reportable_count=0,
        )
        for cluster in fleet.clusters
        for judge in judges[cluster.pk]
        if (cluster.pk, judge.key) not in known
    )


def _workloads(space: Space) -> Iterator[ObservedWorkload]:
    for uid, name, shape in in_space(space):
        yield ObservedWorkload(
            cluster=space.cluster,
            uid=uid,
            kind=shape.kind.value,
            namespace=space.name,
            name=name,
            top_kind=shape.kind.value,
            top_name=name,
            pod_count=3,
            content_hash=HASH,
            **shape.named(space.name, name),
        )


def _references(space: Space) -> Iterator[ReferencedProfile]:
    for uid, name, shape in in_space(space):
        if shape.localhost:
            yield ReferencedProfile(
                cluster=space.cluster,
                workload_uid=uid,
                kind=shape.kind.value,
                namespace=space.name,
                workload=name,
                container="app",
                mechanism="seccomp",
                value=shape.localhost,
                content_hash=HASH,
            )


def _reported(fleet: Fleet, space: Space) -> list[tuple[str, str]]:
    """Name what is reported on here: source and policy."""
    ours = [(SOURCE[v.target], v.name) for v in fleet.variants[space.cluster.pk]]
    return [*ours, *(("kyverno", name) for name in OTHERS)]


def _results(fleet: Fleet, space: Space) -> Iterator[ObservedResult]:
    reported = _reported(fleet, space)
    for uid, name, shape in in_space(space):
        for place in shape.failed_policies:
            source, policy = reported[place]
            yield ObservedResult(
                cluster=space.cluster,
                source=source,
                policy=policy,
                rule="require-seccomp",
                raw_rule="require-seccomp",
                outcome="fail",
                message=MESSAGE,
                at=fleet.now - timedelta(minutes=10),
                first_seen_at=fleet.now - timedelta(days=3),
                kind=shape.kind.value,
                namespace=space.name,
                name=name,
                uid=uid,
                top_kind=shape.kind.value,
                top_name=name,
                content_hash=HASH,
            )


def _tallies(fleet: Fleet, space: Space) -> Iterator[ResultTally]:
    if not space.workload_count:
        return
    failing = Counter(place for _, _, shape in in_space(space) for place in shape.failed_policies)
    walked = set()
    if space.cluster in fleet.clusters[:2]:
        walked = set(
            ResultTally.objects.filter(cluster=space.cluster, namespace=space.name).values_list(
                "policy", flat=True
            )
        )
    for place, (source, policy) in enumerate(_reported(fleet, space)):
        if policy not in walked:
            yield ResultTally(
                cluster=space.cluster,
                source=source,
                policy=policy,
                namespace=space.name,
                pass_count=space.workload_count - failing[place],
                fail_count=failing[place],
                failing_workload_count=failing[place],
                judged_workload_count=space.workload_count,
                newest_at=fleet.now - timedelta(minutes=2),
                oldest_at=fleet.now - timedelta(hours=2),
            )


def _postures(space: Space, judges: tuple[Judge, ...]) -> Iterator[PostureTally]:
    if not space.workload_count:
        return
    fails = [shape.fails for _, _, shape in in_space(space)]
    known = set(
        PostureTally.objects.filter(cluster=space.cluster, namespace=space.name).values_list(
            "judge", flat=True
        )
    )
    for judge in judges:
        if judge.key not in known:
            controls = {control.value for control in judge.controls}
            yield PostureTally(
                cluster=space.cluster,
                namespace=space.name,
                judge=judge.key,
                workload_count=space.workload_count,
                failing_count=sum(1 for failed in fails if failed & controls),
                not_applicable_count=0,
                reportable_count=space.workload_count,
            )


def _rehearsal(fleet: Fleet, space: Space) -> Rehearsal:
    refused = sum(1 for _, _, shape in in_space(space) if 0 in shape.failed_policies)
    return Rehearsal(
        variant=fleet.variants[space.cluster.pk][-1],
        namespace=space.name,
        state=Rehearsal.State.DONE,
        requested_by="operator",
        started_at=fleet.now - timedelta(minutes=30),
        finished_at=fleet.now - timedelta(minutes=29),
        workload_count=space.workload_count,
        admitted_count=space.workload_count - refused,
        refused_count=refused,
        is_latest=True,
    )


def _rehearsed(fleet: Fleet, of: Rehearsal, space: Space) -> Iterator[RehearsedWorkload]:
    for _, name, shape in in_space(space):
        is_refused = 0 in shape.failed_policies
        yield RehearsedWorkload(
            rehearsal=of,
            kind=shape.kind.value,
            name=name,
            outcome="refused" if is_refused else "admitted",
            message=MESSAGE if is_refused else "",
            at=fleet.now - timedelta(minutes=29),
        )
