"""Profiles on nodes in the browser: what is known, what is missing, what is declared, and by whom."""

from collections.abc import Callable

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from policies.models import AuditEvent, Cluster, DeclaredPool, DeclaredProfile
from sandbox.faults import Fault
from tests import factories
from tests.integration.queries.test_inventory_pages import (
    declare,
    named,
    nodes,
    profile,
    read,
)
from tests.integration.web.conftest import HTMX, SandboxWorld
from tests.world import deployment

PAGE = "/profiles/nodes/"
POOL = {"name": "gpu", "selector": "pool=gpu\nzone = a", "apparmor": "no", "complete": ["seccomp"]}


@pytest.fixture
def cluster(db: None) -> Cluster:
    made = factories.cluster()
    read(made)
    return made


def test_page_anonymous_is_sent_to_sign_in(client: Client, cluster: Cluster) -> None:
    assert client.get(PAGE).headers["Location"].startswith("/login/")


def test_page_without_any_cluster_says_so(browser: Callable[[str], Client]) -> None:
    assert "No cluster yet" in browser("viewer").get(PAGE).text


def test_page_of_a_cluster_that_is_not_there_is_not_found(
    browser: Callable[[str], Client], cluster: Cluster
) -> None:
    assert browser("viewer").get(PAGE, {"cluster": "nowhere"}).status_code == 404


def test_page_shows_each_profile_on_each_node_and_the_verdicts(
    browser: Callable[[str], Client], cluster: Cluster
) -> None:
    nodes(cluster, 2)
    profile(cluster, "a", missing=1)
    named(cluster, "cart", "operator/a.json")

    text = browser("viewer").get(PAGE, {"cluster": "prod"}).text

    assert text.count("<h1") == 1
    assert "web-0000" in text
    assert "Missing on 1 of 2 nodes: web-0000 (no status)." in text
    assert "shop/cart" in text


def test_page_where_nothing_is_known_says_unknown_and_not_good(
    browser: Callable[[str], Client], cluster: Cluster
) -> None:
    read(cluster, served=False)
    named(cluster, "cart", "profiles/a.json")

    text = browser("viewer").get(PAGE).text

    assert "Unknown, which is not good." in text
    assert "state-good" not in text.partition('id="facts"')[2]


def test_page_for_htmx_is_the_facts_alone(
    browser: Callable[[str], Client], cluster: Cluster
) -> None:
    response = browser("viewer").get(PAGE, {"cluster": "prod", "q": "nope"}, headers=HTMX)

    assert "<html" not in response.text
    assert 'id="facts"' in response.text
    assert "nope" in response.text
    assert "HX-Request" in response.headers["Vary"]


@pytest.mark.parametrize("page", ["0", "-3", "x", "99999999999", "²"])
def test_page_with_an_odd_number_is_shown(
    browser: Callable[[str], Client], cluster: Cluster, page: str
) -> None:
    assert browser("viewer").get(PAGE, {"page": page}).status_code == 200


def test_pool_opens_beside_the_matrix_and_alone(
    browser: Callable[[str], Client], cluster: Cluster
) -> None:
    nodes(cluster, 9)
    profile(cluster, "a", missing=1)
    query = {
        "cluster": "prod",
        "mechanism": "seccomp",
        "profile": "operator/a.json",
        "pool": "web",
    }
    client = browser("viewer")

    whole = client.get(f"{PAGE}pool/", query)
    alone = client.get(f"{PAGE}pool/", query, headers=HTMX)

    assert "1 of 9" in whole.text
    assert "<html" not in alone.text
    for text in (whole.text, alone.text):
        assert "web-0008" in text
        assert "9 nodes" in text
    assert client.get(f"{PAGE}pool/", {**query, "mechanism": "selinux"}).status_code == 404


def test_declare_pool_by_an_admin_keeps_it_and_returns(
    browser: Callable[[str], Client], cluster: Cluster
) -> None:
    response = browser("admin").post(f"/profiles/pools/{cluster.pk}/declare/", POOL)

    assert (response.status_code, response.headers["Location"]) == (303, f"{PAGE}?cluster=prod")
    pool = DeclaredPool.objects.get()
    assert (pool.selector, pool.apparmor) == ({"pool": "gpu", "zone": "a"}, "no")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"selector": "pool"}, "Write a label as key=value"),
        ({"name": "No Good"}, "small letters"),
        ({"name": ""}, "This field is required"),
    ],
)
def test_declare_pool_that_is_none_says_why_and_keeps_what_was_typed(
    browser: Callable[[str], Client], cluster: Cluster, changes: dict[str, str], says: str
) -> None:
    response = browser("admin").post(f"/profiles/pools/{cluster.pk}/declare/", POOL | changes)

    assert response.status_code == 422
    assert says in response.text
    assert 'id="apparmor-no" value="no" checked' in " ".join(response.text.split())
    assert not DeclaredPool.objects.exists()


