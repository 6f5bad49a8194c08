"""An exception from the form to its decision in browsers: who may, what is told, and two who decide at once."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from policies.domain.lifecycle import ExceptionStatus as Status
from policies.domain.lifecycle import RolloutStatus
from policies.models import AuditEvent, ExceptionRequest, Flip, Grant, Variant
from tests import factories
from tests.integration.actions.excepting import carry, heed
from tests.integration.web.conftest import HTMX, SandboxWorld
from tests.world import BAD, deployment

Hands = Callable[[str], Client]


@pytest.fixture
def variant(world: SandboxWorld) -> Variant:
    heed(world)
    made = world.installed("ClusterPolicy")
    for name in ("ftp", "legacy"):
        world.sandbox.apply_manifest(deployment("team-a", name, BAD))
    world.collect()
    return made


def day(ahead: int) -> str:
    return (timezone.now() + timedelta(days=ahead)).date().isoformat()


def wish(**changes: Any) -> dict[str, Any]:
    return {
        "intent": "request",
        "controls": ["require-seccomp", "deny-unconfined-seccomp"],
        "workloads": ["Deployment/ftp", "Deployment/legacy"],
        "reason": "the vendor is late",
        "ends_at": day(10),
        **changes,
    }


def ask(client: Client, variant: Variant, **changes: Any) -> ExceptionRequest:
    address = f"/exceptions/new/?variant={variant.pk}&namespace=team-a"
    response = client.post(address, wish(**changes))
    assert response.status_code == 303, response.text
    return ExceptionRequest.objects.get(pk=UUID(response.headers["Location"].split("/")[2]))


def decision(text: str, **changes: Any) -> dict[str, Any]:
    revision = re.search(r'name="revision" value="(\d+)"', text)
    ticked = re.findall(r'name="workloads"\s+value="([^"]+)" checked', text)
    until = re.search(r'name="ends_at"\s+value="([^"]+)"', text)
    assert revision
    assert until
    assert ticked
    return {
        "revision": revision[1],
        "workloads": ticked,
        "ends_at": until[1],
        "comment": "agreed",
        **changes,
    }


def state(row: ExceptionRequest) -> str:
    row.refresh_from_db()
    return row.status


def decided(row: ExceptionRequest, status: Status, **fields: Any) -> None:
    """Put a request where its roll-out would have brought it."""
    ExceptionRequest.objects.filter(pk=row.pk).update(
        status=status,
        decided_by=User.objects.get(username="approver"),
        decided_at=timezone.now(),
        comment="agreed",
        approved_workloads=row.workloads,
        approved_ends_at=row.ends_at,
        **fields,
    )


@pytest.fixture
def owner(world: SandboxWorld) -> Client:
    """The browser of an owner of team a's namespaces alone."""
    user = User.objects.get(username="owner")
    Grant.objects.filter(user=user).delete()
    factories.grant(user, "owner", selector="team=a")
    client = Client()
    client.force_login(user)
    return client


def test_owner_asks_for_the_own_namespace(
    variant: Variant, owner: Client, world: SandboxWorld
) -> None:
    row = ask(owner, variant)

    text = owner.get(f"/exceptions/{row.pk}/").text
    assert row.status == Status.REQUESTED
    assert row.workloads == [
        {"kind": "Deployment", "name": "ftp"},
        {"kind": "Deployment", "name": "legacy"},
    ]
    assert row.ends_at.date().isoformat() == day(10)
    assert "Requested. Somebody else has to approve it." in text
    assert "that takes the role admin or approver" in text
    assert "asked to exempt Deployment ftp, Deployment legacy in team-a" in text


def test_owner_of_another_namespace_finds_nothing_to_ask_for(
    variant: Variant, owner: Client
) -> None:
    address = f"/exceptions/new/?variant={variant.pk}&namespace=team-b"

    assert owner.get(address).status_code == 404
    assert owner.post(address, wish()).status_code == 404
    assert not ExceptionRequest.objects.exists()


