"""The main job as people do it: review, rehearse, plan, request, approve, watch it proven, roll back."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser import journey
from tests.browser.conftest import Arrive
from tests.browser.people import Person
from tests.browser.survey import Survey

pytestmark = pytest.mark.browser

CLUSTER = "prod"
POLICY = "require-seccomp"
A_CONTAINERS_FIELD = re.compile(r"spec\.\S*containers\[\d+\]")


@pytest.mark.parametrize("javascript", [True, False], ids=["scripted", "plain"])
def test_namespaces_taken_to_enforce_and_back_are_proven_each_time(
    arrive: Arrive, survey: Survey, javascript: bool
) -> None:
    operator = arrive("operator", javascript=javascript)
    approver = arrive("approver", javascript=javascript)
    look = survey.look if javascript else survey.glance
    journey.settle_open_flips(approver)

    see_home_and_clusters(operator, survey, javascript=javascript)
    wanted = find_ready(operator, javascript=javascript)
    look(operator.page, "readiness")
    review_blocked(operator, survey, javascript=javascript)
    rehearse(operator, wanted[0], javascript=javascript)

    journey.plan(operator, CLUSTER, POLICY, wanted)
    read_plan(operator, wanted)
    look(operator.page, "plan")
    flip = journey.request(operator, reason="Clean for three weeks.")
    see_own_request(operator)
    look(operator.page, "flip-waiting")

    find_request(approver, wanted)
    look(approver.page, "flip-to-decide")
    journey.approve(approver, "Read the diff and the gates.")
    journey.await_proven(approver, javascript=javascript)
    look(approver.page, "rollout")
    journey.open_matrix(operator, CLUSTER)
    for namespace in wanted:
        expect(journey.cell(operator, POLICY, namespace)).to_contain_text("Enforced")

    operator.visit(flip)
    journey.roll_back(operator, "The night job must run once more.")
    journey.await_proven(operator, javascript=javascript)
    look(operator.page, "rollback")
    journey.open_matrix(operator, CLUSTER)
    for namespace in wanted:
        expect(journey.cell(operator, POLICY, namespace)).not_to_contain_text("Enforced")
    read_trail(operator, wanted)
    look(operator.page, "trail")


def see_home_and_clusters(operator: Person, survey: Survey, *, javascript: bool) -> None:
    look = survey.look if javascript else survey.glance
    operator.visit("/")
    operator.sees_title("Home")
    operator.sees("pairs of namespace and policy are proven to refuse")
    look(operator.page, "home")
    operator.section("Clusters")
    row = operator.page.get_by_role("row").filter(has_text=CLUSTER)
    expect(row).to_contain_text("Answering")
    look(operator.page, "clusters")
    row.get_by_role("link", name=CLUSTER).click()
    operator.sees_title(CLUSTER)
    operator.page.get_by_role("button", name="Test the connection").click()
    operator.sees(f"{CLUSTER} answers.")
    look(operator.page, "cluster")


def find_ready(operator: Person, *, javascript: bool) -> list[str]:
    """Choose two namespaces that are ready; without JavaScript others than with it."""
    operator.section("Readiness")
    operator.sees_title(f"Readiness of {CLUSTER}")
    # What was just written makes older reports worthless until the next collection.
    operator.reloads_until(
        lambda: len(journey.namespaces(operator, POLICY, "Ready")) >= 4, timeout_ms=90_000
    )
    ready = journey.namespaces(operator, POLICY, "Ready")
    return ready[:2] if javascript else ready[-2:]


def review_blocked(operator: Person, survey: Survey, *, javascript: bool) -> None:
    look = survey.look if javascript else survey.glance
    namespace = journey.namespaces(operator, POLICY, "Blocked")[0]
    journey.cell(operator, POLICY, namespace).click()
    panel = operator.page.locator("#panel")
    expect(panel.get_by_role("heading", level=2)).to_have_text(f"{namespace} / {POLICY}")
    operator.sees("Posture", within=panel)
    look(operator.page, "readiness-panel")
    panel.get_by_role("link", name="Review", exact=True).click()
    operator.sees_title(f"{namespace} / {POLICY}")
    workload = operator.page.locator("details.workload").filter(has_text=A_CONTAINERS_FIELD).first
    if workload.get_attribute("open") is None:
        workload.locator("summary").first.click()
    for column in ("Container", "Field", "Control"):
        expect(workload.get_by_role("columnheader", name=column)).to_be_visible()
    for opinion in ("Kyverno reports", "Posture says", "Engine, rehearsed"):
        expect(workload.get_by_role("heading", name=opinion)).to_be_visible()
    operator.sees("seccompProfile", within=workload.locator("pre").first)
    copy = workload.get_by_role("button", name="Copy patch")
    expect(copy).to_be_visible(visible=javascript)
    if javascript:
        copy.click()
        expect(workload.get_by_role("button", name="Copied")).to_be_visible()
        copied = operator.page.evaluate("navigator.clipboard.readText()")
        assert copied == workload.locator("pre").first.text_content()
    look(operator.page, "review")


def rehearse(operator: Person, namespace: str, *, javascript: bool) -> None:
    journey.open_matrix(operator, CLUSTER)
    journey.cell(operator, POLICY, namespace).click()
    operator.page.locator("#panel").get_by_role("link", name="Review", exact=True).click()
    operator.sees_title(namespace)
    operator.page.get_by_role("button", name="Rehearse").click()
    operator.sees(f"The rehearsal in {namespace} has begun.")
    running = operator.page.locator("#review").get_by_text("begun")
    if javascript:
        expect(running).to_have_count(0)
    else:
        operator.reloads_until(lambda: running.count() == 0)
    operator.sees("Every gate passes.")


def read_plan(operator: Person, wanted: list[str]) -> None:
    page = operator.page
    for namespace in wanted:
        expect(page.locator("#diff li.add", has_text=namespace).first).to_be_visible()
        expect(page.locator(f"#gates-{namespace} summary")).to_contain_text("every gate passes")
    operator.sees("Enforce", within=page.locator("#diff"))
    operator.sees("The API server would", within=page.locator("#answer"))
    digest = page.locator("#request code[title]")
    assert re.fullmatch("[0-9a-f]{64}", digest.get_attribute("title") or "")


def see_own_request(operator: Person) -> None:
    """The button is there and says why it does nothing; so does the server when asked all the same."""
    decision = operator.page.locator("#decision")
    expect(decision.get_by_role("button", name="Approve this plan")).to_be_disabled()
    operator.sees("that takes the role", within=decision)
    cookies = operator.page.context.cookies()
    token = next(cookie["value"] for cookie in cookies if cookie["name"] == "csrftoken")
    answer = operator.page.request.post(
        f"{operator.page.url}approve/",
        form={"csrfmiddlewaretoken": token, "plan_digest": "", "comment": ""},
    )
    assert answer.status == 403
    assert "You may not approve or decline a flip" in answer.text()


def find_request(approver: Person, wanted: list[str]) -> None:
    approver.section("Home")
    title = f"Enforce {POLICY} in {', '.join(wanted)} on {CLUSTER}"
    approver.page.get_by_role("link", name=title).first.click()
    approver.sees_title(title)
    approver.sees("Clean for three weeks.")


def read_trail(operator: Person, wanted: list[str]) -> None:
    operator.section("Audit trail")
    names = ", ".join(wanted)
    operator.visit(f"/trail/?q={wanted[0]}")
    for sentence in (
        f"operator asked to enforce {POLICY} in {names} on {CLUSTER}",
        f"approver approved: enforce {POLICY} in {names} on {CLUSTER}",
        f"system proved the enforcement of {POLICY} in {names} on {CLUSTER}",
        f"operator rolled back {POLICY} in {names} on {CLUSTER}",
    ):
        operator.sees(sentence)
