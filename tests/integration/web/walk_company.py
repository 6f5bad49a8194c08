"""Two clusters full of names that must not be read by those who may not see them, and everybody who looks at them.

`atlas` has shopfront (team=webteam), paydesk (team=payteam) and neighbourly; `borealis` has webcorner (team=webteam) and
hiddenvale (team=payteam).
"""

from dataclasses import dataclass
from uuid import UUID

from django.contrib.auth.models import User
from django.utils import timezone

from policies.domain.authority import Role
from policies.domain.lifecycle import FlipStatus, FlipVerb, RolloutStatus, StepKind, StepStatus
from policies.domain.profiles.examples import EXAMPLES
from policies.models import (
    AuditEvent,
    Cluster,
    CollectionRun,
    DeclaredPool,
    DeclaredProfile,
    Flip,
    Grant,
    ObservedException,
    ObservedPolicy,
    ObservedProfile,
    Profile,
    ProfileVersion,
    ReferencedProfile,
    Variant,
)
from tests import exceptions, factories

ANY_POD = {"any": [{"resources": {"kinds": ["Pod"]}}]}
SCOPES = ("everywhere", "cluster", "namespace", "label")
"""On everything, on atlas, on shopfront of atlas, on namespaces with team=webteam."""
FOREIGN = frozenset({"borealis", "webcorner", "hiddenvale", "wl-webcorner", "wl-hiddenvale"})
BESIDE = frozenset(
    {
        "paydesk",
        "payteam",
        "wl-paydesk",
        "neighbourly",
        "wl-neighbourly",
        "excludedglen",
        "quietteam",
    }
)
"""On atlas, beside shopfront."""
OWN = frozenset({"atlas", "shopfront", "wl-shopfront", "webteam"})
NAMES = OWN | BESIDE | FOREIGN
HIDDEN: dict[str, frozenset[str]] = {
    "everywhere": frozenset(),
    "cluster": FOREIGN,
    "namespace": FOREIGN | BESIDE,
    "label": BESIDE | {"hiddenvale", "wl-hiddenvale"},
    "none": NAMES,
    "anonymous": NAMES,
}
"""What each must never read, of `NAMES`; all the others they must come across."""


@dataclass(frozen=True)
class Company:
    """Ids of everything that has an address."""

    atlas: Cluster
    borealis: Cluster
    variant: Variant
    twin_variant: Variant
    """Of atlas: its twin names paydesk and neighbourly."""
    far_variant: Variant
    shop_flip: UUID
    failed_flip: UUID
    """Of shopfront, where the proof in its neighbour failed."""
    pay_flip: UUID
    both_flip: UUID
    far_flip: UUID
    shop_exception: UUID
    pay_exception: UUID
    far_exception: UUID
    pay_stray: int
    """An exception that lies in paydesk, and that secprof did not make."""
    profile: Profile
    pool: DeclaredPool
    far_pool: DeclaredPool
    declared: DeclaredProfile
    grant: Grant
    shop_event: int
    pay_event: int
    far_event: int


