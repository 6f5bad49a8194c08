"""Clusters: taken in, their credential replaced and encrypted anew, their connection tested; no secret leaves."""

import io
import logging
from collections.abc import Iterator

import pytest
from cryptography.fernet import Fernet
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from policies.actions import clusters
from policies.actions.connections import connected, keyring
from policies.actions.errors import Refused
from policies.cluster.errors import ClusterError, Unauthorized
from policies.cluster.kubeconfig import InvalidKubeconfig
from policies.domain.authority import NotAllowed
from policies.models import AuditEvent, Cluster, CollectionRun
from sandbox.faults import Fault
from tests.integration.actions.conftest import SandboxWorld

pytestmark = pytest.mark.django_db

CANARY = "canary-4f1c9d2b7a"


def kubeconfig(server: str = "https://127.0.0.1:1", token: str = CANARY) -> str:
    return f"""
apiVersion: v1
kind: Config
clusters: [{{name: c, cluster: {{server: "{server}"}}}}]
users: [{{name: u, user: {{token: "{token}"}}}}]
contexts: [{{name: x, context: {{cluster: c, user: u}}}}]
current-context: x
"""


def add(world: SandboxWorld, name: str = "real", text: str = "") -> Cluster:
    return clusters.add_cluster(
        name=name,
        kubeconfig=text or kubeconfig(),
        context=None,
        by=world.people.admin,
        now=world.now(),
    )


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Everything that is logged, at every level, with every field of every record."""
    written = io.StringIO()

    class Everything(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            written.write(f"{record.getMessage()} {record.__dict__}\n")

    handler = Everything()
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield written
    root.removeHandler(handler)
    root.setLevel(level)


def test_add_cluster_encrypts_the_credential_and_says_who_added_it(world: SandboxWorld) -> None:
    cluster = add(world)

    assert CANARY not in cluster.credential
    assert keyring().decrypt(cluster.credential).token == CANARY
    assert cluster.server == "https://127.0.0.1:1"
    assert cluster.collect_due_at is not None
    event = AuditEvent.objects.get(verb="cluster.added", cluster="real")
    assert (event.actor, event.outcome) == ("admin", "ok")


@pytest.mark.parametrize("name", ["", "Prod", "-a", "a-", "a_b", "a.b", "a" * 64])
def test_add_cluster_with_a_name_that_is_no_label_is_refused(
    world: SandboxWorld, name: str
) -> None:
    with pytest.raises(Refused, match="DNS label"):
        add(world, name)


def test_add_cluster_twice_is_refused(world: SandboxWorld) -> None:
    with pytest.raises(Refused, match="There is a cluster prod already"):
        add(world, "prod")

    assert AuditEvent.objects.filter(verb="cluster.added").count() == 1


def test_add_cluster_with_an_unfit_kubeconfig_is_refused(world: SandboxWorld) -> None:
    with pytest.raises(InvalidKubeconfig):
        add(world, text="clusters: []")


def test_add_cluster_takes_an_admin(world: SandboxWorld) -> None:
    with pytest.raises(NotAllowed):
        clusters.add_cluster(
            name="x",
            kubeconfig=kubeconfig(),
            context=None,
            by=world.people.operator,
            now=world.now(),
        )


def test_add_sandbox_that_was_not_seeded_is_refused(world: SandboxWorld) -> None:
    with pytest.raises(Refused, match="seed it first"):
        clusters.add_sandbox(name="nowhere", by=world.people.admin, now=world.now())


def test_replace_credential_stores_the_new_one_and_collects(
    world: SandboxWorld,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    cluster = add(world)

    with django_capture_on_commit_callbacks() as sent:
        clusters.replace_credential(
            cluster_id=cluster.pk,
            kubeconfig=kubeconfig(server="https://127.0.0.1:2", token="other"),
            context="x",
            by=world.people.admin,
            now=world.now(),
        )

    cluster.refresh_from_db()
    assert keyring().decrypt(cluster.credential).token == "other"
    assert cluster.server == "https://127.0.0.1:2"
    assert len(sent) == 1
    assert AuditEvent.objects.filter(verb="cluster.credential_replaced").exists()


def test_replace_credential_of_a_sandbox_is_refused(world: SandboxWorld) -> None:
    with pytest.raises(Refused, match="has no credential"):
        clusters.replace_credential(
            cluster_id=world.cluster.pk,
            kubeconfig=kubeconfig(),
            context=None,
            by=world.people.admin,
            now=world.now(),
        )


def test_rotate_credentials_lets_the_old_key_go(world: SandboxWorld, settings: Settings) -> None:
    cluster = add(world)
    old = settings.SECPROF_CREDENTIAL_KEYS
    new = (Fernet.generate_key().decode(),)
    settings.SECPROF_CREDENTIAL_KEYS = new + tuple(old)

    assert clusters.rotate_credentials(by=world.people.admin, now=world.now()) == 1

    settings.SECPROF_CREDENTIAL_KEYS = new
    cluster.refresh_from_db()
    assert keyring().decrypt(cluster.credential).token == CANARY
    assert AuditEvent.objects.get(verb="credentials.rotated").details == {"count": 1}


def test_rotate_credentials_that_no_key_opens_changes_nothing_and_names_the_cluster(
    world: SandboxWorld, settings: Settings
) -> None:
    sealed = add(world, "first").credential
    Cluster.objects.create(name="second", credential="rubbish", created_at=world.now())

    with pytest.raises(Refused, match=r"Nothing was changed\. second: .* enter it again"):
        clusters.rotate_credentials(by=world.people.admin, now=world.now())

    assert Cluster.objects.get(name="first").credential == sealed


def test_connection_that_works_is_noted(world: SandboxWorld) -> None:
    world.installed("ClusterPolicy")

    cluster = clusters.test_connection(
        cluster_id=world.cluster.pk, by=world.people.operator, now=world.now()
    )

    assert (cluster.contact_state, cluster.engine_state) == ("ok", "up")
    assert AuditEvent.objects.get(verb="cluster.tested").outcome == "ok"


def test_connection_before_anything_is_installed_leaves_the_engine_unknown(
    world: SandboxWorld,
) -> None:
    cluster = clusters.test_connection(
        cluster_id=world.cluster.pk, by=world.people.operator, now=world.now()
    )

    assert cluster.engine_state == "unknown"
    assert "No policy of secprof is installed yet" in cluster.engine_message


def test_connection_that_fails_is_noted_and_not_raised(world: SandboxWorld) -> None:
    world.sandbox.set_fault(Fault.API_SERVER_DOWN)

    cluster = clusters.test_connection(
        cluster_id=world.cluster.pk, by=world.people.operator, now=world.now()
    )

    assert cluster.contact_state == "unreachable"
    event = AuditEvent.objects.get(verb="cluster.tested")
    assert (event.outcome, event.message) == ("failed", cluster.contact_message)


def test_connection_with_an_unreadable_credential_says_what_to_do(world: SandboxWorld) -> None:
    cluster = add(world)
    Cluster.objects.filter(pk=cluster.pk).update(credential="rubbish")

    tested = clusters.test_connection(cluster_id=cluster.pk, by=world.people.admin, now=world.now())

    assert tested.contact_state == "unauthorized"
    assert "enter it again" in tested.contact_message
    tested.refresh_from_db()
    with pytest.raises(Unauthorized), connected(tested):
        pass


def test_secret_stands_in_no_row_no_record_and_no_error(
    world: SandboxWorld, log: io.StringIO
) -> None:
    said = []
    cluster = add(world)
    clusters.test_connection(cluster_id=cluster.pk, by=world.people.admin, now=world.now())
    world.cluster = cluster
    run = world.collect()
    said.append(run.error_message)
    for broken in (kubeconfig().replace("token:", "exec:"), kubeconfig() + "\n :", CANARY):
        with pytest.raises(InvalidKubeconfig) as refused:
            add(world, "second", broken)
        said.append(f"{refused.value!r} {refused.value}")
    cluster.refresh_from_db()
    with pytest.raises(ClusterError) as error, connected(cluster) as gateway:
        gateway.version()
    said.append(f"{error.value!r} {gateway!r} {gateway.__dict__}")
    said.append(f"{cluster!r} {cluster.__dict__}")

    rows = [*AuditEvent.objects.values(), *CollectionRun.objects.values()]
    rows += Cluster.objects.values()

    assert run.state == CollectionRun.State.FAILED
    assert "cluster.tested" in str(rows)
    assert log.getvalue()
    assert CANARY not in f"{rows} {said} {log.getvalue()}"
