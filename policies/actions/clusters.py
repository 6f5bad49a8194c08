"""Add clusters, replace their credentials, and test the connection."""

import re
from datetime import datetime

from django.conf import settings
from django.db import IntegrityError, transaction

from policies import dispatch
from policies.actions import audit
from policies.actions.connections import SANDBOX, connected, keyring, sandbox_path
from policies.actions.engine import note_contact, note_contact_failure, note_engine
from policies.actions.errors import Refused
from policies.cluster.credentials import CredentialUnreadable
from policies.cluster.errors import ClusterError
from policies.cluster.kubeconfig import parse_kubeconfig
from policies.domain.authority import Act, Actor, require
from policies.models import Cluster
from policies.queries.places import place_of

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
TEST_PATIENCE_SECONDS = 8.0


def add_cluster(
    *, name: str, kubeconfig: str, context: str | None, by: Actor, now: datetime
) -> Cluster:
    """Take in a cluster by its kubeconfig, and queue its first collection.

    Raises InvalidKubeconfig for anything but inline credentials, Refused for a name that is taken or not a DNS label.
    """
    require(by, Act.ADD_CLUSTER)
    connection = parse_kubeconfig(
        kubeconfig, context=context, allow_loopback=settings.SECPROF_ALLOW_LOOPBACK_CLUSTERS
    )
    return _add(
        Cluster(
            name=checked_name(name),
            gateway="kubernetes",
            server=connection.server,
            credential=keyring().encrypt(connection),
            credential_changed_at=now,
            created_by_id=by.user_id,
            created_at=now,
            collect_due_at=now,
        ),
        by=by,
        now=now,
    )


def add_sandbox(*, name: str, by: Actor, now: datetime) -> Cluster:
    """Take in a sandbox cluster, whose state is a file that exists already."""
    require(by, Act.ADD_CLUSTER)
    if not sandbox_path(checked_name(name)).exists():
        raise Refused(f"There is no sandbox {name}: seed it first.")
    return _add(
        Cluster(
            name=name,
            gateway=SANDBOX,
            server=f"sandbox:{name}",
            created_by_id=by.user_id,
            created_at=now,
            collect_due_at=now,
        ),
        by=by,
        now=now,
    )


def checked_name(name: str) -> str:
    """Return the name of a cluster. Raises Refused when it is not a DNS label."""
    if not _NAME.fullmatch(name):
        raise Refused(
            "A cluster's name is a DNS label: small letters, digits and dashes, at most 63."
        )
    return name


def _add(cluster: Cluster, *, by: Actor, now: datetime) -> Cluster:
    try:
        with transaction.atomic():
            cluster.save(force_insert=True)
            audit.record("cluster.added", by=by, now=now, cluster=cluster, message=cluster.server)
            dispatch.enqueue(dispatch.COLLECT_CLUSTER, cluster_id=cluster.pk)
    except IntegrityError:
        raise Refused(f"There is a cluster {cluster.name} already.") from None
    return cluster


def replace_credential(
    *, cluster_id: int, kubeconfig: str, context: str | None, by: Actor, now: datetime
) -> Cluster:
    """Put a new credential in the place of the old one, and queue a collection with it. Raises InvalidKubeconfig."""
    require(by, Act.ADD_CLUSTER, at=place_of(Cluster.objects.get(pk=cluster_id)))
    connection = parse_kubeconfig(
        kubeconfig, context=context, allow_loopback=settings.SECPROF_ALLOW_LOOPBACK_CLUSTERS
    )
    with transaction.atomic():
        cluster = Cluster.objects.select_for_update().get(pk=cluster_id)
        if cluster.gateway == SANDBOX:
            raise Refused("A sandbox has no credential.")
        cluster.server = connection.server
        cluster.credential = keyring().encrypt(connection)
        cluster.credential_changed_at = now
        cluster.save(update_fields=["server", "credential", "credential_changed_at"])
        audit.record(
            "cluster.credential_replaced", by=by, now=now, cluster=cluster, message=cluster.server
        )
        dispatch.enqueue(dispatch.COLLECT_CLUSTER, cluster_id=cluster.pk)
    return cluster


def rotate_credentials(*, by: Actor, now: datetime) -> int:
    """Encrypt every stored credential anew with the newest key, and return their number.

    Raises Refused, with nothing changed, when no key at hand opens one of them.
    """
    require(by, Act.ADD_CLUSTER)
    ring = keyring()
    with transaction.atomic():
        clusters = list(Cluster.objects.select_for_update().exclude(credential=""))
        for cluster in clusters:
            try:
                cluster.credential = ring.rotate(cluster.credential)
            except CredentialUnreadable as error:
                raise Refused(f"Nothing was changed. {cluster.name}: {error}") from error
            cluster.save(update_fields=["credential"])
        audit.record("credentials.rotated", by=by, now=now, details={"count": len(clusters)})
    return len(clusters)


def test_connection(*, cluster_id: int, by: Actor, now: datetime) -> Cluster:
    """Ask API server and engine, and note what they say; a failure is noted, not raised."""
    cluster = Cluster.objects.get(pk=cluster_id)
    require(by, Act.TEST_CONNECTION, at=place_of(cluster))
    try:
        with connected(cluster, patience_seconds=TEST_PATIENCE_SECONDS) as gateway:
            note_contact(cluster, version=gateway.version().git_version, now=now)
            note_engine(gateway, cluster, now=now)
    except ClusterError as error:
        note_contact_failure(cluster, error, now=now)
    audit.record(
        "cluster.tested",
        by=by,
        now=now,
        cluster=cluster,
        outcome="ok" if cluster.contact_state == "ok" else "failed",
        message=cluster.contact_message,
    )
    return cluster
