"""Create and edit variants. Nothing is written to a cluster: that takes a flip of the kind install."""

from collections.abc import Callable
from datetime import datetime

from django.db import IntegrityError, transaction

from policies import dispatch
from policies.actions import audit
from policies.actions.connections import connected
from policies.actions.errors import Busy, Refused
from policies.actions.specs import resources_of
from policies.cluster.gateway import Gateway
from policies.domain.authority import Act, Actor, require
from policies.domain.controls import Mechanism
from policies.domain.library import (
    API_VERSIONS,
    TEMPLATES,
    InvalidVariant,
    Target,
    VariantSpec,
    compile_objects,
    probe_pods,
)
from policies.domain.library.targets import TargetFacts, choose, unsafe, version_of
from policies.domain.parameters import Parameters
from policies.models import Cluster, Variant, VariantRevision
from policies.queries.installed import OutdatedList, outdated_lists, with_installed
from policies.queries.places import place_of

WEB_PATIENCE_SECONDS = 10.0


def create_variant(
    *,
    cluster_id: int,
    name: str,
    template: str,
    parameters: Parameters,
    target: str | None,
    by: Actor,
    now: datetime,
) -> Variant:
    """Create a variant of a template on one cluster, in the newest API version that is safe there, and collect anew.

    Without a target the cluster's facts choose one. The list of installed profiles is filled in, where it is asked for
    and known. Raises Refused for parameters that make no variant, and for a kind that is not served or not safe;
    ClusterError.
    """
    cluster = Cluster.objects.get(pk=cluster_id)
    require(by, Act.CREATE_VARIANT, at=place_of(cluster))
    if template not in TEMPLATES:
        raise Refused(f"There is no template {template!r}.")
    with connected(cluster, patience_seconds=WEB_PATIENCE_SECONDS) as gateway:
        facts = _facts(gateway, cluster)
    chosen, version = _target(facts, template, target)
    spec = _checked(
        lambda: VariantSpec(
            name=name,
            template=template,
            target=chosen,
            api_version=version,
            parameters=with_installed(cluster, template, parameters, now=now),
        )
    )
    variant = Variant(
        cluster=cluster,
        name=name,
        template=template,
        parameters=spec.parameters.to_json(),
        target=spec.target.value,
        api_version=spec.api_version,
        created_by_id=by.person_id,
        created_at=now,
    )
    try:
        with transaction.atomic():
            variant.save(force_insert=True)
            _write_down(variant, "", by=by, now=now)
            audit.record(
                "variant.created",
                by=by,
                now=now,
                cluster=cluster,
                variant=name,
                details={
                    "template": template,
                    "target": variant.target,
                    "parameters": variant.parameters,
                },
            )
            _collect_anew(cluster.pk, now=now)
    except IntegrityError:
        raise Refused(f"{cluster.name} has a variant {name} already.") from None
    return variant


def edit_variant(
    *,
    variant_id: int,
    parameters: Parameters,
    note: str,
    based_on: int,
    by: Actor,
    now: datetime,
) -> Variant:
    """Give a variant other parameters, wanted from now on; the cluster keeps the old ones until the next install.

    `based_on` is the number of the revision that was edited. Raises Busy when somebody else was quicker, Refused for
    parameters that make no variant, or the same one.
    """
    variant = Variant.objects.select_related("cluster").get(pk=variant_id)
    require(by, Act.CREATE_VARIANT, at=place_of(variant.cluster))
    if not note.strip():
        raise Refused("Say what changes and why: it is read before the next install.")
    return _revise(variant, parameters, note.strip(), based_on, by=by, now=now)


def refresh_installed(*, variant_id: int, by: Actor, now: datetime) -> Variant:
    """Bring a variant's lists of installed profiles in line with what lies on the nodes, as a revision of its own.

    Raises Refused when they are in line already, Busy when somebody edits at the same moment.
    """
    variant = Variant.objects.select_related("cluster").get(pk=variant_id)
    require(by, Act.CREATE_VARIANT, at=place_of(variant.cluster))
    outdated = outdated_lists(variant, now=now)
    if not outdated:
        raise Refused("The list says what lies on the nodes already, as far as that is known.")
    wanted = Parameters.from_json(variant.parameters)
    fresh = with_installed(variant.cluster, variant.template, wanted, now=now)
    note = " ".join(_list_note(each) for each in outdated)
    return _revise(variant, fresh, note, variant.revision_number, by=by, now=now)


