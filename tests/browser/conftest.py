"""One product and one browser for all browser tests; both are gone when the last of them has ended."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.browser import people, product
from tests.browser.survey import Survey
from tests.needs import chromium_path

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
Arrive = Callable[..., people.Person]


@pytest.fixture(scope="package")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[product.Product]:
    with product.running(tmp_path_factory.mktemp("product")) as running:
        yield running


# Not for the session: Playwright's loop stays with its thread, and Django refuses to ask its database from there.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=people.PATIENCE_MS)
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium_path(), args=list(FLAGS))
        yield opened
        opened.close()


@pytest.fixture
def arrive(browser: Browser, demo: product.Product) -> Iterator[Arrive]:
    """Let people in by role; afterwards nobody's console may have complained."""
    arrived: list[people.Person] = []

    def let_in(role: str, *, javascript: bool = True) -> people.Person:
        arrived.append(people.arrive(browser, demo, role, javascript=javascript))
        return arrived[-1]

    yield let_in
    complaints = [line for person in arrived for line in person.complaints]
    for person in arrived:
        person.page.context.close()
    assert not complaints, "\n".join(complaints)


@pytest.fixture
def survey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Survey]:
    """Look at pages; afterwards nothing may have been found."""
    named = os.environ.get("SECPROF_SCREENSHOTS", "")
    directory = Path(named) if named else tmp_path_factory.mktemp("screenshots")
    directory.mkdir(parents=True, exist_ok=True)
    looked = Survey(directory, [])
    yield looked
    assert not looked.findings, "\n".join(looked.findings)
