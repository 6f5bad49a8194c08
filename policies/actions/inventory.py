"""Declare which profiles lie on which nodes, where no operator says so. Nothing is asked of, or written to, a cluster."""

from collections.abc import Collection, Mapping
from datetime import datetime

from django.db import IntegrityError, transaction

from policies.actions import audit
from policies.actions.errors import Refused
from policies.domain.authority import Act, Actor, require
from policies.domain.controls import Mechanism
from policies.domain.inventory import Availability
from policies.domain.inventory.operator import APPARMOR_PREFIX
from policies.domain.inventory.verdicts import NO_PROFILE
from policies.domain.names import is_dns_label, is_label_key, is_label_value
from policies.models import Cluster, DeclaredPool, DeclaredProfile
from policies.queries.places import place_of

VALUE_LENGTH = 1000


def declare_pool(
    *,
    cluster_id: int,
    name: str,
    selector: Mapping[str, str],
    apparmor: str,
    complete: Collection[str],
    by: Actor,
    now: datetime,
) -> DeclaredPool:
    """Declare a pool of nodes by their labels, or declare it anew; its profiles stay.

    `complete` names the mechanisms whose list of profiles leaves nothing out. Raises Refused.
    """
    cluster = Cluster.objects.get(pk=cluster_id)
    require(by, Act.DECLARE_PROFILES, at=place_of(cluster))
    _check_pool(name, selector)
    try:
        available = Availability(apparmor)
        mechanisms = sorted(Mechanism(mechanism) for mechanism in complete)
    except ValueError as error:
        raise Refused(f"There is no such choice: {error}.") from error
    with transaction.atomic():
        pool, _ = DeclaredPool.objects.update_or_create(
            cluster=cluster,
            name=name,
            defaults={
                "selector": dict(selector),
                "apparmor": available.value,
                "complete": [mechanism.value for mechanism in mechanisms],
                "declared_by_id": by.person_id,
                "declared_at": now,
            },
        )
        _record("pool_declared", pool, by=by, now=now, said=_said(pool))
    return pool


def withdraw_pool(*, pool_id: int, by: Actor, now: datetime) -> None:
    """Take back a pool with everything that was declared for it."""
    with transaction.atomic():
        pool = _locked_pool(pool_id, by=by)
        values = sorted(pool.profiles.values_list("mechanism", "value"))
        _record("pool_withdrawn", pool, by=by, now=now, said={**_said(pool), "profiles": values})
        pool.delete()


def declare_profile(
    *, pool_id: int, mechanism: str, value: str, by: Actor, now: datetime
) -> DeclaredProfile:
    """Declare that a profile lies on every node of a pool. Raises Refused."""
    try:
        with transaction.atomic():
            pool = _locked_pool(pool_id, by=by)
            kind = _mechanism(mechanism)
            _check_value(kind, value)
            profile = DeclaredProfile.objects.create(
                pool=pool,
                mechanism=kind.value,
                value=value,
                declared_by_id=by.person_id,
                declared_at=now,
            )
            said = {"mechanism": kind.value, "value": value}
            _record("profile_declared", pool, by=by, now=now, said=said)
    except IntegrityError:
        raise Refused(f"{value} is declared for this pool already.") from None
    return profile


def withdraw_profile(*, profile_id: int, by: Actor, now: datetime) -> None:
    """Take back the declaration of one profile."""
    with transaction.atomic():
        profile = (
            DeclaredProfile.objects.select_for_update()
            .select_related("pool__cluster")
            .filter(pk=profile_id)
            .first()
        )
        if profile is None:
            raise Refused("Somebody has withdrawn this already.")
        require(by, Act.DECLARE_PROFILES, at=place_of(profile.pool.cluster))
        said = {"mechanism": profile.mechanism, "value": profile.value}
        _record("profile_withdrawn", profile.pool, by=by, now=now, said=said)
        profile.delete()


def _locked_pool(pool_id: int, *, by: Actor) -> DeclaredPool:
    """Load a pool that this actor may declare for. Raises Refused, NotAllowed."""
    pool = (
        DeclaredPool.objects.select_for_update()
        .select_related("cluster")
        .filter(pk=pool_id)
        .first()
    )
    if pool is None:
        raise Refused("Somebody has withdrawn this pool already.")
    require(by, Act.DECLARE_PROFILES, at=place_of(pool.cluster))
    return pool


def _record(
    verb: str, pool: DeclaredPool, *, by: Actor, now: datetime, said: Mapping[str, object]
) -> None:
    audit.record(
        f"inventory.{verb}",
        by=by,
        now=now,
        cluster=pool.cluster,
        details={"pool": pool.name, **said},
    )


def _said(pool: DeclaredPool) -> dict[str, object]:
    return {"selector": pool.selector, "apparmor": pool.apparmor, "complete": pool.complete}


def _mechanism(text: str) -> Mechanism:
    try:
        return Mechanism(text)
    except ValueError as error:
        raise Refused(f"There is no such choice: {error}.") from error


def _check_pool(name: str, selector: Mapping[str, str]) -> None:
    if not is_dns_label(name):
        raise Refused("A pool's name has small letters, digits and dashes only, at most 63.")
    for key, value in selector.items():
        if not is_label_key(key) or (value and not is_label_value(value)):
            raise Refused(f"`{key}={value}` is not a label that a node can carry.")


def _check_value(mechanism: Mechanism, value: str) -> None:
    """Refuse what no pod could name, so that it cannot be declared by mistake."""
    if not value or value != value.strip() or len(value) > VALUE_LENGTH:
        raise Refused(
            f"A profile's name or path has 1 to {VALUE_LENGTH} characters and no space around it."
        )
    if mechanism is Mechanism.APPARMOR:
        if value.startswith(APPARMOR_PREFIX):
            raise Refused(f"Leave out `{APPARMOR_PREFIX}`: the field takes the bare name.")
        if value.casefold() == NO_PROFILE:
            raise Refused("`unconfined` is no profile.")
    elif value.startswith("/") or ".." in value.split("/"):
        raise Refused("A seccomp profile's path is relative to the kubelet's seccomp folder.")