def _list_note(outdated: OutdatedList) -> str:
    changes = [f"+ {name}" for name in outdated.added] + [f"- {name}" for name in outdated.removed]
    return f"Installed {outdated.mechanism} profiles: {', '.join(changes) or 'none'}."


def _revise(
    variant: Variant,
    parameters: Parameters,
    note: str,
    based_on: int,
    *,
    by: Actor,
    now: datetime,
) -> Variant:
    _checked(
        lambda: VariantSpec(
            name=variant.name,
            template=variant.template,
            target=Target(variant.target),
            api_version=variant.api_version,
            parameters=parameters,
        )
    )
    before, after = variant.parameters, parameters.to_json()
    if variant.revision_number == based_on and before == after:
        raise Refused("These are the parameters that it has already.")
    with transaction.atomic():
        mine = Variant.objects.filter(pk=variant.pk, revision_number=based_on)
        if not mine.update(parameters=after, revision_number=based_on + 1):
            raise Busy(
                f"{variant.name} was edited meanwhile: look at what it is now, then edit that."
            )
        variant.refresh_from_db()
        _write_down(variant, note, by=by, now=now)
        audit.record(
            "variant.edited",
            by=by,
            now=now,
            cluster=variant.cluster,
            variant=variant.name,
            message=note,
            details={"revision": variant.revision_number, "before": before, "after": after},
        )
        _collect_anew(variant.cluster_id, now=now)
    return variant


def _checked(make: Callable[[], VariantSpec]) -> VariantSpec:
    """Make a specification that compiles and can be proven. Raises Refused."""
    try:
        spec = make()
        compile_objects(spec, ())
        probe_pods(spec)
    except InvalidVariant as error:
        raise Refused(str(error)) from error
    return spec


def _write_down(variant: Variant, note: str, *, by: Actor, now: datetime) -> None:
    VariantRevision.objects.create(
        variant=variant,
        number=variant.revision_number,
        parameters=variant.parameters,
        target=variant.target,
        api_version=variant.api_version,
        note=note,
        created_by_id=by.person_id,
        created_at=now,
    )


def _collect_anew(cluster_id: int, *, now: datetime) -> None:
    """Let the workloads be judged by the new parameters soon: until then nothing is known about them."""
    Cluster.objects.filter(pk=cluster_id).update(collect_due_at=now)
    dispatch.enqueue(dispatch.COLLECT_CLUSTER, cluster_id=cluster_id)


def _facts(gateway: Gateway, cluster: Cluster) -> TargetFacts:
    """Say what is known of a cluster that decides which kinds of policies are safe there."""
    served = frozenset(
        (target, version)
        for target in Target
        for version in API_VERSIONS[target]
        if all(gateway.serves(resource) for resource in resources_of(target, version))
    )
    kubernetes = gateway.version().minor
    return TargetFacts(
        kubernetes=kubernetes if kubernetes > (0, 0) else None,
        kyverno=version_of(cluster.kyverno_version),
        has_kyverno=any(target is not Target.NATIVE for target, _ in served),
        served=served,
    )


def _target(facts: TargetFacts, template: str, wanted: str | None) -> tuple[Target, str]:
    """Choose kind and API version, or check the kind that a person chose. Raises Refused."""
    mechanisms = TEMPLATES[template].mechanisms
    if wanted is None:
        choice = choose(facts, mechanisms)
        if choice is None:
            raise Refused("No kind of policy is safe on this cluster.", _hazards(facts, mechanisms))
        return choice.target, choice.api_version
    try:
        target = Target(wanted)
    except ValueError as error:
        raise Refused(f"There is no such choice: {error}.") from error
    served = [v for v in API_VERSIONS[target] if (target, v) in facts.served]
    if not served:
        raise Refused(
            f"This cluster does not serve {target}. Install Kyverno or choose another kind."
        )
    hazards = [unsafe(target, version, facts, mechanisms) for version in served]
    for version, hazard in zip(served, hazards, strict=True):
        if hazard is None:
            return target, version
    raise Refused(f"{target} is not safe on this cluster: {hazards[0]}")


def _hazards(facts: TargetFacts, mechanisms: tuple[Mechanism, ...]) -> tuple[str, ...]:
    found = (unsafe(target, API_VERSIONS[target][0], facts, mechanisms) for target in Target)
    return tuple(f"{target}: {said}" for target, said in zip(Target, found, strict=True) if said)