def company() -> Company:
    """Found the company."""
    atlas = _cluster("atlas")
    borealis = _cluster("borealis")
    for on, name, team in (
        (atlas, "shopfront", "webteam"),
        (atlas, "paydesk", "payteam"),
        (atlas, "neighbourly", "quietteam"),
        (atlas, "excludedglen", "quietteam"),
        (borealis, "webcorner", "webteam"),
        (borealis, "hiddenvale", "payteam"),
    ):
        factories.namespaces(on, [name], team=team, labels={"team": team})
        row = factories.workload(on, name, f"wl-{name}")
        _names_a_profile(on, name, row.uid)
    variant = factories.installed(atlas, excluded_namespaces=["excludedglen"])
    factories.wish(variant, note="once more", excluded_namespaces=("excludedglen", "neighbourly"))
    second = factories.installed(atlas, "second-policy")
    third = factories.installed(atlas, "third-policy")
    far = factories.installed(borealis)
    factories.judged(variant, ["shopfront", "paydesk"], failing_count=1)
    factories.judged(far, ["webcorner", "hiddenvale"], failing_count=1)
    factories.enforced(second, "paydesk")
    factories.enforced(far, "hiddenvale")
    for on, name in ((atlas, "shopfront"), (atlas, "paydesk"), (borealis, "hiddenvale")):
        factories.denial(on, name, f"wl-{name}", message=f"No pods in {name}.")
    twin = factories.observed(second, "twin", ["paydesk"])
    twin.manifest = {**twin.manifest, "spec": {"namespaces": ["paydesk", "neighbourly"]}}
    twin.save(update_fields=["manifest"])
    _adopted(atlas, "paydesk")
    _adopted(borealis, "hiddenvale")
    return Company(
        atlas=atlas,
        borealis=borealis,
        variant=variant,
        twin_variant=second,
        far_variant=far,
        shop_flip=_flip(variant, "shopfront").pk,
        failed_flip=Flip.objects.get(variant=variant, status=FlipStatus.FAILED).pk,
        pay_flip=_flip(second, "paydesk").pk,
        both_flip=_flip(third, "paydesk", "shopfront").pk,
        far_flip=_flip(far, "hiddenvale").pk,
        shop_exception=_exception(variant, "shopfront"),
        pay_exception=_exception(variant, "paydesk"),
        far_exception=_exception(far, "hiddenvale"),
        pay_stray=_stray(atlas, "paydesk"),
        profile=_profile(),
        pool=_pool(atlas),
        far_pool=_pool(borealis),
        declared=DeclaredProfile.objects.create(
            pool=DeclaredPool.objects.get(cluster=atlas),
            mechanism="seccomp",
            value="profiles/declared.json",
            declared_by=factories.user("admin"),
            declared_at=timezone.now(),
        ),
        shop_event=_event("shopfront"),
        pay_event=_event("paydesk"),
        far_event=_event("hiddenvale"),
        grant=factories.grant(factories.user("viewer"), "auditor", on=atlas, namespace="paydesk"),
    )


def _event(namespace: str) -> int:
    """The newest request for a flip of this namespace in the trail."""
    asked = AuditEvent.objects.filter(verb="flip.requested").order_by("-pk")
    return next(row.pk for row in asked if row.namespaces == [namespace])


def _cluster(name: str) -> Cluster:
    made = factories.cluster(name)
    run = CollectionRun.objects.get(cluster=made)
    secret = {"atlas": "paydesk", "borealis": "hiddenvale"}[name]
    run.problems = [{"kind": "Pod", "object": f"{secret}/wl-{secret}", "reason": "malformed"}]
    run.problem_count = 1
    run.save(update_fields=["problems", "problem_count"])
    ObservedProfile.objects.create(
        cluster=made,
        mechanism="seccomp",
        namespace=secret,
        name="own",
        state="Installed",
        localhost_value=f"operator/{secret}/own.json",
        content_hash="0" * 32,
    )
    return made


def _exception(of: Variant, namespace: str) -> UUID:
    """Somebody's request for the only workload there."""
    workloads = exceptions.named(f"wl-{namespace}")
    return exceptions.exception(of, namespace=namespace, workloads=workloads).pk


def _stray(on: Cluster, namespace: str) -> int:
    return ObservedException.objects.create(
        cluster=on,
        group="kyverno.io",
        namespace=namespace,
        name="stray",
        uid="stray",
        resource_version="1",
        digest="digest-of-stray",
        policies=["require-seccomp"],
        has_conditions=True,
        reaches=[namespace],
        changed_at=timezone.now(),
        manifest=factories.manifest("stray", "PolicyException"),
    ).pk


