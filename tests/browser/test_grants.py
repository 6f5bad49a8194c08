"""Giving a role by its labels, with what it reaches said as one types; taking it back; and one's own rights."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Arrive
from tests.browser.survey import Survey

pytestmark = pytest.mark.browser


def test_admin_gives_a_role_by_labels_and_takes_it_back(arrive: Arrive, survey: Survey) -> None:
    admin = arrive("admin")
    page = admin.page
    admin.section("Grants")
    survey.look(page, "grants")
    page.get_by_label("a group").check()
    page.get_by_label("Name", exact=True).fill("team-web")
    page.get_by_label("Role", exact=True).select_option("owner")
    page.get_by_label("namespaces, by their labels").check()
    page.get_by_label("Labels", exact=True).fill("no-such-label")
    admin.sees("No namespace that was collected fits this now.")
    page.get_by_label("Labels", exact=True).fill("!no-such-label")
    expect(page.locator("#reached")).to_contain_text("one that fits later is reached, too")
    survey.look(page, "grant-preview")

    page.get_by_role("button", name="Give the role").click()

    where = "namespaces with !no-such-label on every cluster"
    admin.sees(f"the group team-web has the role owner on {where}.")
    page.get_by_role("button", name=f"Withdraw owner on {where} from team-web").click()
    admin.sees("Withdrawn. It counts from the next request on.")
    expect(page.get_by_role("heading", name="team-web")).to_have_count(0)


def test_everybody_reads_their_own_rights(arrive: Arrive, survey: Survey) -> None:
    operator = arrive("operator")

    operator.page.get_by_role("link", name="Who am I").click()

    operator.sees_title("My rights")
    operator.sees("override gates")
    survey.look(operator.page, "rights")
    expect(operator.page.get_by_role("link", name="Grants")).to_have_count(0)
