"""A custom profile by hand: the example that looks right, the live check, versions, and what to apply for a recording."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Arrive
from tests.browser.survey import Survey

pytestmark = pytest.mark.browser


def test_profile_is_checked_as_one_types_and_saved_in_versions(
    arrive: Arrive, survey: Survey
) -> None:
    operator = arrive("operator")
    page = operator.page
    operator.section("Profiles")
    page.get_by_role("link", name="See an example").first.click()
    checks = page.locator("#check")
    operator.sees("cannot start a process", within=checks)
    operator.sees("Unusable", within=checks)
    survey.look(page, "profile-editor")
    text = page.get_by_label("Text", exact=True)
    five_calls = text.input_value()

    text.fill(five_calls.replace('"SCMP_ACT_ERRNO",', '"SCMP_ACT_ERRNO"'))
    operator.sees("Line 3, column 3", within=checks)
    expect(text).to_be_focused()
    text.fill(five_calls)
    operator.sees("cannot start a process", within=checks)
    page.get_by_label("Name", exact=True).fill("web-frontend")
    page.get_by_role("button", name="Save the profile").click()
    operator.sees("was saved as version 1")

    page.get_by_role("link", name="Edit", exact=True).click()
    page.get_by_label("Text", exact=True).fill(five_calls.replace('"open"', '"openat"'))
    page.get_by_label("What changed, and why").fill("libc opens files with openat")
    page.get_by_role("button", name="Save a new version").click()
    operator.sees("was saved as version 2")
    operator.sees('"openat"', within=page.locator("#compare li.add"))
    survey.look(page, "profile")
    page.get_by_label("Before").select_option("2")
    operator.sees("The two are the same", within=page.locator("#compare"))


def test_self_cancelling_apparmor_profile_is_told_line_by_line(
    arrive: Arrive, survey: Survey
) -> None:
    operator = arrive("operator")
    page = operator.page
    operator.visit("/profiles/new/?mechanism=apparmor&example")
    operator.sees("cancels “/var/cache/shop/** rw”", within=page.locator("#check"))
    page.get_by_label("Name", exact=True).fill("example-shop")
    page.get_by_role("button", name="Save the profile").click()
    operator.sees("was saved as version 1")
    survey.look(page, "profile-apparmor")
    operator.section("Profiles")
    operator.sees("example-shop")
    survey.look(page, "profiles")


def test_recording_is_told_step_by_step(arrive: Arrive, survey: Survey) -> None:
    viewer = arrive("viewer")
    viewer.visit("/profiles/recording/")
    steps = viewer.page.locator("#steps")
    viewer.page.get_by_label("Recorder").select_option("Logs")
    viewer.sees("are not protected", within=steps)
    survey.look(viewer.page, "profile-recording")
    viewer.page.get_by_label("Kind").select_option("apparmor")
    viewer.sees("AppArmor is recorded by Bpf only", within=steps)
