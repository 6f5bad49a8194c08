"""The form of a variant as one types, with and without JavaScript; and a validation, live, with commands to copy."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser import journey
from tests.browser.conftest import Arrive
from tests.browser.survey import Survey

pytestmark = pytest.mark.browser

POLICY = "require-seccomp"
ALLOWED = "Allowed Localhost profiles, one a line"


def test_form_previews_as_one_types_and_keeps_the_focus(arrive: Arrive, survey: Survey) -> None:
    operator = arrive("operator")
    operator.visit(
        "/variants/new/?template=confined-pods&controls=require-seccomp,allowed-profiles"
    )
    page = operator.page
    preview, problem = page.locator("#preview"), page.locator("#error-seccomp_allowed")
    allowed = page.get_by_label(ALLOWED).first
    expect(preview).to_contain_text("confined-pods-enforce")

    allowed.fill("operator/*.json\n/etc/x.json")
    operator.sees("is not a path below the seccomp folder", within=problem)
    expect(preview).to_contain_text("Mend the marked fields")
    expect(allowed).to_be_focused()
    expect(allowed).to_have_value("operator/*.json\n/etc/x.json")
    survey.look(page, "variant-form-errors")

    allowed.fill("operator/*.json")
    expect(problem).to_be_empty()
    expect(preview).to_contain_text("operator/[^/]*[.]json")
    page.get_by_label("Seccomp profiles").check()
    expect(page.locator("[data-mechanism=apparmor]").first).to_be_hidden()
    expect(preview).to_contain_text("require-seccomp-enforce")
    page.evaluate("window.scrollTo(0, 0)")
    survey.look(page, "variant-form")


def test_form_works_without_javascript(arrive: Arrive, survey: Survey) -> None:
    operator = arrive("operator", javascript=False)
    operator.visit("/variants/new/?template=apparmor&controls=deny-unconfined-apparmor")
    page = operator.page
    page.get_by_label("Name", exact=True).fill("no-javascript")
    page.get_by_label("Namespaces, one a line").fill("legacy")

    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_label("Name", exact=True)).to_have_value("no-javascript")
    operator.sees("no-javascript-enforce", within=page.locator("#preview"))
    survey.glance(page, "variant-form")

    page.get_by_role("button", name="Create the variant").click()
    operator.sees("no-javascript was created")
    page.get_by_role("link", name="Edit").click()
    page.get_by_label("Message").fill("Ask the platform team.")
    page.get_by_label("What changes, and why").fill("Say whom to ask.")
    page.get_by_role("button", name="Keep these parameters").click()
    operator.sees(re.compile("revision 2 .* revision 1|Kept"))
    operator.sees("Say whom to ask.")


def test_validation_runs_live_and_offers_its_commands(arrive: Arrive, survey: Survey) -> None:
    operator = arrive("operator")
    page = operator.page
    journey.open_matrix(operator, "prod")
    journey.cells(operator, POLICY, "Blocked").first.click()
    page.locator("#panel").get_by_role("link", name="Validate").click()
    expect(page.get_by_text("Not run")).to_have_count(3)

    page.get_by_role("button", name="Run on prod").click()
    operator.sees("Admitted with this variant's warning")
    expect(page.get_by_text("Not run")).to_have_count(0)
    page.locator("#checks summary").first.click()
    page.get_by_role("button", name="Copy").first.click()
    assert page.evaluate("navigator.clipboard.readText()").startswith("kubectl -n ")
    survey.look(page, "validation")


def test_posture_and_comparison_pass_the_survey(arrive: Arrive, survey: Survey) -> None:
    viewer = arrive("viewer")
    viewer.section("Posture")
    viewer.page.get_by_label("Grade").select_option("none")
    expect(viewer.page).to_have_url(re.compile("grade=none"))
    survey.look(viewer.page, "posture")
    viewer.visit("/variants/compare/?template=seccomp")
    survey.look(viewer.page, "comparison")
