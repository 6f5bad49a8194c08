"""The lint in a browser: what is pasted is judged as one types, and a finding leads to its line and to a variant."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Arrive
from tests.browser.survey import Survey

pytestmark = pytest.mark.browser

SEED = Path(__file__).parents[1] / "unit" / "domain" / "lint" / "seed"


def test_pasted_policy_is_judged_at_once_and_leads_to_a_variant(
    arrive: Arrive, survey: Survey
) -> None:
    operator = arrive("operator")
    page = operator.page
    operator.visit("/policies/lint/")
    page.get_by_label("Policy", exact=True).fill(
        (SEED / "seccomp.yaml").read_text(encoding="utf-8")
    )

    operator.sees("The pattern cannot be met, so the rule denies everything")
    survey.look(page, "policy-lint")
    # To leave the text asks once more, and that answer would take the target along.
    page.get_by_label("Policy", exact=True).blur()
    page.wait_for_timeout(1000)
    page.wait_for_load_state("networkidle")
    page.get_by_role("link", name="line 25").click()
    expect(page.locator("li:target")).to_contain_text("template?:")

    page.get_by_role("link", name="New variant from this").click()
    operator.sees_title("New variant")
    expect(page.get_by_label("Name", exact=True)).to_have_value("require-seccomp-profile")


def test_policies_of_the_clusters_are_listed_and_ours_are_clean(
    arrive: Arrive, survey: Survey
) -> None:
    viewer = arrive("viewer")
    viewer.section("Policies")
    viewer.page.get_by_role("link", name="Policies on clusters").click()
    viewer.sees("No findings")
    survey.look(viewer.page, "policies")

    viewer.page.locator("table a").first.click()
    viewer.sees("As it is on the cluster")
    survey.look(viewer.page, "policy")


def test_lint_without_javascript_answers_with_the_whole_page(
    arrive: Arrive, survey: Survey
) -> None:
    viewer = arrive("viewer", javascript=False)
    viewer.visit("/policies/lint/")
    viewer.page.locator("input[type=file]").set_input_files(SEED / "apparmor.yaml")
    viewer.page.get_by_role("button", name="Lint").click()

    viewer.sees_title(re.compile("Lint"))
    viewer.sees("This deny rule can never fire")
    survey.glance(viewer.page, "policy-lint")
