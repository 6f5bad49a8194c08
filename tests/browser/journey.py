"""What people do on secprof's pages, one function for each errand: find, select, plan, request, approve, watch, undo."""

import re
from typing import Any

from playwright.sync_api import Locator, Response, expect

from tests.browser.people import ROLLOUT_MS, Person

BREATH_MS = 2600
"""Longer than the pause between two questions of a page that polls."""


def open_matrix(person: Person, cluster: str) -> None:
    person.visit(f"/readiness/?cluster={cluster}")
    person.sees_title(f"Readiness of {cluster}")


def cells(person: Person, policy: str, state: str) -> Locator:
    """Find the matrix's cells of one policy that say this and nobody has asked about."""
    shown = person.page.locator(f"a.cell[data-policy='{policy}']")
    return shown.filter(has_text=re.compile(rf"^\s*{state}")).filter(has_not_text="flip asked for")


def namespaces(person: Person, policy: str, state: str) -> list[str]:
    found = cells(person, policy, state).evaluate_all("cells => cells.map(cell => cell.id)")
    return [str(name).split("-", 2)[2] for name in found]


def cell(person: Person, policy: str, namespace: str) -> Locator:
    row = person.page.get_by_role("row").filter(
        has=person.page.get_by_role("rowheader", name=namespace, exact=True)
    )
    return row.locator(f"a.cell[data-policy='{policy}']")


def settle_open_flips(approver: Person) -> None:
    """Decline whatever waits, so that a policy is free for another flip."""
    while True:
        approver.visit("/flips/?show=open")
        waiting = approver.page.get_by_role("row").filter(has_text="Waits for a decision")
        if not waiting.count():
            return
        waiting.first.get_by_role("link").first.click()
        approver.page.get_by_label("Comment").fill("Not this week: the team is moving house.")
        approver.page.get_by_role("button", name="Decline").click()
        approver.sees("Declined")


def select(person: Person, cluster: str, policy: str, wanted: list[str]) -> None:
    """Select namespaces in the matrix and ask for a plan to enforce this policy there."""
    open_matrix(person, cluster)
    for namespace in wanted:
        person.page.get_by_label(f"Select {namespace}", exact=True).check()
    person.page.get_by_label("Policy to enforce").select_option(label=policy)
    person.page.get_by_role("button", name=re.compile("^Plan flip")).click()


def plan(person: Person, cluster: str, policy: str, wanted: list[str]) -> None:
    """Open the plan of these namespaces."""
    select(person, cluster, policy, wanted)
    person.sees_title(f"Enforce {policy} in {', '.join(wanted)} on {cluster}")


def request(person: Person, *, reason: str, override: str = "") -> str:
    """Send the plan that is on the page to an approver, and return the flip's path."""
    person.page.get_by_label("Reason", exact=True).fill(reason)
    if override:
        person.page.get_by_label("Why the open gates may be overridden").fill(override)
    person.page.get_by_role("button", name="Request approval").click()
    person.sees("Somebody else has to approve it")
    return path_of(person)


def path_of(person: Person) -> str:
    return person.page.url.removeprefix(person.product.address)


def approve(person: Person, comment: str) -> None:
    person.page.get_by_label("Comment").fill(comment)
    person.page.get_by_role("button", name="Approve this plan").click()
    person.sees("The roll-out has begun")


def roll_back(person: Person, reason: str) -> None:
    """Roll back from the flip that is on the page; its rollback is on the page then."""
    person.page.locator("#roll-back > summary").click()
    person.page.locator("#roll-back").get_by_label("Reason").fill(reason)
    person.page.locator("#roll-back").get_by_role("button", name="Roll back").click()


def await_proven(person: Person, *, javascript: bool) -> None:
    """Watch the ladder: it moves by itself, or on every reload; then it is still."""
    title = person.page.locator("#live-title")
    if not javascript:
        person.reloads_until(lambda: title.inner_text() == "Proven", timeout_ms=ROLLOUT_MS)
        return
    expect(title).to_have_text("Proven", timeout=ROLLOUT_MS)
    asked: list[Any] = []

    def note(response: Response) -> None:
        asked.append(response.url)

    person.page.on("response", note)
    person.page.wait_for_timeout(BREATH_MS)
    person.page.remove_listener("response", note)
    assert not asked, "a roll-out that has ended still asks"
