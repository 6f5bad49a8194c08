"""Clusters: adding one says exactly what is wrong, and the page tells what was collected and what was not."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from policies.models import AuditEvent, Cluster, CollectionRun, KindSnapshot
from sandbox.faults import Fault
from tests import factories
from tests.integration.web.conftest import HTMX, SandboxWorld

KUBECONFIG = """
apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "https://kube.example:6443"}}]
users: [{name: u, user: {token: abcdef}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
current-context: x
"""


def form(**changes: str) -> dict[str, str]:
    return {"name": "prod", "kubeconfig": KUBECONFIG, "context": "", **changes}


def test_add_cluster_admin_is_taken_in_and_told_apart_in_the_trail(
    browser: Callable[[str], Client],
) -> None:
    response = browser("admin").post("/clusters/new/", form())

    cluster = Cluster.objects.get(name="prod")
    assert response.status_code == 303
    assert response.headers["Location"] == f"/clusters/{cluster.pk}/"
    assert "abcdef" not in cluster.credential
    assert AuditEvent.objects.get().verb == "cluster.added"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"kubeconfig": "{"}, "not valid YAML"),
        ({"kubeconfig": KUBECONFIG.replace("token: abcdef", "exec: {command: x}")}, "exec"),
        ({"context": "other"}, "other"),
        ({"name": "Prod_1"}, "mall letters, digits and dashes"),
        ({"kubeconfig": ""}, "This field is required."),
    ],
)
def test_add_cluster_wrong_input_says_what_is_wrong_and_keeps_the_name(
    browser: Callable[[str], Client], changes: dict[str, str], words: str
) -> None:
    sent = form(**changes)

    response = browser("admin").post("/clusters/new/", sent)

    assert response.status_code == 422
    assert words in response.text
    assert f'value="{sent["name"]}"' in response.text
    assert not Cluster.objects.exists()


def test_add_cluster_name_taken_says_so(browser: Callable[[str], Client]) -> None:
    factories.cluster("prod")

    response = browser("admin").post("/clusters/new/", form())

    assert response.status_code == 422
    assert "There is a cluster prod already." in response.text


def test_add_cluster_operator_is_refused_in_words(browser: Callable[[str], Client]) -> None:
    response = browser("operator").post("/clusters/new/", form())

    assert response.status_code == 403
    assert "You may not add or change clusters: that takes the role admin." in response.text


def test_replace_credential_wrong_input_says_so_on_the_cluster_page(
    browser: Callable[[str], Client],
) -> None:
    cluster = factories.cluster()

    response = browser("admin").post(
        f"/clusters/{cluster.pk}/credential/", {"kubeconfig": "{", "context": ""}
    )

    assert response.status_code == 422
    assert "not valid YAML" in response.text


def test_replace_credential_admin_changes_it(browser: Callable[[str], Client]) -> None:
    cluster = factories.cluster()

    browser("admin").post(f"/clusters/{cluster.pk}/credential/", form())

    cluster.refresh_from_db()
    assert cluster.credential_changed_at is not None


def test_test_connection_broken_is_said_in_a_sentence_and_old_data_is_kept(
    world: SandboxWorld, hands: Callable[[str], Client]
) -> None:
    world.sandbox.set_fault(Fault.WRONG_CA)

    response = hands("operator").post(f"/clusters/{world.cluster.pk}/test/", follow=True)

    assert "Certificate not trusted" in response.text
    assert "its certificate is not signed by the CA that we were given" in response.text
    assert world.cluster.snapshots.filter(object_count__gt=0).exists()


def test_test_connection_by_htmx_gives_the_changed_part_and_the_message(
    world: SandboxWorld, hands: Callable[[str], Client]
) -> None:
    response = hands("operator").post(f"/clusters/{world.cluster.pk}/test/", headers=HTMX)

    assert response.status_code == 200
    assert 'id="cluster-state"' in response.text
    assert "prod answers." in response.text
    assert "<html" not in response.text


def test_test_connection_viewer_is_refused(
    world: SandboxWorld, hands: Callable[[str], Client]
) -> None:
    response = hands("viewer").post(f"/clusters/{world.cluster.pk}/test/")

    assert response.status_code == 403


def test_collect_now_makes_a_run_due_and_the_page_wait_for_it(
    world: SandboxWorld, hands: Callable[[str], Client]
) -> None:
    client = hands("operator")

    response = client.post(f"/clusters/{world.cluster.pk}/collect/", follow=True)

    world.cluster.refresh_from_db()
    assert world.cluster.collect_due_at <= timezone.now()
    assert 'hx-trigger="every 2s"' in response.text


def test_cluster_without_a_run_under_way_does_not_poll(
    browser: Callable[[str], Client],
) -> None:
    cluster = factories.cluster()

    assert "every 2s" not in browser("viewer").get(f"/clusters/{cluster.pk}/").text


def test_cluster_page_names_what_is_old_and_what_was_not_read(
    browser: Callable[[str], Client],
) -> None:
    cluster = factories.cluster()
    now = timezone.now()
    snapshots = KindSnapshot.objects.filter(cluster=cluster)
    snapshots.filter(kind="pods").update(failure="The answer broke off.", failed_at=now)
    snapshots.filter(kind="namespaces").update(completed_at=now - timedelta(hours=9))

    text = browser("viewer").get(f"/clusters/{cluster.pk}/").text

    for words in ("Not read to the end", "The answer broke off.", "Old", "9 h ago"):
        assert words in text


def test_cluster_page_names_malformed_objects(browser: Callable[[str], Client]) -> None:
    cluster = factories.cluster()
    problem = {"kind": "pods", "object": "shop/odd", "reason": "containers is not a list"}
    CollectionRun.objects.update(problems=[problem], problem_count=1)

    text = browser("viewer").get(f"/clusters/{cluster.pk}/").text

    assert "1 malformed object" in text
    assert "shop/odd" in text


def test_buttons_are_disabled_with_the_reason_in_words(
    browser: Callable[[str], Client],
) -> None:
    cluster = factories.cluster()

    text = browser("viewer").get(f"/clusters/{cluster.pk}/").text

    assert "You may not start a collection run: that takes the role" in text


def test_cluster_page_says_which_rights_were_never_asked_for(
    browser: Callable[[str], Client],
) -> None:
    cluster = factories.cluster()

    text = browser("viewer").get(f"/clusters/{cluster.pk}/").text

    assert "Rights of the credential" in text
    assert text.count("Not asked yet, or not answered") == 3
    assert "Held" not in text


def test_test_connection_notes_the_rights_that_are_missing(
    world: SandboxWorld, hands: Callable[[str], Client]
) -> None:
    world.sandbox.set_fault(Fault.FORBIDDEN, target="clusterpolicies")

    response = hands("operator").post(f"/clusters/{world.cluster.pk}/test/", follow=True)

    assert "<code>create, update, delete clusterpolicies.kyverno.io</code>" in response.text
    assert "Without these a roll-out stops at its first dry-run." in response.text
    world.cluster.refresh_from_db()
    assert world.cluster.rights_checked_at is not None


def test_cluster_page_warns_of_rights_that_are_never_used(
    world: SandboxWorld, hands: Callable[[str], Client]
) -> None:
    hands("operator").post(f"/clusters/{world.cluster.pk}/test/")

    text = hands("viewer").get(f"/clusters/{world.cluster.pk}/").text

    # A sandbox lets everything be done.
    assert "More than it needs" in text
    assert "<code>list, get secrets</code>" in text


def test_rights_that_cannot_be_asked_are_unknown_and_another_credential_forgets_them(
    browser: Callable[[str], Client],
) -> None:
    held = {"mode": "probe", "right": "create pods", "answer": True}
    cluster = factories.cluster(rights=[held], rights_checked_at=timezone.now())
    client = browser("admin")
    assert "Held" in client.get(f"/clusters/{cluster.pk}/").text

    client.post(f"/clusters/{cluster.pk}/credential/", form())

    assert "Held" not in client.get(f"/clusters/{cluster.pk}/").text