def _adopted(on: Cluster, namespace: str) -> None:
    """A policy that somebody else wrote, whose action differs in one namespace."""
    manifest = factories.manifest("adopted")
    manifest["spec"] = {
        "validationFailureAction": "Audit",
        "validationFailureActionOverrides": [{"action": "Enforce", "namespaces": [namespace]}],
        "rules": [{"name": "one", "match": ANY_POD, "validate": {"pattern": {"spec": "?*"}}}],
    }
    ObservedPolicy.objects.create(
        cluster=on,
        kind="ClusterPolicy",
        name="adopted",
        uid=f"adopted-{on.pk}",
        resource_version="1",
        digest="digest-of-adopted",
        changed_at=timezone.now(),
        manifest=manifest,
    )


def _names_a_profile(on: Cluster, namespace: str, uid: str) -> None:
    ReferencedProfile.objects.create(
        cluster=on,
        workload_uid=uid,
        kind="Deployment",
        namespace=namespace,
        workload=f"wl-{namespace}",
        container="app",
        mechanism="seccomp",
        value=f"profiles/{namespace}.json",
        content_hash="0" * 32,
    )


def _flip(of: Variant, *names: str) -> Flip:
    """A flip that waits, after one that failed where it was proven; both say the name of a neighbour."""
    neighbour = "neighbourly" if of.cluster.name == "atlas" else "hiddenvale"
    message = f"Not proven in {neighbour} within 60 s: the bad pod is refused."
    plan = factories.plan(
        of,
        FlipVerb.ENFORCE,
        names,
        audit_namespace=neighbour,
        enforced_before=(neighbour,),
        enforced_after=(neighbour, *names),
    )
    stored = {"plan": plan.to_json(), "plan_digest": plan.digest}
    failed = factories.flip(of, FlipStatus.FAILED, *names, closing_message=message)
    made = factories.rollout(
        failed, RolloutStatus.FAILED, (StepKind.PROVE_NEIGHBOUR, StepStatus.FAILED, neighbour)
    )
    made.steps.update(detail=message, answer=message)
    waiting = factories.flip(of, FlipStatus.REQUESTED, *names)
    Flip.objects.filter(pk__in=[failed.pk, waiting.pk]).update(**stored)
    for flip in (failed, waiting):
        _events(of, flip, names, neighbour, message)
    return waiting


def _events(of: Variant, flip: Flip, names: tuple[str, ...], neighbour: str, said: str) -> None:
    common = {
        "cluster": of.cluster.name,
        "variant": of.name,
        "namespaces": list(names),
        "flip_id": str(flip.pk),
        "plan_digest": flip.plan_digest,
    }
    factories.event("flip.requested", **common)
    factories.event("rollout.prove-neighbour", **common, details={"namespace": neighbour})
    factories.event("rollout.failed", **common, message=said, details={"refused": [neighbour]})


def _profile() -> Profile:
    made = Profile.objects.create(
        name="web",
        mechanism="seccomp",
        created_by=factories.user("operator"),
        created_at=timezone.now(),
    )
    text = next(iter(EXAMPLES.values()))
    ProfileVersion.objects.create(
        profile=made,
        number=1,
        text=text,
        sha256="0" * 64,
        origin="typed",
        parser_outcome="absent",
        author=factories.user("operator"),
        created_at=timezone.now(),
    )
    return made


def _pool(on: Cluster) -> DeclaredPool:
    return DeclaredPool.objects.create(
        cluster=on,
        name="every",
        declared_by=factories.user("admin"),
        declared_at=timezone.now(),
    )


def people() -> list[tuple[str, str]]:
    """Name everybody who walks: each role on each scope, somebody without a role, and nobody."""
    return [
        *((role.value, scope) for scope in SCOPES for role in Role),
        ("", "none"),
        ("", "anonymous"),
    ]


def person(role: str, scope: str, of: Company) -> User:
    """Make one of them."""
    made = User.objects.create(username=f"{role or 'nobody'}-{scope}")
    if scope == "everywhere":
        factories.grant(made, role)
    elif scope == "cluster":
        factories.grant(made, role, on=of.atlas)
    elif scope == "namespace":
        factories.grant(made, role, on=of.atlas, namespace="shopfront")
    elif scope == "label":
        factories.grant(made, role, selector="team=webteam")
    return made
