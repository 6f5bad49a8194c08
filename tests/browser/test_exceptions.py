"""Exceptions as people live them: an owner asks, an approver agrees, both watch it proven; and two who decide at once."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Arrive
from tests.browser.people import ROLLOUT_MS, Person
from tests.browser.survey import Survey

pytestmark = pytest.mark.browser

POLICY = "require-seccomp"
NAMESPACE = "previews"
CLUSTER = "staging"


def open_review(person: Person) -> None:
    person.visit(f"/readiness/?cluster={CLUSTER}&q={NAMESPACE}")
    person.page.locator(f"a.cell[data-policy='{POLICY}']").first.click()
    person.page.get_by_role("link", name="Review", exact=True).first.click()
    person.sees_title(NAMESPACE)


def ask(person: Person, reason: str) -> str:
    """Ask for an exception for the first workload that would be refused, and return its path."""
    open_review(person)
    person.page.get_by_role("link", name="Ask for an exception", exact=True).first.click()
    person.sees_title("Ask for an exception")
    person.page.get_by_label("Reason").fill(reason)
    person.page.get_by_label("Compensating control").fill("A network policy of its own.")
    person.page.get_by_role("button", name="Request", exact=True).click()
    person.sees("Requested. Somebody else has to approve it.")
    return person.page.url.removeprefix(person.product.address)


@pytest.mark.parametrize("javascript", [True, False], ids=["scripted", "plain"])
def test_exception_is_asked_for_agreed_to_proven_and_ended(
    arrive: Arrive, survey: Survey, javascript: bool
) -> None:
    owner = arrive("owner", javascript=javascript)
    approver = arrive("approver", javascript=javascript)
    look = survey.look if javascript else survey.glance
    see_the_form(owner, survey, javascript=javascript)

    path = ask(owner, "The vendor is late.")
    expect(owner.page.get_by_role("button", name="Approve")).to_be_disabled()
    owner.sees("that takes the role admin or approver")

    approver.section("Exceptions")
    look(approver.page, "exceptions")
    approver.visit(path)
    approver.page.get_by_label("Comment").fill("Until the vendor has delivered.")
    look(approver.page, "exception-to-decide")
    approver.page.get_by_role("button", name="Approve").click()
    approver.sees("The roll-out has begun")
    await_state(approver, "Exempt", javascript=javascript)
    approver.sees("A bad pod of an exempted workload is admitted")
    look(approver.page, "exception-proven")

    open_review(owner)
    owner.sees("Exempt until")
    owner.visit(path)
    owner.page.get_by_label("Reason", exact=True).fill("It is fixed.")
    owner.page.get_by_role("button", name="End the exception").click()
    await_state(owner, "Ended", javascript=javascript)
    look(owner.page, "exception-ended")


def see_the_form(owner: Person, survey: Survey, *, javascript: bool) -> None:
    """What is typed is answered at once with JavaScript, and by a button without."""
    open_review(owner)
    owner.page.get_by_role("link", name="Ask for an exception for all").click()
    preview = owner.page.locator("#preview")
    owner.sees("that live now", within=preview)
    owner.page.locator("#more > summary").click()
    owner.page.get_by_label("Exact name").fill("not-there-yet")
    if not javascript:
        owner.page.get_by_role("button", name="Check").click()
    owner.sees("Not there now: Deployment not-there-yet", within=preview)
    (survey.look if javascript else survey.glance)(owner.page, "exception-form")


def await_state(person: Person, word: str, *, javascript: bool) -> None:
    title = person.page.locator("#live-title")
    if javascript:
        expect(title).to_have_text(word, timeout=ROLLOUT_MS)
    else:
        person.reloads_until(lambda: title.inner_text() == word, timeout_ms=ROLLOUT_MS)


def test_two_who_decide_at_once_one_wins_and_the_other_is_told(
    arrive: Arrive, survey: Survey
) -> None:
    owner, approver, admin = arrive("owner"), arrive("approver"), arrive("admin")
    path = ask(owner, "Two of you may look at this.")
    for person in (approver, admin):
        person.visit(path)
        person.page.get_by_label("Comment").fill(f"Said by {person.role}.")

    admin.page.get_by_role("button", name="Decline").click()
    admin.sees("Declined")
    approver.allowed_refusals = 1
    approver.page.get_by_role("button", name="Approve").click()

    approver.sees("It has moved on")
    approver.sees("Said by admin.")
    expect(approver.page.locator("#live-title")).to_have_text("Declined")
    survey.look(approver.page, "exception-decided-meanwhile")


def test_exception_that_somebody_left_behind_is_found_on_the_board(
    arrive: Arrive, survey: Survey
) -> None:
    operator = arrive("operator")
    operator.section("Exceptions")
    operator.page.get_by_role("link", name=re.compile("Not made by secprof")).click()
    operator.sees("Exempts everything")
    survey.look(operator.page, "exceptions-not-ours")
    operator.page.get_by_role("link", name="registry-migration").click()
    operator.sees_title("registry-migration")
    survey.look(operator.page, "exception-not-ours")
