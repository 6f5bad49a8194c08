"""From a plan to its proof in a browser: request, decision, ladder; and each refusal in words."""

import re
from collections.abc import Callable
from uuid import UUID

import pytest
from django.test import Client

from policies.cluster.gateway import CLUSTER_POLICIES
from policies.domain.lifecycle import FlipStatus, FlipVerb, RolloutStatus, StepKind, StepStatus
from policies.models import Flip, RolloutStep, Variant
from sandbox.faults import Fault
from tests import factories
from tests.integration.web.conftest import HTMX, SandboxWorld
from tests.world import BAD, deployment


def plan_of(text: str) -> dict[str, str]:
    hidden = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', text)
    return {name: value for name, value in hidden if name != "csrfmiddlewaretoken"}


def ask(client: Client, variant: Variant, **changes: str) -> Flip:
    query = {"variant": variant.pk, "verb": "enforce", "namespace": "team-a"}
    text = client.get("/plans/new/", query).text
    response = client.post("/flips/request/", {**plan_of(text), "reason": "clean", **changes})
    assert response.status_code == 303, response.text
    return Flip.objects.get(pk=UUID(response.headers["Location"].split("/")[2]))


@pytest.fixture
def variant(world: SandboxWorld) -> Variant:
    return world.installed("ClusterPolicy")


def test_plan_shows_effect_diff_gates_and_answer_and_writes_nothing(
    world: SandboxWorld, hands: Callable[[str], Client], variant: Variant
) -> None:
    before = Flip.objects.count()

    text = (
        hands("viewer").get(f"/plans/new/?variant={variant.pk}&verb=enforce&namespace=team-a").text
    )

    assert "Enforce require-seccomp in team-a on prod" in text
    assert '<li class="add"><span class="sign">+</span>  name: require-seccomp-enforce</li>' in text
    assert "every gate passes" in text
    assert "The API server would create it" in text
    assert "You may not request a flip" in text
    assert Flip.objects.count() == before


def test_flip_goes_from_plan_to_proof_in_the_browser(
    world: SandboxWorld, hands: Callable[[str], Client], variant: Variant
) -> None:
    flip = ask(hands("operator"), variant)
    approver = hands("approver")
    sent = {**plan_of(approver.get(f"/flips/{flip.pk}/").text), "comment": "looked at it"}

    response = approver.post(f"/flips/{flip.pk}/approve/", sent, follow=True)

    assert "Approved. The roll-out has begun." in response.text
    assert f"/flips/{flip.pk}/progress/" in response.text
    flip.refresh_from_db()
    assert world.run(flip) is RolloutStatus.PROVEN
    text = approver.get(f"/flips/{flip.pk}/").text
    assert "A bad pod is refused" in text
    assert "3/3" in text
    assert f"/flips/{flip.pk}/progress/" not in text
    assert "Enforced" in approver.get("/readiness/").text


def test_request_in_a_blocked_namespace_takes_a_reason_to_override(
    world: SandboxWorld, hands: Callable[[str], Client], variant: Variant
) -> None:
    world.sandbox.apply_manifest(deployment("team-a", "careless", BAD))
    world.collect()
    world.rehearse(variant, "team-a")
    client = hands("operator")
    query = f"/plans/new/?variant={variant.pk}&verb=enforce&namespace=team-a"
    text = client.get(query).text
    assert "careless" in text

    refused = client.post("/flips/request/", {**plan_of(text), "reason": "a deadline"})

    assert refused.status_code == 409
    assert "Say why they may be overridden" in refused.text
    assert "a deadline" in refused.text
    flip = ask(client, variant, override_reason="it is retired tomorrow")
    assert flip.override_reason == "it is retired tomorrow"


def test_request_with_a_plan_that_has_moved_shows_the_new_one(
    world: SandboxWorld, hands: Callable[[str], Client], variant: Variant
) -> None:
    client = hands("operator")
    query = {"variant": variant.pk, "verb": "enforce", "namespace": "team-a"}
    sent = plan_of(client.get("/plans/new/", query).text)

    response = client.post("/flips/request/", {**sent, "plan_digest": "0" * 64, "reason": "x"})

    assert response.status_code == 409
    assert "The plan has changed since you looked at it" in response.text


