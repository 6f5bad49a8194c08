"""The engine of a cluster on screen, and what it leaves out in the matrix."""

import pytest
from playwright.sync_api import expect

from tests.browser import journey
from tests.browser.conftest import Arrive
from tests.browser.survey import Survey

pytestmark = pytest.mark.browser

POLICY = "require-seccomp"
LEFT_OUT = "ci-runners"


def test_engine_says_what_it_leaves_out_and_the_matrix_as_well(
    arrive: Arrive, survey: Survey
) -> None:
    viewer = arrive("viewer")
    viewer.section("Clusters")
    viewer.page.get_by_role("link", name="prod", exact=True).first.click()
    viewer.page.get_by_role("link", name="Settings and hazards").click()
    viewer.sees_title("Engine of prod")
    viewer.sees("Some requests are never judged")
    expect(viewer.page.locator("#barred")).to_contain_text(LEFT_OUT)
    survey.look(viewer.page, "engine")

    journey.open_matrix(viewer, "prod")
    viewer.page.get_by_label("Stage").select_option("not enforceable")
    expect(viewer.page.locator("[data-matrix] tbody tr")).to_have_count(1)
    journey.cells(viewer, POLICY, "Not enforceable").first.click()
    panel = viewer.page.locator("#panel")
    viewer.sees("passes over it", within=panel)
    survey.look(viewer.page, "not-enforceable")
    panel.get_by_role("link", name="The engine of prod").click()
    viewer.sees_title("Engine of prod")