@pytest.mark.parametrize("role", ["viewer", "approver", "auditor"])
def test_request_by_a_role_that_may_not_is_refused_with_the_form_as_typed(
    variant: Variant, hands: Hands, role: str
) -> None:
    address = f"/exceptions/new/?variant={variant.pk}&namespace=team-a"

    response = hands(role).post(address, wish())

    assert response.status_code == 403
    assert "that takes the role admin or operator or owner" in response.text
    assert "the vendor is late" in response.text
    assert not ExceptionRequest.objects.exists()


def test_request_past_the_longest_end_is_refused_with_the_form_as_typed(
    variant: Variant, hands: Hands
) -> None:
    address = f"/exceptions/new/?variant={variant.pk}&namespace=team-a"

    response = hands("operator").post(address, wish(ends_at=day(400)))

    assert response.status_code == 409
    assert "at most 90 days" in response.text
    assert f'value="{day(400)}"' in response.text


def test_last_day_that_the_form_names_is_taken(variant: Variant, hands: Hands) -> None:
    client = hands("operator")
    text = client.get(f"/exceptions/new/?variant={variant.pk}&namespace=team-a").text
    last = re.search(r'max="(\d{4}-\d\d-\d\d)"', text)
    assert last

    row = ask(client, variant, ends_at=last[1])

    assert row.ends_at.date().isoformat() == last[1]


def test_draft_is_kept_incomplete_and_requested_later(variant: Variant, hands: Hands) -> None:
    client = hands("operator")
    row = ask(client, variant, intent="draft", reason="", workloads=[], ticket="OPS-7")
    assert row.status == Status.DRAFT
    assert row.ticket == "OPS-7"
    assert "Edit and request" in client.get(f"/exceptions/{row.pk}/").text

    kept = client.post(f"/exceptions/{row.pk}/edit/", wish(intent="draft", reason="almost"))
    assert kept.status_code == 303
    assert "almost" in client.get(f"/exceptions/{row.pk}/edit/").text
    asked = client.post(f"/exceptions/{row.pk}/edit/", wish())

    assert asked.status_code == 303
    assert state(row) == Status.REQUESTED
    assert ExceptionRequest.objects.count() == 1


def test_approve_all_starts_the_roll_out(variant: Variant, hands: Hands) -> None:
    row = ask(hands("operator"), variant)
    approver = hands("approver")
    sent = decision(approver.get(f"/exceptions/{row.pk}/").text)

    response = approver.post(f"/exceptions/{row.pk}/approve/", sent, follow=True)

    assert "Approved. The roll-out has begun." in response.text
    assert f"/exceptions/{row.pk}/progress/" in response.text
    assert state(row) == Status.APPROVED
    assert row.approved_ends_at == row.ends_at
    assert row.approved_workloads == row.workloads
    flip = row.flips.get()
    assert f"/flips/{flip.pk}/" in response.text
    assert "Exempt Deployment ftp" in approver.get(f"/flips/{flip.pk}/").text
    assert "Exempt Deployment ftp" in approver.get("/flips/").text


def test_approve_in_part_keeps_what_was_asked_beside_it(variant: Variant, hands: Hands) -> None:
    row = ask(hands("operator"), variant)
    approver = hands("approver")
    sent = decision(
        approver.get(f"/exceptions/{row.pk}/").text,
        workloads=["Deployment/ftp"],
        ends_at=day(5),
    )

    text = approver.post(f"/exceptions/{row.pk}/approve/", sent, follow=True).text

    assert state(row) == Status.APPROVED
    assert row.approved_workloads == [{"kind": "Deployment", "name": "ftp"}]
    assert len(row.workloads) == 2
    assert row.approved_ends_at
    assert row.approved_ends_at.date().isoformat() == day(5)
    assert "earlier than asked" in text
    assert "1 of 2 asked for" in approver.get("/exceptions/?show=under-way").text


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"comment": " "}, "Say why: the person who asked will read it."),
        ({"workloads": []}, "Tick at least one workload, or decline."),
        ({"ends_at": "soon"}, "Give a day: 2027-01-31."),
        ({"workloads": ["ftp"]}, "Choose from the workloads"),
    ],
)
def test_approve_with_a_form_that_is_not_right_says_so_beside_the_field(
    variant: Variant, hands: Hands, changes: dict[str, Any], said: str
) -> None:
    row = ask(hands("operator"), variant)
    approver = hands("approver")
    sent = decision(approver.get(f"/exceptions/{row.pk}/").text, **changes)

    response = approver.post(f"/exceptions/{row.pk}/approve/", sent)

    assert response.status_code == 422
    assert said in response.text
    assert state(row) == Status.REQUESTED


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"ends_at": day(20)}, "or to an earlier one"),
        ({"workloads": ["Deployment/good"]}, "Nobody asked for Deployment good"),
    ],
)
def test_approve_of_more_than_was_asked_for_is_refused(
    variant: Variant, hands: Hands, changes: dict[str, Any], said: str
) -> None:
    row = ask(hands("operator"), variant)
    approver = hands("approver")
    sent = decision(approver.get(f"/exceptions/{row.pk}/").text, **changes)

    response = approver.post(f"/exceptions/{row.pk}/approve/", sent)

    assert response.status_code == 409
    assert said in response.text
    assert "agreed" in response.text
    assert state(row) == Status.REQUESTED