def test_plan_with_engine_down_cannot_be_requested(
    world: SandboxWorld, hands: Callable[[str], Client], variant: Variant
) -> None:
    world.sandbox.set_fault(Fault.ENGINE_DOWN)

    response = hands("operator").get(
        f"/plans/new/?variant={variant.pk}&verb=enforce&namespace=team-a"
    )

    assert response.status_code == 502
    assert "Engine down" in response.text


def test_plan_with_cluster_out_of_reach_is_a_sentence(
    world: SandboxWorld, hands: Callable[[str], Client], variant: Variant
) -> None:
    world.sandbox.set_fault(Fault.API_SERVER_DOWN)

    response = hands("operator").get(
        f"/plans/new/?variant={variant.pk}&verb=enforce&namespace=team-a"
    )

    assert response.status_code == 502
    assert "is unreachable: nothing listens there" in response.text


def test_plan_with_nothing_to_do_says_so(hands: Callable[[str], Client], variant: Variant) -> None:
    response = hands("operator").get(f"/plans/new/?variant={variant.pk}&verb=install")

    assert response.status_code == 409
    assert "require-seccomp is on prod already." in response.text


@pytest.mark.parametrize("query", ["", "?variant=x", "?variant=1&verb=explode", "?variant=999"])
def test_plan_of_nonsense_is_not_found(browser: Callable[[str], Client], query: str) -> None:
    assert browser("operator").get(f"/plans/new/{query}").status_code == 404


def test_approve_own_request_is_disabled_in_words_and_refused(
    hands: Callable[[str], Client], variant: Variant, world: SandboxWorld
) -> None:
    flip = ask(hands("operator"), variant)
    Flip.objects.filter(pk=flip.pk).update(requested_by=world.people.approver.user_id)
    own = hands("approver")

    text = own.get(f"/flips/{flip.pk}/").text
    response = own.post(f"/flips/{flip.pk}/approve/", {"plan_digest": flip.plan_digest})

    assert "You asked for this flip; somebody else has to decide." in text
    assert response.status_code == 403
    assert Flip.objects.get(pk=flip.pk).status == FlipStatus.REQUESTED


def test_approve_after_the_ground_moved_says_what_moved(
    world: SandboxWorld, hands: Callable[[str], Client], variant: Variant
) -> None:
    flip = ask(hands("operator"), variant)
    edited = world.sandbox.get(CLUSTER_POLICIES, variant.name)
    edited["spec"].setdefault("webhookConfiguration", {})["timeoutSeconds"] = 7
    world.sandbox.apply_manifest(edited)

    response = hands("approver").post(
        f"/flips/{flip.pk}/approve/", {"plan_digest": flip.plan_digest}
    )

    assert response.status_code == 409
    assert "ClusterPolicy require-seccomp on the cluster was changed." in response.text
    assert "The ground has moved" in response.text
    assert "Plan again" in response.text
    assert Flip.objects.get(pk=flip.pk).status == FlipStatus.STALE


def test_approve_with_engine_down_says_so_and_leaves_the_request(
    world: SandboxWorld, hands: Callable[[str], Client], variant: Variant
) -> None:
    flip = ask(hands("operator"), variant)
    world.sandbox.set_fault(Fault.ENGINE_DOWN)

    response = hands("approver").post(
        f"/flips/{flip.pk}/approve/", {"plan_digest": flip.plan_digest}
    )

    assert response.status_code == 502
    assert "<strong>Engine down.</strong>" in response.text
    assert Flip.objects.get(pk=flip.pk).status == FlipStatus.REQUESTED


def test_decline_takes_a_comment(hands: Callable[[str], Client], variant: Variant) -> None:
    flip = ask(hands("operator"), variant)
    approver = hands("approver")

    silent = approver.post(f"/flips/{flip.pk}/decline/")
    said = approver.post(f"/flips/{flip.pk}/decline/", {"comment": "not before Monday"})

    assert silent.status_code == 409
    assert said.status_code == 303
    assert "not before Monday" in approver.get(f"/flips/{flip.pk}/").text


