"""What people have decided on the fleet: flips with their rollouts and stages, exceptions, grants, and the trail."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import count
from uuid import UUID

from django.contrib.auth.models import Group, User

from bench.fleet_evidence import in_space
from bench.fleet_records import Fleet, Space, insert
from policies.domain.authority import Role
from policies.domain.lifecycle import (
    ExceptionStatus,
    FlipStatus,
    FlipVerb,
    RolloutStatus,
    StepKind,
    StepStatus,
)
from policies.domain.profiles.examples import EXAMPLES
from policies.domain.trail import TrailRecord, sealed
from policies.models import (
    DesiredRevision,
    ExceptionRequest,
    Flip,
    Grant,
    ObservedException,
    ObservedPolicy,
    ObservedResult,
    Profile,
    ProfileVersion,
    Rollout,
    RolloutStep,
    Stage,
    TrailHead,
    Variant,
    VariantRevision,
)
from policies.queries.trail_chain import row_of
from tests import factories

ENFORCED_SHARE = 3
"""Of the namespaces with a variant, one in so many is enforced."""
FLIPS_PER_VARIANT = 6
OPEN_FLIPS = 60
EXCEPTIONS_AT_LEAST = 120
TRAIL_AT_LEAST = 600


def write(fleet: Fleet) -> None:
    """Write everything that was decided."""
    by_cluster: dict[int, list[Space]] = {}
    for space in fleet.spaces:
        by_cluster.setdefault(space.cluster.pk, []).append(space)
    for cluster in fleet.clusters:
        for variant in fleet.variants[cluster.pk]:
            _history(fleet, variant, [space.name for space in by_cluster[cluster.pk]])
    _open_flips(fleet, by_cluster)
    _exceptions(fleet)
    _people(fleet)
    _profiles(fleet)
    _trail(fleet)


def _history(fleet: Fleet, variant: Variant, names: list[str]) -> None:
    """Enforce a third of a cluster's namespaces, in some flips that were proven; never the first, which is looked at."""
    proven = set(Stage.objects.filter(variant=variant).values_list("namespace", flat=True))
    wanted = [name for name in names[6::ENFORCED_SHARE] if name not in proven]
    if not wanted:
        return
    size = -(-len(wanted) // FLIPS_PER_VARIANT)
    parts = [wanted[start : start + size] for start in range(0, len(wanted), size)]
    wish = VariantRevision.objects.filter(variant=variant).latest("number")
    first = DesiredRevision.objects.filter(variant=variant).count() + 1
    enforced = sorted(proven)
    stages: list[Stage] = []
    for number, part in enumerate(parts, first):
        before, enforced = enforced, sorted({*enforced, *part})
        flip = _proven_flip(fleet, variant, part, before=before, after=enforced)
        _rolled_out(fleet, flip, wish, number, enforced)
        at = fleet.now - timedelta(days=12)
        stages += [
            Stage(variant=variant, namespace=n, value="enforce", proven_at=at, flip=flip)
            for n in part
        ]
    insert(stages)
    ObservedPolicy.objects.filter(
        cluster=variant.cluster, variant_name=variant.name, role="twin"
    ).delete()
    factories.observed(variant, "twin", enforced)


def _proven_flip(
    fleet: Fleet, variant: Variant, part: list[str], *, before: list[str], after: list[str]
) -> Flip:
    plan = factories.plan(
        variant,
        FlipVerb.ENFORCE,
        tuple(part),
        enforced_before=tuple(before),
        enforced_after=tuple(after),
    )
    asked = fleet.now - timedelta(days=13)
    return Flip.objects.create(
        variant=variant,
        verb=FlipVerb.ENFORCE.value,
        namespaces=part,
        plan=plan.to_json(),
        plan_digest=plan.digest,
        status=FlipStatus.PROVEN.value,
        reason="clean for two weeks",
        requested_by=factories.user("operator"),
        requested_at=asked,
        lapses_at=asked + timedelta(days=3),
        decided_by=factories.user("approver"),
        decided_at=asked + timedelta(hours=5),
        closed_at=asked + timedelta(hours=6),
    )


def _rolled_out(
    fleet: Fleet, flip: Flip, wish: VariantRevision, number: int, enforced: list[str]
) -> None:
    variant = flip.variant
    names = {"audit": variant.name, "twin": f"{variant.name}-enforce"}
    revision = DesiredRevision.objects.create(
        variant=variant,
        number=number,
        compiled_from=wish,
        enforced=enforced,
        objects_wanted=[
            {
                "kind": variant.target,
                "name": name,
                "role": role,
                "manifest": factories.manifest(name),
                "digest": f"digest-of-{name}",
            }
            for role, name in names.items()
        ],
        digests={name: f"digest-of-{name}" for name in names.values()},
        digest=flip.plan_digest,
        created_at=flip.decided_at,
    )
    rollout = Rollout.objects.create(
        flip=flip,
        variant=variant,
        revision=revision,
        status=RolloutStatus.PROVEN.value,
        created_at=flip.decided_at,
        started_at=flip.decided_at,
        finished_at=flip.closed_at,
    )
    steps = [(StepKind.APPLY, ""), *((StepKind.PROVE_REFUSED, n) for n in flip.namespaces)]
    insert(
        RolloutStep(
            rollout=rollout,
            position=position,
            kind=kind.value,
            status=StepStatus.DONE.value,
            object_kind=variant.target if kind is StepKind.APPLY else "",
            namespace=namespace,
            started_at=flip.decided_at,
            finished_at=flip.closed_at,
            tries=1,
            detail="It went as planned.",
        )
        for position, (kind, namespace) in enumerate(steps)
    )


def _open_flips(fleet: Fleet, by_cluster: dict[int, list[Space]]) -> None:
    for cluster in fleet.clusters[2 : 2 + OPEN_FLIPS]:
        names = [space.name for space in by_cluster[cluster.pk][:3]]
        factories.flip(fleet.variants[cluster.pk][0], FlipStatus.REQUESTED, *names)


def _exceptions(fleet: Fleet) -> None:
    """Exempt some workloads that fail, one in five hundred; enough of them at every size to fill the board."""
    wanted = max(EXCEPTIONS_AT_LEAST, fleet.results // 2500)
    statuses = (
        ExceptionStatus.IN_FORCE,
        ExceptionStatus.ENDED,
        ExceptionStatus.IN_FORCE,
        ExceptionStatus.REQUESTED,
        ExceptionStatus.IN_FORCE,
    )
    failing = [
        (space, name, shape)
        for space in fleet.spaces
        for _, name, shape in in_space(space)
        if 0 in shape.failed_policies
    ]
    step = max(1, len(failing) // wanted)
    numbers = count()
    made = [
        _exception(fleet, space, shape.kind.value, name, statuses[next(numbers) % len(statuses)])
        for space, name, shape in failing[::step][:wanted]
    ]
    insert(made)
    in_force = [row for row in made if row.status == ExceptionStatus.IN_FORCE]
    insert(_on_cluster(fleet, row) for row in in_force)
    for row in in_force:
        # What is exempted is skipped, and the report names the exception.
        ObservedResult.objects.filter(
            cluster=row.variant.cluster,
            policy=row.variant.name,
            namespace=row.namespace,
            name=row.workloads[0]["name"],
        ).update(outcome="skip", exceptions=[f"secprof-{row.key}"])


def _exception(
    fleet: Fleet, space: Space, kind: str, name: str, status: ExceptionStatus
) -> ExceptionRequest:
    variant = fleet.variants[space.cluster.pk][0]
    ends_at = fleet.now + timedelta(days=5 + fleet.random.randrange(60))
    is_asked = status is ExceptionStatus.REQUESTED
    is_ended = status is ExceptionStatus.ENDED
    workloads = [{"kind": kind, "name": name}]
    return ExceptionRequest(
        id=UUID(int=fleet.random.getrandbits(128)),
        variant=variant,
        namespace=space.name,
        workloads=workloads,
        controls=list(variant.controls),
        reason="The vendor ships no profile yet.",
        ticket="OPS-4711",
        ends_at=ends_at,
        status=status.value,
        requested_by=factories.user("operator"),
        created_at=fleet.now - timedelta(days=3),
        requested_at=fleet.now - timedelta(days=3),
        lapses_at=fleet.now + timedelta(days=4),
        decided_by=None if is_asked else factories.user("approver"),
        decided_at=None if is_asked else fleet.now - timedelta(days=2),
        comment="" if is_asked else "Agreed, until the vendor has delivered.",
        approved_workloads=[] if is_asked else workloads,
        approved_ends_at=None if is_asked else ends_at,
        in_force_at=None if is_asked else fleet.now - timedelta(days=2),
        ending_at=fleet.now - timedelta(days=1) if is_ended else None,
        ending_reason="expired" if is_ended else "",
        closed_at=fleet.now - timedelta(hours=20) if is_ended else None,
    )


def _on_cluster(fleet: Fleet, row: ExceptionRequest) -> ObservedException:
    name = f"secprof-{row.key}"
    return ObservedException(
        cluster=row.variant.cluster,
        group="kyverno.io",
        namespace="kyverno",
        name=name,
        uid=name,
        resource_version="1",
        digest=f"digest-of-{name}",
        policies=[row.variant.name],
        has_conditions=True,
        reaches=[row.namespace],
        exception_key=row.key,
        variant_name=row.variant.name,
        changed_at=fleet.now - timedelta(days=2),
        manifest=factories.manifest(name, "PolicyException"),
    )


def _people(fleet: Fleet) -> None:
    """Forty owners of some namespaces each, and a group for every team of the first twenty."""
    for number in range(40):
        owner = User.objects.create(username=f"owner-{number:02}")
        for space in fleet.spaces[number * 8 : number * 8 + 8]:
            factories.grant(owner, Role.OWNER.value, on=space.cluster, namespace=space.name)
    for number in range(20):
        Grant.objects.create(
            group=Group.objects.create(name=f"team-{number:03}"),
            role=Role.OWNER.value,
            selector=f"team=team-{number:03}",
            granted_at=fleet.now,
        )


def _profiles(fleet: Fleet) -> None:
    mechanism, text = next(iter(EXAMPLES.items()))
    for number in range(40):
        made = Profile.objects.create(
            name=f"library-{number:02}",
            mechanism=mechanism.value,
            created_by=factories.user("operator"),
            created_at=fleet.now,
        )
        ProfileVersion.objects.create(
            profile=made,
            number=1,
            text=text,
            sha256="0" * 64,
            origin="typed",
            parser_outcome="absent",
            author=factories.user("operator"),
            created_at=fleet.now,
        )


def _trail(fleet: Fleet) -> None:
    insert(row_of(record) for record in _records(fleet))


def _records(fleet: Fleet) -> Iterator[TrailRecord]:
    head = TrailHead.objects.get()
    sequence, last = head.sequence, head.hash
    for number in range(max(TRAIL_AT_LEAST, fleet.results // 10)):
        space = fleet.random.choice(fleet.spaces)
        sequence += 1
        record = sealed(
            TrailRecord(
                sequence,
                at=fleet.now,
                actor="operator" if number % 3 else "system",
                verb="flip.requested" if number % 3 else "rollout.proven",
                cluster=space.cluster.name,
                variant="require-seccomp",
                namespaces=(space.name,),
                flip_id=str(UUID(int=fleet.random.getrandbits(128))),
                exception_id="",
                plan_digest="d" * 64,
                outcome="ok",
                message="",
                details={},
                previous_hash=last,
            )
        )
        last = record.hash
        yield record
