"""Rows in the states that pages must show, made directly: no action runs and no cluster is asked.

For what really happens when people act, see `tests/world.py`.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from django.contrib.auth.models import User
from django.utils import timezone

from policies.domain.judges import judge_of
from policies.domain.library import API_VERSIONS, Target
from policies.domain.lifecycle import (
    ExceptionStatus,
    FlipStatus,
    FlipVerb,
    RolloutStatus,
    StepKind,
    StepStatus,
)
from policies.domain.parameters import Parameters
from policies.domain.plans import GateAnswer, Plan, PlannedObject
from policies.domain.trail import TrailRecord, sealed
from policies.models import (
    AuditEvent,
    Cluster,
    CollectionRun,
    Denial,
    DesiredRevision,
    ExceptionRequest,
    Flip,
    Grant,
    KindSnapshot,
    ObservedNamespace,
    ObservedPolicy,
    ObservedResult,
    ObservedWorkload,
    PostureTally,
    Rehearsal,
    ResultTally,
    Rollout,
    RolloutStep,
    Stage,
    TrailHead,
    Variant,
    VariantRevision,
)
from policies.queries.evidence import HEARD, SOURCE, needed_kinds
from policies.queries.specs import OBJECT_KINDS, spec_of
from policies.queries.trail_chain import row_of

PASSWORD = "correct-horse-battery"
C1 = "require-seccomp"
C1_C2 = ("require-seccomp", "deny-unconfined-seccomp")
DIGEST = "d" * 64


def user(role: str) -> User:
    """A user named like the role; made once."""
    found, made = User.objects.get_or_create(username=role)
    if made:
        found.set_password(PASSWORD)
        found.save(update_fields=["password"])
        grant(found, role)
    return found


def grant(
    to: User, role: str, *, on: Cluster | None = None, namespace: str = "", selector: str = ""
) -> Grant:
    """A role on everything, or only on a part of it; made once."""
    return Grant.objects.get_or_create(
        user=to,
        role=role,
        cluster=on,
        namespace=namespace,
        selector=selector,
        defaults={"granted_at": timezone.now()},
    )[0]


def cluster(name: str = "prod", *, now: datetime | None = None, **fields: Any) -> Cluster:
    """A cluster that answers, with every needed kind read a minute ago."""
    now = now or timezone.now()
    values: dict[str, Any] = {
        "server": f"https://{name}.example:6443",
        "created_at": now - timedelta(days=30),
        "created_by": user("admin"),
        "contact_state": "ok",
        "contacted_at": now - timedelta(minutes=1),
        "kubernetes_version": "v1.36.3",
        "kyverno_version": "v1.19.1",
        "engine_state": "up",
        "engine_checked_at": now - timedelta(minutes=1),
    }
    made = Cluster.objects.create(name=name, **{**values, **fields})
    run = CollectionRun.objects.create(
        cluster=made,
        state=CollectionRun.State.COMPLETE,
        requested_by="system",
        started_at=now - timedelta(minutes=1),
        heartbeat_at=now - timedelta(minutes=1),
        finished_at=now - timedelta(seconds=58),
        counts={"pods": 12},
        request_count=16,
        received_bytes=123_456,
        seconds=1.2,
    )
    kinds = {kind for target in Target for kind in needed_kinds(target.value)}
    KindSnapshot.objects.bulk_create(
        KindSnapshot(cluster=made, kind=kind, run=run, completed_at=run.started_at, object_count=3)
        for kind in sorted(kinds)
    )
    return made


def namespaces(on: Cluster, names: Iterable[str], **fields: Any) -> None:
    """Namespaces of one team."""
    values = {"team": "web", **fields}
    ObservedNamespace.objects.bulk_create(
        ObservedNamespace(cluster=on, name=name, uid=str(uuid4()), content_hash="0" * 32, **values)
        for name in names
    )


def variant(
    on: Cluster,
    name: str = "require-seccomp",
    *,
    template: str = "seccomp",
    target: str = "ClusterPolicy",
    **parameters: Any,
) -> Variant:
    """A variant, not installed: of the seccomp template with both of its controls, unless told otherwise."""
    made = Variant.objects.create(
        cluster=on,
        name=name,
        template=template,
        parameters=Parameters.from_json({"controls": C1_C2, **parameters}).to_json(),
        target=target,
        api_version=API_VERSIONS[Target(target)][0],
        created_by=user("operator"),
        created_at=timezone.now() - timedelta(days=20),
    )
    wish(made)
    return made


def wish(of: Variant, *, note: str = "", **changes: Any) -> VariantRevision:
    """The newest revision of a variant: its first, or one with other parameters."""
    number = VariantRevision.objects.filter(variant=of).count() + 1
    if number > 1:
        of.parameters = Parameters.from_json({**of.parameters, **changes}).to_json()
        of.revision_number = number
        of.save(update_fields=["parameters", "revision_number"])
    return VariantRevision.objects.create(
        variant=of,
        number=number,
        parameters=of.parameters,
        target=of.target,
        api_version=of.api_version,
        note=note,
        created_by=user("operator"),
        created_at=of.created_at + timedelta(days=number - 1),
    )


def manifest(name: str, kind: str = "ClusterPolicy") -> dict[str, Any]:
    """A policy object, as far as pages look at it."""
    return {"apiVersion": "kyverno.io/v1", "kind": kind, "metadata": {"name": name}, "spec": {}}


def observed(of: Variant, role: str = "audit", enforced: Iterable[str] = ()) -> ObservedPolicy:
    """An object of the variant as the cluster shows it."""
    name = of.name if role == "audit" else f"{of.name}-enforce"
    # Of a native policy the last kind is the binding.
    kind = of.target if role == "audit" else OBJECT_KINDS[of.target][-1]
    return ObservedPolicy.objects.create(
        cluster=of.cluster,
        kind=kind,
        name=name,
        uid=str(uuid4()),
        resource_version="1",
        digest=f"digest-of-{name}",
        variant_name=of.name,
        role=role,
        enforced=sorted(enforced),
        denies=role != "audit",
        changed_at=timezone.now() - timedelta(days=19),
        manifest=manifest(name, kind),
    )


def judged(of: Variant, names: Iterable[str], *, failing_count: int = 0) -> None:
    """Results, posture and a rehearsal for some namespaces: all pass, or so many workloads fail."""
    now = timezone.now()
    names = list(names)
    key = judge_of(spec_of(of)).key
    heard(of)
    ResultTally.objects.bulk_create(
        ResultTally(
            cluster=of.cluster,
            source=SOURCE[of.target],
            policy=of.name,
            namespace=name,
            pass_count=8,
            fail_count=failing_count,
            judged_workload_count=4,
            failing_workload_count=failing_count,
            newest_at=now - timedelta(minutes=2),
            oldest_at=now - timedelta(hours=2),
        )
        for name in names
    )
    PostureTally.objects.bulk_create(
        (
            PostureTally(
                cluster=of.cluster,
                namespace=name,
                judge=key,
                workload_count=4,
                failing_count=failing_count,
                not_applicable_count=0,
                reportable_count=4,
            )
            for name in names
        ),
        ignore_conflicts=True,
    )
    Rehearsal.objects.bulk_create(
        Rehearsal(
            variant=of,
            namespace=name,
            state=Rehearsal.State.DONE,
            requested_by="operator",
            started_at=now - timedelta(minutes=3),
            finished_at=now - timedelta(minutes=2),
            workload_count=4,
            admitted_count=4 - failing_count,
            refused_count=failing_count,
            is_latest=True,
        )
        for name in names
    )


def heard(of: Variant) -> None:
    """What a collection leaves behind for the judge of a variant, workloads or not."""
    PostureTally.objects.get_or_create(
        cluster=of.cluster,
        namespace=HEARD,
        judge=judge_of(spec_of(of)).key,
        defaults={
            "workload_count": 0,
            "failing_count": 0,
            "not_applicable_count": 0,
            "reportable_count": 0,
        },
    )


def workload(on: Cluster, namespace: str, name: str, **fields: Any) -> ObservedWorkload:
    """A Deployment whose only container sets no seccomp profile, unless told otherwise."""
    finding = {
        "control": C1,
        "container": "app",
        "role": "container",
        "path": "spec.template.spec.containers[0].securityContext.seccompProfile.type",
        "declared": "",
        "message": "No seccomp profile for container app.",
    }
    values: dict[str, Any] = {
        "kind": "Deployment",
        "top_kind": fields.get("kind", "Deployment"),
        "top_name": name,
        "replicas": 2,
        "pod_count": 2,
        "findings": [finding],
        "patches": {C1: f"kind: Deployment\nmetadata:\n  name: {name}\n"},
        "containers": [{"name": "app", "role": "container", "seccomp": {"declared": ""}}],
        "content_hash": "0" * 32,
    }
    values |= fields
    values["finding_count"] = len(values["findings"])
    return ObservedWorkload.objects.create(
        cluster=on, uid=str(uuid4()), namespace=namespace, name=name, **values
    )


def result(of: Variant, row: ObservedWorkload, **fields: Any) -> ObservedResult:
    """A failing result on the workload itself."""
    values = {
        "outcome": "fail",
        "message": "A seccomp profile is required.",
        "at": timezone.now() - timedelta(minutes=2),
        "first_seen_at": timezone.now() - timedelta(days=3),
        "kind": row.kind,
        "name": row.name,
        "uid": row.uid,
        "top_kind": row.top_kind,
        "top_name": row.top_name,
        **fields,
    }
    return ObservedResult.objects.create(
        cluster=of.cluster,
        source=SOURCE[of.target],
        policy=of.name,
        rule=C1,
        raw_rule=C1,
        namespace=row.namespace,
        content_hash="0" * 32,
        **values,
    )


def plan(of: Variant, verb: FlipVerb, names: tuple[str, ...], **fields: Any) -> Plan:
    """A plan that writes one object: the Audit policy of an install, the twin of anything else."""
    is_install = verb is FlipVerb.INSTALL
    audit = planned(of, of.name, "audit", "create" if is_install else "keep", names)
    twin = planned(of, f"{of.name}-enforce", "twin", "create", names)
    values: dict[str, Any] = {
        "enforced_before": (),
        "enforced_after": names,
        "gates": tuple(GateAnswer(n, "reports", "pass", 0, "No report fails.") for n in names),
        "verdicts": tuple((n, "ready") for n in names),
        "audit_namespace": "neighbour",
        "objects": (audit,) if is_install else (audit, twin),
    }
    return Plan(
        cluster=of.cluster.name,
        variant=of.name,
        verb=verb,
        namespaces=names,
        **{**values, **fields},
    )


def planned(of: Variant, name: str, role: str, verb: str, names: tuple[str, ...]) -> PlannedObject:
    """One object of a plan."""
    after = manifest(name, of.target)
    if role == "twin":
        after = {**after, "spec": {"namespaces": list(names)}}
    return PlannedObject(
        verb=verb,
        kind=of.target,
        api_version=of.api_version,
        name=name,
        role=role,
        before=after if verb == "keep" else None,
        after=after,
        wanted=after,
        before_digest=f"digest-of-{name}" if verb == "keep" else "absent",
        after_digest=f"digest-of-{name}",
    )


_DECIDED = frozenset(
    {FlipStatus.APPROVED, FlipStatus.ROLLING, FlipStatus.PROVEN, FlipStatus.FAILED}
)


def flip(
    of: Variant,
    status: FlipStatus = FlipStatus.REQUESTED,
    *names: str,
    verb: FlipVerb = FlipVerb.ENFORCE,
    **fields: Any,
) -> Flip:
    """A flip in this status, asked for by the operator and decided on by the approver."""
    now = timezone.now()
    made = plan(of, verb, names or (() if verb is FlipVerb.INSTALL else ("shop",)))
    values: dict[str, Any] = {
        "reason": "clean for two weeks",
        "requested_by": user("operator"),
        "requested_at": now - timedelta(hours=1),
        "lapses_at": now + timedelta(hours=71),
    }
    if status in {*_DECIDED, FlipStatus.DECLINED}:
        values |= {"decided_by": user("approver"), "decided_at": now - timedelta(minutes=30)}
    if status not in {FlipStatus.REQUESTED, FlipStatus.APPROVED, FlipStatus.ROLLING}:
        values["closed_at"] = now - timedelta(minutes=20)
    return Flip.objects.create(
        variant=of,
        verb=verb.value,
        namespaces=list(made.namespaces),
        plan=made.to_json(),
        plan_digest=made.digest,
        status=status.value,
        **{**values, **fields},
    )


def rollout(of: Flip, status: RolloutStatus, *steps: tuple[StepKind, StepStatus, str]) -> Rollout:
    """A rollout with these steps (kind, status, namespace), and its revision."""
    now = timezone.now()
    revision = DesiredRevision.objects.create(
        variant=of.variant,
        number=DesiredRevision.objects.filter(variant=of.variant).count() + 1,
        compiled_from=VariantRevision.objects.filter(variant=of.variant).latest("number"),
        enforced=of.namespaces,
        objects_wanted=[
            {
                "kind": o["kind"],
                "name": o["name"],
                "role": o["role"],
                "manifest": o["wanted"],
                "digest": o["after_digest"],
            }
            for o in of.plan["objects"]
        ],
        digests={o["name"]: o["after_digest"] for o in of.plan["objects"]},
        digest=of.plan_digest,
        created_at=now,
    )
    made = Rollout.objects.create(
        flip=of,
        variant=of.variant,
        revision=revision,
        status=status.value,
        created_at=now - timedelta(minutes=1),
        started_at=now - timedelta(minutes=1),
    )
    RolloutStep.objects.bulk_create(
        RolloutStep(
            rollout=made,
            position=position,
            kind=kind.value,
            status=step_status.value,
            namespace=namespace,
            object_name=of.plan["objects"][0]["name"] if kind is StepKind.APPLY else "",
            started_at=now - timedelta(seconds=30) if step_status != "pending" else None,
            finished_at=now - timedelta(seconds=29) if step_status == "done" else None,
            tries=3 if kind.startswith("prove") else 1,
            agreed=3 if kind.startswith("prove") else 0,
            detail=f"{kind.value} went as planned.",
            answer="the server's own words",
        )
        for position, (kind, step_status, namespace) in enumerate(steps)
    )
    return made


def enforced(of: Variant, *names: str, proven_at: datetime | None = None) -> Flip:
    """Namespaces that are proven to be enforced, with twin, flip and rollout behind it."""
    made = flip(of, FlipStatus.PROVEN, *names)
    rollout(made, RolloutStatus.PROVEN, (StepKind.APPLY, StepStatus.DONE, ""))
    at = proven_at or timezone.now() - timedelta(days=12)
    Stage.objects.bulk_create(
        Stage(variant=of, namespace=n, value=Stage.Value.ENFORCE, proven_at=at, flip=made)
        for n in names
    )
    return made


def installed(on: Cluster, name: str = "require-seccomp", **fields: Any) -> Variant:
    """A variant whose Audit policy is on the cluster, as secprof wrote it."""
    made = variant(on, name, **fields)
    asked = flip(made, FlipStatus.PROVEN, verb=FlipVerb.INSTALL)
    rollout(asked, RolloutStatus.PROVEN, (StepKind.APPLY, StepStatus.DONE, ""))
    observed(made)
    return made


def denial(on: Cluster, namespace: str, name: str, **fields: Any) -> Denial:
    """What a controller of a Deployment was refused a minute ago, by the twin of require-seccomp."""
    at = timezone.now() - timedelta(minutes=1)
    said = {"kind": "ReplicaSet", "name": f"{name}-6c4f9d7b8", "count": 12, "at": at.isoformat()}
    values = {
        "top_kind": "Deployment",
        "policy": "require-seccomp-enforce",
        "rule": C1,
        "attempt": "controller",
        "variant_name": "require-seccomp",
        "outcome": "refused",
        "count": 12,
        "first_at": at - timedelta(minutes=30),
        "last_at": at,
        "message": "Set a seccomp profile.",
        "example_kind": "ReplicaSet",
        "example_name": f"{name}-6c4f9d7b8",
        "texts": [{"event": "e-1", **said, "text": f"Error creating: {name} was denied"}],
        **fields,
    }
    return Denial.objects.create(cluster=on, namespace=namespace, top_name=name, **values)


def events_read(on: Cluster, **fields: Any) -> KindSnapshot:
    """Events read to their end just now, or as the fields say."""
    return KindSnapshot.objects.update_or_create(
        cluster=on, kind="events", defaults={"completed_at": timezone.now(), **fields}
    )[0]


def event(verb: str, **fields: Any) -> AuditEvent:
    """One row at the end of the trail."""
    head = TrailHead.objects.get()
    values: dict[str, Any] = {
        "at": timezone.now(),
        "actor": "operator",
        "cluster": "",
        "variant": "",
        "namespaces": (),
        "flip_id": "",
        "exception_id": "",
        "plan_digest": "",
        "outcome": "ok",
        "message": "",
        "details": {},
        **fields,
    }
    placed = TrailRecord(head.sequence + 1, verb=verb, previous_hash=head.hash, **values)
    row = row_of(sealed(placed))
    row.save(force_insert=True)
    return row


def in_force(
    of: Variant, namespace: str, *workloads: tuple[str, str], **fields: Any
) -> ExceptionRequest:
    """An exception that was proven on the cluster, for these workloads by kind and name."""
    now = timezone.now()
    named = [{"kind": kind, "name": name} for kind, name in sorted(workloads)]
    values: dict[str, Any] = {
        "controls": list(C1_C2),
        "reason": "The vendor has no profile yet.",
        "ends_at": now + timedelta(days=30),
        "approved_ends_at": now + timedelta(days=30),
        "status": ExceptionStatus.IN_FORCE.value,
        "requested_by": user("operator"),
        "created_at": now - timedelta(days=2),
        "requested_at": now - timedelta(days=2),
        "decided_by": user("approver"),
        "decided_at": now - timedelta(days=1),
        "comment": "agreed",
        "in_force_at": now - timedelta(days=1),
        **fields,
    }
    return ExceptionRequest.objects.create(
        variant=of, namespace=namespace, workloads=named, approved_workloads=named, **values
    )
