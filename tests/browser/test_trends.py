"""The trend page in a browser: the chart is drawn, the table says the same, and both go along with the filter."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Arrive
from tests.browser.survey import Survey

pytestmark = pytest.mark.browser

DAYS = 30


def test_trend_is_drawn_and_told_in_a_table(arrive: Arrive, survey: Survey) -> None:
    viewer = arrive("viewer")
    page = viewer.page
    viewer.visit("/trends/?cluster=prod&policy=kyverno/require-seccomp")
    viewer.sees("judged workloads fail")
    expect(page.locator("#trend canvas")).to_have_count(2)
    rows = page.locator(".trend-table tbody tr")
    expect(rows).to_have_count(DAYS)
    expect(rows.last).to_contain_text("put in Audit")

    chart = page.locator("[data-chart=burn-down] .u-over")
    chart.hover()
    readout = page.locator("[data-readout]")
    expect(readout).to_contain_text(re.compile(r"\d+ \w+: \d+ of \d+ workloads fail"))
    survey.look(page, "trends")

    page.get_by_label("Team").select_option("web")
    expect(page).to_have_url(re.compile("team=web"))
    expect(page.locator("#trend canvas")).to_have_count(2)
    page.get_by_label("Team").select_option("")
    expect(page).not_to_have_url(re.compile("team=web"))
    page.get_by_label("Range").select_option("90")
    expect(rows).to_have_count(90)
    viewer.sees("60 days not collected")
    survey.look(page, "trends-gaps")

    page.get_by_role("link", name="Closed findings").last.click()
    viewer.sees("How it ended")
    survey.look(page, "closed-findings")


def test_trend_of_a_namespace_is_reached_from_its_panel(arrive: Arrive) -> None:
    owner = arrive("owner")
    owner.visit("/trends/?cluster=prod&namespace=payments")
    owner.sees("No report spoke of this policy here")
    owner.visit("/readiness/?cluster=prod")
    owner.page.locator("a.cell[data-policy=require-seccomp]").first.click()
    owner.page.locator("#panel").get_by_role("link", name="Trend").click()
    owner.sees("judged workload")
    expect(owner.page.get_by_label("Namespace", exact=True)).not_to_have_value("")


def test_trend_without_javascript_is_its_table(arrive: Arrive, survey: Survey) -> None:
    plain = arrive("viewer", javascript=False)
    plain.visit("/trends/?cluster=prod")
    plain.sees("judged workloads fail")
    expect(plain.page.locator("[data-trend]")).to_be_hidden()
    expect(plain.page.locator(".trend-table tbody tr")).to_have_count(DAYS)
    survey.glance(plain.page, "trends")
