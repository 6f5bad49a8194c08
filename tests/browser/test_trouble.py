"""What people see when something is in the way: an engine or API server that is down, a dead worker, a closed gate."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser import journey
from tests.browser.conftest import Arrive
from tests.browser.people import Person
from tests.browser.product import Product
from tests.browser.survey import Survey

pytestmark = pytest.mark.browser

POLICY = "require-seccomp"


def test_blocked_namespace_is_requested_only_with_an_override(
    arrive: Arrive, survey: Survey
) -> None:
    admin = arrive("admin")
    journey.open_matrix(admin, "staging")
    blocked = journey.namespaces(admin, POLICY, "Blocked")[0]
    journey.plan(admin, "staging", POLICY, [blocked])
    override = admin.page.get_by_label("Why the open gates may be overridden")
    assert override.get_attribute("required") is not None
    survey.look(admin.page, "plan-blocked")
    # The form insists; so does the server where a browser does not.
    admin.page.locator("#request").evaluate("form => form.noValidate = true")
    admin.page.get_by_label("Reason", exact=True).fill("It has to be.")
    admin.allowed_refusals = 1
    admin.page.get_by_role("button", name="Request approval").click()
    admin.sees("Some gates do not pass. Say why they may be overridden.")
    expect(admin.page.get_by_label("Reason", exact=True)).to_have_value("It has to be.")
    survey.look(admin.page, "plan-refused")

    journey.request(admin, reason="It has to be.", override="Both are retired tomorrow.")
    admin.sees("Both are retired tomorrow.")
    admin.sees("You asked for this flip; somebody else has to decide.")
    admin.page.get_by_role("button", name="Withdraw the request").click()
    admin.sees("Withdrawn")


def test_engine_down_is_said_and_stops_a_plan(
    arrive: Arrive, demo: Product, survey: Survey
) -> None:
    operator = arrive("operator")
    journey.open_matrix(operator, "staging")
    ready = journey.namespaces(operator, POLICY, "Ready")[:1]
    with demo.fault("staging", "engine-down"):
        ask_cluster(operator)
        engine = operator.page.get_by_role("region", name="Policy engine")
        operator.sees("Engine down", within=engine)
        survey.look(operator.page, "cluster-engine-down")
        operator.allowed_refusals = 1
        journey.select(operator, "staging", POLICY, ready)
        operator.sees_title("No plan can be made now")
        operator.sees(re.compile(r"Engine down\. The admission webhook .* could not be called"))
        expect(operator.page.get_by_role("button", name="Request approval")).to_have_count(0)
        survey.look(operator.page, "plan-engine-down")
        operator.visit("/")
        wrong = operator.page.get_by_role("region", name="Wrong")
        operator.sees("Engine down", within=wrong)
        survey.look(operator.page, "home-wrong")
    ask_cluster(operator)
    expect(operator.page.get_by_role("region", name="Policy engine")).not_to_contain_text("down")
    journey.plan(operator, "staging", POLICY, ready)
    expect(operator.page.get_by_role("button", name="Request approval")).to_be_enabled()


def test_api_server_down_is_said_and_old_data_stays_marked_old(
    arrive: Arrive, demo: Product, survey: Survey
) -> None:
    operator = arrive("operator")
    with demo.fault("staging", "api-server-down"):
        ask_cluster(operator)
        connection = operator.page.get_by_role("region", name="Connection")
        operator.sees("The API server sandbox is unreachable", within=connection)
        operator.page.get_by_role("button", name="Collect now").click()
        collected = operator.page.get_by_role("region", name="What was collected")
        operator.sees("Failed", within=operator.page.get_by_role("region", name="Last runs"))
        pods = collected.get_by_role("row").filter(
            has=operator.page.get_by_role("rowheader", name="pods", exact=True)
        )
        expect(pods.locator("td.num")).to_have_text(re.compile(r"^[1-9]\d*$"))
        operator.sees("Old no contact since", within=pods)
        survey.look(operator.page, "cluster-unreachable")
        journey.open_matrix(operator, "staging")
        operator.sees("No contact", within=operator.page.locator(".strip"))
        expect(journey.cells(operator, POLICY, "Ready")).to_have_count(0)
        expect(journey.cells(operator, POLICY, "Unknown").first).to_contain_text("no contact")
        survey.look(operator.page, "readiness-unreachable")
    ask_cluster(operator)
    operator.page.get_by_role("button", name="Collect now").click()
    strip = operator.page.locator(".strip")
    operator.sees("Complete", within=strip)
    journey.open_matrix(operator, "staging")
    expect(journey.cells(operator, POLICY, "Ready").first).to_be_visible()


def test_worker_killed_during_a_rollout_ends_proven(
    arrive: Arrive, demo: Product, survey: Survey
) -> None:
    operator, approver = arrive("operator"), arrive("approver")
    journey.open_matrix(operator, "staging")
    journey.plan(operator, "staging", POLICY, journey.namespaces(operator, POLICY, "Ready")[:1])
    flip = journey.request(operator, reason="Clean for a month.")
    approver.visit(flip)
    # Slow enough for a kill between two steps.
    with demo.fault("staging", "slow", amount=0.5):
        journey.approve(approver, "Read it.")
        approver.sees(re.compile("Running|Done"), within=approver.page.locator("#live .ladders"))
        approver.sees("Rolling out", within=approver.page.locator("#live-title"))
        demo.kill_worker()
        survey.look(approver.page, "rollout-running")
    journey.await_proven(approver, javascript=True)
    approver.visit("/trail/?cluster=staging")
    approver.sees(f"system took up the roll-out of {POLICY}")


def ask_cluster(operator: Person) -> None:
    """Open the staging cluster and ask it now."""
    operator.section("Clusters")
    operator.page.get_by_role("rowheader").get_by_role("link", name="staging").click()
    operator.sees_title("staging")
    operator.page.get_by_role("button", name="Test the connection").click()
    operator.sees(re.compile("staging answers|staging: "))
