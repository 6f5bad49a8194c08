"""Profiles on nodes by hand: what the operator reports, and what an admin declares where there is none."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Arrive
from tests.browser.survey import Survey

pytestmark = pytest.mark.browser

PAGE = "/profiles/nodes/?cluster="


def test_profile_by_node_is_found_by_its_name(arrive: Arrive, survey: Survey) -> None:
    viewer = arrive("viewer")
    page = viewer.page
    viewer.section("Profiles")
    page.get_by_role("link", name="Profiles on nodes").click()
    viewer.sees_title("Profiles on nodes of prod")
    viewer.sees("Missing on 1 of 3 nodes: node-c1 (no status).")
    viewer.sees("It is in Complain mode")
    survey.look(page, "profiles-on-nodes")

    page.get_by_label("Find a profile").fill("key-rotation")

    expect(page.locator("#facts tbody tr")).to_have_count(2)
    expect(page).to_have_url(viewer.product.address + PAGE + "prod&q=key-rotation")
    expect(page.get_by_label("Find a profile")).to_be_focused()


@pytest.mark.parametrize("javascript", [True, False])
def test_admin_declares_where_nothing_is_known(
    arrive: Arrive, survey: Survey, *, javascript: bool
) -> None:
    admin = arrive("admin", javascript=javascript)
    page = admin.page
    admin.visit(PAGE + "staging")
    admin.sees("Unknown, which is not good.")
    if javascript:
        survey.look(page, "profiles-on-nodes-unknown")

    page.get_by_label("Name", exact=True).fill("general")
    page.get_by_label("Labels of its nodes").fill("pool=general")
    page.get_by_label("Nothing but the listed seccomp profiles").check()
    page.get_by_role("button", name="Declare the pool").click()
    page.get_by_label("Path or name in general").fill("profiles/web-fine.json")
    page.get_by_role("button", name="Declare", exact=True).click()
    admin.sees("Declared for all 3 nodes that take this pod.")
    if javascript:
        survey.look(page, "profiles-on-nodes-declared")

    page.get_by_role("button", name="Withdraw the pool general").click()
    admin.sees("Unknown, which is not good.")
