"""Pages about a cluster that somebody sees a part of: what is left out is said to be, and what may be done is done."""

import re

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from policies.actions import flips
from policies.domain.lifecycle import FlipVerb
from policies.models import Cluster, Flip, Grant, Rollout, Variant
from tests import factories
from tests.integration.web.conftest import HTMX, SandboxWorld, people, world

__all__ = ["people", "world"]

pytestmark = pytest.mark.django_db


def client_of(name: str, role: str, **scope: object) -> Client:
    """The browser of somebody whose role reaches only so far."""
    user, _ = User.objects.get_or_create(username=name)
    factories.grant(user, role, **scope)
    client = Client()
    client.force_login(user)
    return client


def text(response: object) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))


@pytest.fixture
def variant(world: SandboxWorld) -> Variant:
    """Enforced in team-b, which is not everybody's business."""
    made = world.installed("ClusterPolicy")
    world.flip(made, FlipVerb.ENFORCE, "team-b")
    world.collect()
    return made


def planned(client: Client, variant: Variant) -> object:
    query = {"variant": variant.pk, "verb": "enforce", "namespace": "team-a"}
    return client.get("/plans/new/", query)


def test_owner_of_a_namespace_goes_the_whole_way_and_reads_no_other_name(
    world: SandboxWorld, variant: Variant
) -> None:
    by_name = {"on": world.cluster, "namespace": "team-a"}
    asker = client_of("asker", "operator", **by_name)
    decider = client_of("decider", "approver", selector="team=a")
    pages = [planned(asker, variant)]
    digest = re.search(r'name="plan_digest" value="(\w+)"', pages[0].text).group(1)
    form = {"variant": variant.pk, "namespace": "team-a", "plan_digest": digest, "reason": "clean"}

    asked = asker.post("/flips/request/", form)
    flip = Flip.objects.get(namespaces=["team-a"])
    pages += [asker.get(asked.url), decider.get(f"/flips/{flip.pk}/"), decider.get("/")]
    decided = decider.post(f"/flips/{flip.pk}/approve/", {"plan_digest": digest, "comment": "yes"})
    world.run(Flip.objects.get(pk=flip.pk))
    world.collect()
    address = f"/readiness/{variant.pk}/team-a/"
    pages += [decider.get(decided.url), asker.get(f"/variants/{variant.pk}/"), asker.get(address)]
    pages += [asker.get("/trail/"), asker.get(f"/validation/{variant.pk}/team-a/")]
    pages += [asker.get(f"/reviews/{variant.pk}/team-a/"), asker.get("/policies/")]

    assert [page.status_code for page in pages] == [200] * len(pages)
    assert Rollout.objects.get(flip=flip).status == Rollout.Status.PROVEN
    for page in pages:
        assert "team-b" not in page.text
        assert "kyverno/" not in page.text
    assert "Its text lists other namespaces too" in text(pages[0])
    assert "told to who may see all of prod" in text(pages[0])
    assert "enforced" in text(pages[6]).lower()


def test_plan_seen_in_part_has_the_digest_of_the_whole(
    world: SandboxWorld, variant: Variant
) -> None:
    part = planned(client_of("asker", "operator", on=world.cluster, namespace="team-a"), variant)
    whole = planned(client_of("chief", "operator", on=world.cluster), variant)

    digests = [
        re.search(r'plan_digest" value="(\w+)"', page.text).group(1) for page in (part, whole)
    ]
    assert digests[0] == digests[1]
    assert "team-b" in whole.text


def test_flip_of_a_neighbour_shows_as_under_way_without_its_address(
    world: SandboxWorld,
) -> None:
    variant = world.installed("ClusterPolicy")
    flip = world.request(variant, FlipVerb.ENFORCE, "team-a", "team-b")
    client = client_of("ada", "viewer", on=world.cluster, namespace="team-a")

    matrix = client.get("/readiness/")
    panel = client.get(f"/readiness/{variant.pk}/team-a/", headers=HTMX)

    assert "flip asked for" in matrix.text
    assert str(flip.pk) not in panel.text
    assert client.get(f"/flips/{flip.pk}/").status_code == 404
    assert "team-b" not in matrix.text + panel.text