def test_own_request_is_not_approved(variant: Variant, hands: Hands) -> None:
    client = hands("admin")
    row = ask(client, variant)
    text = client.get(f"/exceptions/{row.pk}/").text
    assert "You asked for this exception; somebody else has to decide." in text

    for verb in ("approve", "decline"):
        response = client.post(
            f"/exceptions/{row.pk}/{verb}/",
            {"revision": 1, "workloads": ["Deployment/ftp"], "comment": "mine"},
        )
        assert response.status_code == 403
    assert state(row) == Status.REQUESTED


def test_two_who_decide_at_once_one_wins_and_the_other_is_told(
    variant: Variant, hands: Hands
) -> None:
    row = ask(hands("operator"), variant)
    first, second = hands("approver"), hands("admin")
    ours = decision(first.get(f"/exceptions/{row.pk}/").text)
    theirs = decision(second.get(f"/exceptions/{row.pk}/").text, comment="not this year")

    won = first.post(f"/exceptions/{row.pk}/approve/", ours)
    lost = second.post(f"/exceptions/{row.pk}/decline/", theirs)

    assert won.status_code == 303
    assert lost.status_code == 409
    assert "It has moved on" in lost.text
    assert "agreed" in lost.text
    assert "approver" in lost.text
    assert state(row) == Status.APPROVED
    verbs = AuditEvent.objects.filter(exception_id=str(row.pk)).values_list("verb", flat=True)
    assert "exception.declined" not in verbs


def test_decision_on_a_request_edited_meanwhile_is_told_so(variant: Variant, hands: Hands) -> None:
    operator, approver = hands("operator"), hands("approver")
    row = ask(operator, variant)
    sent = decision(approver.get(f"/exceptions/{row.pk}/").text)
    edited = operator.post(
        f"/exceptions/{row.pk}/edit/", wish(workloads=["Deployment/ftp"], revision=1)
    )
    assert edited.status_code == 303

    response = approver.post(f"/exceptions/{row.pk}/approve/", sent)

    assert response.status_code == 409
    assert "It was edited meanwhile" in response.text
    assert 'name="revision" value="2"' in response.text
    assert state(row) == Status.REQUESTED


def test_edit_voids_an_approval_and_needs_another(variant: Variant, hands: Hands) -> None:
    operator = hands("operator")
    row = ask(operator, variant)
    decided(row, Status.APPROVED)
    text = operator.get(f"/exceptions/{row.pk}/").text
    assert "An edit voids what was approved" in text
    assert "What was approved is void" in operator.get(f"/exceptions/{row.pk}/edit/").text

    response = operator.post(f"/exceptions/{row.pk}/edit/", wish(revision=1, reason="another"))

    assert response.status_code == 303
    assert state(row) == Status.REQUESTED
    assert row.decided_by is None
    assert row.reason == "another"


def test_edit_from_a_page_that_is_old_is_refused_and_keeps_what_was_typed(
    variant: Variant, hands: Hands
) -> None:
    client = hands("operator")
    row = ask(client, variant)
    client.post(f"/exceptions/{row.pk}/edit/", wish(revision=1))

    response = client.post(
        f"/exceptions/{row.pk}/edit/", wish(revision=1, reason="typed in another window")
    )

    assert response.status_code == 409
    assert "typed in another window" in response.text
    assert state(row) == Status.REQUESTED