def test_declare_profile_and_withdraw_it_and_the_pool(
    browser: Callable[[str], Client], cluster: Cluster
) -> None:
    declare(cluster, "web")
    pool, client = DeclaredPool.objects.get(), browser("admin")

    client.post(
        f"/profiles/pools/{pool.pk}/profiles/declare/",
        {"mechanism": "apparmor", "value": "k8s-web"},
    )
    made = DeclaredProfile.objects.get()
    page = client.get(PAGE).text
    client.post(f"/profiles/declared/{made.pk}/withdraw/")
    client.post(f"/profiles/pools/{pool.pk}/withdraw/")

    assert "k8s-web" in page
    assert not DeclaredPool.objects.exists()
    assert set(AuditEvent.objects.values_list("verb", flat=True)) == {
        "inventory.profile_declared",
        "inventory.profile_withdrawn",
        "inventory.pool_withdrawn",
    }
    trail = client.get("/trail/").text
    assert "declared k8s-web on the node pool web of prod" in trail


def test_declare_profile_that_no_pod_could_name_says_why(
    browser: Callable[[str], Client], cluster: Cluster
) -> None:
    declare(cluster, "web")
    pool = DeclaredPool.objects.get()

    response = browser("admin").post(
        f"/profiles/pools/{pool.pk}/profiles/declare/",
        {"mechanism": "apparmor", "value": "localhost/k8s-web"},
    )

    assert response.status_code == 422
    assert "bare name" in response.text
    assert 'value="localhost/k8s-web"' in response.text


@pytest.mark.parametrize("role", ["viewer", "operator", "approver", "auditor"])
def test_declaring_by_others_is_forbidden_and_the_page_says_so(
    browser: Callable[[str], Client], cluster: Cluster, role: str
) -> None:
    declare(cluster, "web", "a.json")
    pool, made, client = DeclaredPool.objects.get(), DeclaredProfile.objects.get(), browser(role)

    answers = [
        client.post(f"/profiles/pools/{cluster.pk}/declare/", POOL),
        client.post(
            f"/profiles/pools/{pool.pk}/profiles/declare/", {"mechanism": "seccomp", "value": "b"}
        ),
        client.post(f"/profiles/declared/{made.pk}/withdraw/"),
        client.post(f"/profiles/pools/{pool.pk}/withdraw/"),
    ]

    assert [answer.status_code for answer in answers] == [403] * 4
    text = client.get(PAGE).text
    assert "that takes the role admin" in text
    assert "Declare the pool" not in text
    assert (DeclaredPool.objects.count(), DeclaredProfile.objects.count()) == (1, 1)


def test_page_costs_the_same_queries_whatever_the_size(
    browser: Callable[[str], Client], cluster: Cluster
) -> None:
    client = browser("viewer")

    def cost() -> int:
        with CaptureQueriesContext(connection) as captured:
            client.get(PAGE)
        return len(captured)

    nodes(cluster, 1)
    few = cost()
    nodes(cluster, 30, "gpu")
    for name in ("a", "b"):
        profile(cluster, name)
        named(cluster, name, f"operator/{name}.json")
    declare(cluster, "web", "a.json", "b.json")
    declare(cluster, "gpu")

    assert cost() == few <= 20


def test_page_after_a_real_collection_tells_missing_from_forbidden(
    hands: Callable[[str], Client], world: SandboxWorld
) -> None:
    fields = {"type": "Localhost", "localhostProfile": "operator/key-rotation.json"}
    container = {"name": "app", "image": "a", "securityContext": {"seccompProfile": fields}}
    world.sandbox.apply_manifest(deployment("team-a", "keys", container))
    world.sandbox.add_nodes()
    world.sandbox.install_operator()
    world.collect()
    known = hands("viewer").get(PAGE).text
    world.sandbox.set_fault(Fault.FORBIDDEN, target="securityprofilenodestatuses")
    world.collect()

    forbidden = hands("viewer").get(PAGE).text

    assert "node-c1 (just joined)" in known
    assert "securityprofilenodestatuses could not be read" in forbidden
    assert "Not known" in forbidden