def test_button_says_what_the_action_says(world: SandboxWorld, variant: Variant) -> None:
    user = User.objects.create(username="ada")
    factories.grant(user, "viewer")
    factories.grant(user, "operator", on=world.cluster, namespace="team-b")
    client = Client()
    client.force_login(user)
    sentence = (
        "You may not request a flip on team-a on prod: your role admin or operator does not reach"
        " that far."
    )

    page = planned(client, variant)
    form = {"variant": variant.pk, "namespace": "team-a", "plan_digest": "x", "reason": "y"}
    refused = client.post("/flips/request/", form)
    matrix = client.get("/readiness/")

    assert sentence in text(page)
    assert refused.status_code == 403
    assert sentence in text(refused)
    assert f'disabled title="{sentence}"' in matrix.text
    assert matrix.text.count("disabled title=") == 1


def test_numbers_count_what_is_seen() -> None:
    prod = factories.cluster()
    factories.namespaces(prod, ["shop", "pay", "batch", "cart"])
    variant = factories.installed(prod)
    factories.enforced(variant, "shop", "pay", "cart")
    factories.event("flip.requested", cluster="prod", namespaces=["pay"])
    client = client_of("ada", "viewer", on=prod, namespace="shop")

    assert "1 of 1 pairs of namespace and policy" in text(client.get("/"))
    assert "1 of 1 namespace" in text(client.get("/readiness/"))
    assert "enforced in 1 " in text(client.get(f"/clusters/{prod.pk}/"))
    assert "1 of 1" in text(client.get("/variants/compare/"))
    rows = re.findall(r'<td class="num">(?:<a[^>]*>)?(\d+)', client.get("/clusters/").text)
    assert rows == ["1", "1", "1"]
    assert "flip requested" not in text(client.get("/trail/"))


def test_cluster_seen_in_part_says_what_is_left_out() -> None:
    prod = factories.cluster()
    factories.namespaces(prod, ["shop"])
    part = text(client_of("ada", "viewer", on=prod, namespace="shop").get(f"/clusters/{prod.pk}/"))
    whole = text(client_of("bob", "viewer", on=prod).get(f"/clusters/{prod.pk}/"))

    assert "numbers and malformed objects are told to who may see all of prod" in part
    assert "a kind is replaced only when its last page was read" in whole


@pytest.mark.parametrize("address", ["/readiness/", "/posture/", "/profiles/nodes/", "/"])
def test_pages_with_a_grant_that_reaches_nothing_yet_are_designed(address: str) -> None:
    factories.cluster()
    client = client_of("ada", "viewer", selector="team=nobody")

    response = client.get(address)

    assert response.status_code == 200
    assert "prod" not in text(response)


def test_grant_by_labels_follows_the_labels_at_once() -> None:
    prod: Cluster = factories.cluster()
    factories.namespaces(prod, ["shop", "cart"], labels={"team": "web"})
    factories.installed(prod)
    client = client_of("ada", "viewer", selector="team=web")
    assert "cart" in client.get("/readiness/").text

    prod.namespaces.filter(name="cart").update(labels={})

    assert "cart" not in client.get("/readiness/").text
    assert Grant.objects.filter(selector="team=web").count() == 1


def test_rollback_of_one_own_namespace_takes_no_other(
    world: SandboxWorld, variant: Variant
) -> None:
    client = client_of("ada", "operator", on=world.cluster, namespace="team-a")
    form = {"namespace": ["team-b"], "reason": "no"}

    assert client.post(f"/variants/{variant.pk}/roll-back/", form).status_code == 404
    assert not Flip.objects.filter(verb="rollback").exists()
    assert flips.lapse_old_requests(now=timezone.now()) == 0