def test_edit_by_somebody_else_is_refused(variant: Variant, hands: Hands) -> None:
    row = ask(hands("operator"), variant)

    response = hands("admin").post(f"/exceptions/{row.pk}/edit/", wish(revision=1))

    assert response.status_code == 403
    assert "Only the person who asked" in response.text


def test_decline_and_withdraw_end_the_request(variant: Variant, hands: Hands) -> None:
    operator, approver = hands("operator"), hands("approver")
    declined, withdrawn = ask(operator, variant), ask(operator, variant)

    silent = approver.post(f"/exceptions/{declined.pk}/decline/", {"revision": 1})
    said = approver.post(
        f"/exceptions/{declined.pk}/decline/", {"revision": 1, "comment": "fix it"}
    )
    taken = operator.post(f"/exceptions/{withdrawn.pk}/withdraw/")

    assert silent.status_code == 422
    assert said.status_code == taken.status_code == 303
    assert state(declined) == Status.DECLINED
    assert "fix it" in operator.get(f"/exceptions/{declined.pk}/").text
    assert state(withdrawn) == Status.WITHDRAWN


def test_withdraw_by_somebody_else_is_refused(variant: Variant, hands: Hands) -> None:
    row = ask(hands("operator"), variant)

    response = hands("admin").post(f"/exceptions/{row.pk}/withdraw/")

    assert response.status_code == 403
    assert state(row) == Status.REQUESTED


@pytest.mark.parametrize("verb", ["approve", "decline", "withdraw", "end"])
def test_decisions_are_posts_of_those_who_see_the_exception(
    variant: Variant, hands: Hands, owner: Client, verb: str
) -> None:
    row = ask(hands("operator"), variant)
    ExceptionRequest.objects.filter(pk=row.pk).update(namespace="team-b")
    address = f"/exceptions/{row.pk}/{verb}/"

    assert hands("approver").get(address).status_code == 405
    assert owner.post(address, {"comment": "x"}).status_code == 404
    assert Client().post(address).status_code == 302
    assert state(row) == Status.REQUESTED


def test_what_failed_is_tried_again_until_its_end(variant: Variant, hands: Hands) -> None:
    client = hands("operator")
    row = ask(client, variant)
    early = client.post(f"/exceptions/{row.pk}/try-again/")
    decided(row, Status.FAILED, closing_message="The pod was refused.")
    text = client.get(f"/exceptions/{row.pk}/").text
    viewer = hands("viewer").post(f"/exceptions/{row.pk}/try-again/")
    again = client.post(f"/exceptions/{row.pk}/try-again/", follow=True)

    assert early.status_code == 409
    assert "The pod was refused." in text
    assert "Try again" in text
    assert viewer.status_code == 403
    assert "Trying again." in again.text
    assert state(row) == Status.APPROVED
    decided(row, Status.FAILED)
    ExceptionRequest.objects.filter(pk=row.pk).update(approved_ends_at=timezone.now())
    late = client.post(f"/exceptions/{row.pk}/try-again/")
    assert late.status_code == 409
    assert "Its end has come" in late.text


def test_exception_is_watched_into_force_and_to_its_end(
    variant: Variant, hands: Hands, world: SandboxWorld
) -> None:
    row = ask(hands("operator"), variant)
    approver = hands("approver")
    address = f"/exceptions/{row.pk}/"
    approver.post(f"{address}approve/", decision(approver.get(address).text))
    moving = approver.get(address).text
    assert carry(world, row) is RolloutStatus.PROVEN

    proven = approver.get(address).text
    ended = hands("operator").post(
        f"{address}end/", {"ending": "not needed", "reason": "it is fixed"}, follow=True
    )
    assert state(row) == Status.ENDING
    assert carry(world, row) is RolloutStatus.PROVEN
    over = approver.get(address).text

    assert f"{address}progress/" in moving
    assert f"{address}progress/" not in proven
    assert '<span class="state-word">Exempt</span>' in proven
    assert "A bad pod of an exempted workload is admitted" in proven
    assert "3/3" in proven
    assert "agreed to exempt Deployment ftp, Deployment legacy in team-a" in proven
    assert "Its end has begun." in ended.text
    assert '<span class="state-word">Ended</span>' in over
    assert "A bad pod that was exempted is judged again" in over
    assert "it is fixed" in over


