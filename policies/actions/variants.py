"""Create variants. Nothing is written to a cluster: that takes a flip of the kind install."""

from collections.abc import Sequence
from datetime import datetime

from django.db import IntegrityError, transaction

from policies.actions import audit
from policies.actions.connections import connected
from policies.actions.errors import Refused
from policies.actions.specs import policy_resource
from policies.cluster.gateway import Gateway
from policies.domain.authority import Act, Actor, require
from policies.domain.controls import Control
from policies.domain.library import API_VERSIONS, InvalidVariant, Target, VariantSpec
from policies.domain.parameters import Parameters
from policies.models import Cluster, Variant

WEB_PATIENCE_SECONDS = 10.0


def create_variant(
    *,
    cluster_id: int,
    name: str,
    controls: Sequence[str],
    target: str,
    by: Actor,
    now: datetime,
) -> Variant:
    """Create a variant of the seccomp template on one cluster, in the newest API version that it serves.

    Raises Refused for parameters that make no variant or a kind that is not served, ClusterError.
    """
    require(by, Act.CREATE_VARIANT)
    cluster = Cluster.objects.get(pk=cluster_id)
    variant = Variant(
        cluster=cluster,
        name=name,
        target=target,
        created_by_id=by.person_id,
        created_at=now,
    )
    try:
        wanted = Target(target)
        chosen = tuple(Control(control) for control in controls)
        with connected(cluster, patience_seconds=WEB_PATIENCE_SECONDS) as gateway:
            version = served_version(gateway, wanted)
        spec = VariantSpec(
            name=name,
            target=wanted,
            api_version=version,
            parameters=Parameters(controls=chosen),
        )
    except InvalidVariant as error:
        raise Refused(str(error)) from error
    except ValueError as error:
        raise Refused(f"There is no such choice: {error}.") from error
    variant.api_version = spec.api_version
    variant.controls = [control.value for control in spec.controls]
    try:
        with transaction.atomic():
            variant.save(force_insert=True)
            audit.record(
                "variant.created",
                by=by,
                now=now,
                cluster=cluster,
                variant=name,
                details={"target": target, "controls": variant.controls},
            )
    except IntegrityError:
        raise Refused(f"{cluster.name} has a variant {name} already.") from None
    return variant


def served_version(gateway: Gateway, target: Target) -> str:
    """Find the newest API version of a target that the cluster serves. Raises Refused."""
    for version in API_VERSIONS[target]:
        if gateway.serves(policy_resource(target, version)):
            return version
    raise Refused(f"This cluster does not serve {target}. Install Kyverno or choose another kind.")