def test_withdraw_is_offered_to_the_requester_alone(
    hands: Callable[[str], Client], variant: Variant
) -> None:
    flip = ask(hands("operator"), variant)
    assert "Withdraw the request" not in hands("approver").get(f"/flips/{flip.pk}/").text
    client = hands("operator")
    assert "Withdraw the request" in client.get(f"/flips/{flip.pk}/").text

    client.post(f"/flips/{flip.pk}/withdraw/")

    assert Flip.objects.get(pk=flip.pk).status == FlipStatus.WITHDRAWN


def rolling_flip() -> Flip:
    flip = factories.flip(factories.variant(factories.cluster()), FlipStatus.ROLLING, "shop")
    factories.rollout(
        flip,
        RolloutStatus.RUNNING,
        (StepKind.APPLY, StepStatus.DONE, ""),
        (StepKind.PROVE_REFUSED, StepStatus.RUNNING, "shop"),
    )
    return flip


def test_progress_unchanged_is_no_content_and_changed_is_the_ladder(
    browser: Callable[[str], Client],
) -> None:
    flip = rolling_flip()
    client = browser("viewer")
    page = client.get(f"/flips/{flip.pk}/").text
    address = re.search(r'hx-get="([^"]*progress[^"]*)"', page)
    assert address

    same = client.get(address[1], headers=HTMX)
    RolloutStep.objects.update(status=StepStatus.DONE)
    changed = client.get(address[1], headers=HTMX)

    assert same.status_code == 204
    assert changed.status_code == 200
    assert "<html" not in changed.text


def test_progress_ended_no_longer_polls(browser: Callable[[str], Client]) -> None:
    flip = rolling_flip()
    flip.rollout.status = RolloutStatus.PROVEN
    flip.rollout.save()
    Flip.objects.filter(pk=flip.pk).update(status=FlipStatus.PROVEN)

    response = browser("viewer").get(f"/flips/{flip.pk}/progress/?seen=old", headers=HTMX)

    assert "hx-trigger" not in response.text


def test_progress_read_while_the_rollout_ends_still_polls(
    browser: Callable[[str], Client],
) -> None:
    flip = rolling_flip()
    flip.rollout.status = RolloutStatus.PROVEN
    flip.rollout.save()

    response = browser("viewer").get(f"/flips/{flip.pk}/progress/?seen=old", headers=HTMX)

    assert "Rolling out" in response.text
    assert "hx-trigger" in response.text


def test_flips_mine_are_those_one_asked_for_or_decided_on(
    browser: Callable[[str], Client],
) -> None:
    factories.flip(factories.variant(factories.cluster()), FlipStatus.PROVEN, "shop")

    assert "in shop" in browser("operator").get("/flips/?show=mine").text
    assert "in shop" in browser("approver").get("/flips/?show=mine").text
    assert "You asked for nothing" in browser("admin").get("/flips/?show=mine").text


def test_flip_failed_offers_rollback_and_another_plan(
    browser: Callable[[str], Client],
) -> None:
    variant = factories.variant(factories.cluster())
    flip = factories.flip(
        variant, FlipStatus.FAILED, "shop", closing_message="The bad pod was admitted."
    )

    text = browser("operator").get(f"/flips/{flip.pk}/").text

    assert "The bad pod was admitted." in text
    assert f"/variants/{variant.pk}/roll-back/" in text
    assert "Plan again" in text


def test_flip_verbs_of_the_install_are_said_in_the_title(
    browser: Callable[[str], Client],
) -> None:
    variant = factories.variant(factories.cluster())
    flip = factories.flip(variant, FlipStatus.REQUESTED, verb=FlipVerb.INSTALL)

    text = browser("approver").get(f"/flips/{flip.pk}/").text

    assert "Install require-seccomp in Audit on prod" in text