def test_progress_unchanged_is_no_content(
    variant: Variant, hands: Hands, world: SandboxWorld
) -> None:
    row = ask(hands("operator"), variant)
    approver = hands("approver")
    address = f"/exceptions/{row.pk}/"
    approver.post(f"{address}approve/", decision(approver.get(address).text))
    polled = re.search(r'hx-get="([^"]*progress[^"]*)"', approver.get(address).text)
    assert polled

    same = approver.get(polled[1], headers=HTMX)
    carry(world, row)
    changed = approver.get(polled[1], headers=HTMX)

    assert same.status_code == 204
    assert changed.status_code == 200
    assert "<html" not in changed.text
    assert "hx-trigger" not in changed.text


def test_approve_where_the_cluster_would_not_heed_it_says_which_setting_to_change(
    variant: Variant, hands: Hands, world: SandboxWorld
) -> None:
    heed(world, "--enablePolicyException=false")
    row = ask(hands("operator"), variant)
    approver = hands("approver")
    address = f"/exceptions/{row.pk}/"

    response = approver.post(f"{address}approve/", decision(approver.get(address).text))

    assert response.status_code == 409
    assert "--enablePolicyException=true" in response.text
    assert state(row) == Status.REQUESTED


def test_end_without_a_reason_or_a_known_kind_is_refused(variant: Variant, hands: Hands) -> None:
    row = ask(hands("operator"), variant)
    decided(row, Status.IN_FORCE, in_force_at=timezone.now())
    client = hands("operator")

    silent = client.post(f"/exceptions/{row.pk}/end/", {"ending": "not needed"})
    unknown = client.post(f"/exceptions/{row.pk}/end/", {"ending": "boredom", "reason": "x"})
    viewer = hands("viewer").post(
        f"/exceptions/{row.pk}/end/", {"ending": "not needed", "reason": "x"}
    )

    assert silent.status_code == 409
    assert "Say why" in silent.text
    assert unknown.status_code == 409
    assert viewer.status_code == 403
    assert state(row) == Status.IN_FORCE


def test_exception_of_somebody_else_is_removed_by_a_plan_and_another_person(
    variant: Variant, hands: Hands, world: SandboxWorld
) -> None:
    stray = {
        "apiVersion": "kyverno.io/v2",
        "kind": "PolicyException",
        "metadata": {"name": "by-hand", "namespace": "kyverno"},
        "spec": {
            "match": {"any": [{"resources": {"kinds": ["Pod"], "namespaces": ["team-a"]}}]},
            "exceptions": [{"policyName": variant.name, "ruleNames": ["*"]}],
        },
    }
    world.sandbox.apply_manifest(stray)
    world.collect()
    client = hands("operator")
    board = client.get("/exceptions/?show=not-ours").text
    page = client.get(re.findall(r'href="(/exceptions/foreign/\d+/)"', board)[0]).text
    address = re.search(r'href="(/plans/new/[^"]*remove-exception[^"]*)"', page)
    assert address

    plan = client.get(address[1].replace("&amp;", "&")).text
    hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', plan))
    response = client.post("/flips/request/", {**hidden, "reason": "nobody knows it"})
    flip = Flip.objects.latest("requested_at")
    approver = hands("approver")
    approver.post(
        f"/flips/{flip.pk}/approve/", {"plan_digest": flip.plan_digest, "comment": "agreed"}
    )
    flip.refresh_from_db()
    ended = world.run(flip)

    assert response.status_code == 303
    assert f"Remove the exception kyverno.io/kyverno/by-hand from {variant.name}" in plan
    assert ended is RolloutStatus.PROVEN, flip.closing_message
    world.collect()
    assert "by-hand" not in client.get("/exceptions/?show=not-ours").text


def test_removal_of_what_is_no_exception_on_the_cluster_is_a_sentence(
    variant: Variant, hands: Hands
) -> None:
    address = f"/plans/new/?variant={variant.pk}&verb=remove-exception"

    for removes in ("", "nonsense", "kyverno.io/kyverno/not-there"):
        response = hands("operator").get(f"{address}&removes={removes}")
        assert response.status_code == 409
