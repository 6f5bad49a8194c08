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
from policies.domain.library import (
    API_VERSIONS,
    InvalidVariant,
    Target,
    VariantSpec,
    compile_objects,
)
from policies.domain.parameters import Parameters
from policies.models import Cluster, Variant, VariantRevision

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
    """Create a variant of a template on one cluster, in the newest API version that it serves, and collect anew.

    Raises Refused for parameters that make no variant or a kind that is not served, ClusterError.
    """
    require(by, Act.CREATE_VARIANT)
    cluster = Cluster.objects.get(pk=cluster_id)
    with connected(cluster, patience_seconds=WEB_PATIENCE_SECONDS) as gateway:
        chosen = _target(gateway, target)
        version = served_version(gateway, chosen)
    spec = _checked(
        lambda: VariantSpec(
            name=name,
            template=template,
            target=chosen,
            api_version=version,
            parameters=parameters,
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
    require(by, Act.CREATE_VARIANT)
    variant = Variant.objects.select_related("cluster").get(pk=variant_id)
    if not note.strip():
        raise Refused("Say what changes and why: it is read before the next install.")
    return _revise(variant, parameters, note.strip(), based_on, by=by, now=now)


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
    """Make a specification that compiles. Raises Refused."""
    try:
        spec = make()
        compile_objects(spec, ())
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
        created_by_id=by.user_id,
        created_at=now,
    )


def _collect_anew(cluster_id: int, *, now: datetime) -> None:
    """Let the workloads be judged by the new parameters soon: until then nothing is known about them."""
    Cluster.objects.filter(pk=cluster_id).update(collect_due_at=now)
    dispatch.enqueue(dispatch.COLLECT_CLUSTER, cluster_id=cluster_id)


def _target(gateway: Gateway, target: str | None) -> Target:
    if target is None:
        return _usual_target(gateway)
    try:
        return Target(target)
    except ValueError as error:
        raise Refused(f"There is no such choice: {error}.") from error


def _usual_target(gateway: Gateway) -> Target:
    """Choose the first kind of policy that the cluster serves."""
    for target in Target:
        if _newest_served(gateway, target):
            return target
    raise Refused("This cluster serves no kind of policy that secprof writes.")


def served_version(gateway: Gateway, target: Target) -> str:
    """Find the newest API version of a target that the cluster serves. Raises Refused."""
    version = _newest_served(gateway, target)
    if not version:
        raise Refused(
            f"This cluster does not serve {target}. Install Kyverno or choose another kind."
        )
    return version


def _newest_served(gateway: Gateway, target: Target) -> str:
    for version in API_VERSIONS[target]:
        if all(gateway.serves(resource) for resource in resources_of(target, version)):
            return version
    return ""
