"""Pages beside the main path: the matrix by keyboard, what each role may see, and pages that say no."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser import journey
from tests.browser.conftest import Arrive
from tests.browser.survey import Survey

pytestmark = pytest.mark.browser

POLICY = "require-seccomp"
MOST_TABS = 60


def test_matrix_is_worked_by_keyboard_alone(arrive: Arrive) -> None:
    operator = arrive("operator")
    page, keys = operator.page, operator.page.keyboard
    journey.open_matrix(operator, "prod")
    first = page.locator("[data-matrix] tbody tr").first.get_by_role("checkbox")
    for _ in range(MOST_TABS):
        if first.evaluate("box => box === document.activeElement"):
            break
        keys.press("Tab")
    expect(first).to_be_focused()

    keys.press("ArrowDown")
    second = page.locator("[data-matrix] tbody tr").nth(1)
    expect(second.get_by_role("checkbox")).to_be_focused()
    keys.press("ArrowRight")
    expect(second.locator("a.cell").first).to_be_focused()
    keys.press("ArrowRight")
    opened = second.locator("a.cell").nth(1)
    expect(opened).to_be_focused()
    keys.press("Space")
    expect(second.get_by_role("checkbox")).to_be_checked()
    expect(page.get_by_role("button", name="Plan flip for 1 selected")).to_be_enabled()

    keys.press("Enter")
    heading = page.locator("#panel").get_by_role("heading", level=2)
    expect(heading).to_be_focused()
    expect(second.get_by_role("checkbox")).to_be_checked()
    keys.press("Escape")
    expect(heading).to_have_count(0)
    expect(opened).to_be_focused()
    keys.press("ArrowLeft")
    keys.press("ArrowUp")
    expect(page.locator("[data-matrix] tbody tr").first.locator("a.cell").first).to_be_focused()
    keys.press("/")
    expect(page.get_by_label("Find a namespace")).to_be_focused()


def test_viewer_reads_everything_and_is_told_what_else_takes(
    arrive: Arrive, survey: Survey
) -> None:
    viewer = arrive("viewer")
    journey.open_matrix(viewer, "prod")
    journey.cells(viewer, POLICY, "Blocked").first.click()
    panel = viewer.page.locator("#panel")
    expect(panel.get_by_role("button", name="Rehearse")).to_be_disabled()
    viewer.sees("that takes the role", within=panel)
    survey.look(viewer.page, "readiness-viewer")
    viewer.section("Policies")
    survey.look(viewer.page, "policies")
    viewer.page.get_by_role("link", name=POLICY).first.click()
    viewer.sees_title(POLICY)
    survey.look(viewer.page, "policy")
    viewer.section("Roll-outs")
    viewer.page.get_by_role("link", name="All").click()
    viewer.sees("Proven")
    survey.look(viewer.page, "rollouts")


def test_admin_forms_keep_what_was_typed_and_say_what_is_wrong(
    arrive: Arrive, survey: Survey
) -> None:
    admin = arrive("admin")
    admin.section("Clusters")
    admin.page.get_by_role("link", name="Add a cluster").click()
    admin.page.get_by_label("Name", exact=True).fill("edge")
    admin.page.get_by_label("Kubeconfig").fill("apiVersion: v1\nkind: Config\nusers: []\n")
    admin.allowed_refusals = 1
    admin.page.get_by_role("button", name="Add and collect").click()
    expect(admin.page.get_by_role("alert")).to_be_visible()
    expect(admin.page.get_by_label("Name", exact=True)).to_have_value("edge")
    survey.look(admin.page, "cluster-new")
    admin.section("Policies")
    admin.page.get_by_role("link", name="New variant").first.click()
    admin.sees_title("New variant")
    survey.look(admin.page, "policy-new")


def test_pages_that_say_no_show_a_way_on(arrive: Arrive, survey: Survey) -> None:
    viewer = arrive("viewer")
    viewer.allowed_refusals = 2
    viewer.visit("/clusters/new/")
    viewer.sees("You may not add or change clusters")
    survey.look(viewer.page, "forbidden")
    viewer.visit("/readiness/999/nowhere/")
    expect(viewer.page.get_by_role("link", name="Home").last).to_be_visible()
    survey.look(viewer.page, "not-found")
    viewer.visit("/readiness/?cluster=prod&q=nowhere")
    viewer.sees("No namespace fits")
    survey.look(viewer.page, "readiness-empty")
    viewer.page.get_by_role("button", name="Sign out").click()
    viewer.page.get_by_label("Name").fill("viewer")
    viewer.page.get_by_label("Password").fill("wrong")
    viewer.page.get_by_role("button", name="Sign in").click()
    expect(viewer.page.get_by_role("alert")).to_contain_text(re.compile("not right"))
    survey.look(viewer.page, "sign-in")
