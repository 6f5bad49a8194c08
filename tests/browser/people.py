"""People at their browsers: one context each, signed in, and everything their console said."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, expect

from tests.browser.product import Product

PATIENCE_MS = 30_000
"""For anything that is on its way already; a machine with two busy cores is slow."""
ROLLOUT_MS = 120_000
_CSP_WATCH = """
document.addEventListener("securitypolicyviolation", (event) => {
  console.error("CSP: " + event.violatedDirective + " " + event.blockedURI + " " + event.sample);
});
"""
_EXPECTED = re.compile(r"the server responded with a status of (403|404|409|422|502)")


@dataclass
class Person:
    """One role at one browser window."""

    role: str
    page: Page
    product: Product
    complaints: list[str] = field(default_factory=list)
    allowed_refusals: int = 0
    """How many answers from 403 to 502 this person provokes."""

    def visit(self, path: str) -> None:
        self.page.goto(self.product.address + path)

    def sign_in(self) -> None:
        self.visit("/login/")
        self.page.get_by_label("Name").fill(self.role)
        self.page.get_by_label("Password").fill(self.product.password)
        self.page.get_by_role("button", name="Sign in").click()
        expect(self.page.get_by_role("button", name="Sign out")).to_be_visible()

    def section(self, name: str) -> None:
        """Go to a section by the rail."""
        sections = self.page.get_by_role("navigation", name="Sections")
        sections.get_by_role("link", name=re.compile(f"^{name}")).click()
        self.sees_title(name)

    def sees_title(self, text: str | re.Pattern[str]) -> None:
        expect(self.page.get_by_role("heading", level=1)).to_contain_text(text)

    def sees(self, text: str | re.Pattern[str], *, within: Locator | None = None) -> None:
        """Await words on the page."""
        expect(within or self.page.locator("main")).to_contain_text(text, timeout=PATIENCE_MS)

    def reloads_until(self, done: Callable[[], bool], *, timeout_ms: int = PATIENCE_MS) -> None:
        """Look again as people without JavaScript do, about once a second."""
        for _ in range(timeout_ms // 1000):
            if done():
                return
            self.page.wait_for_timeout(1000)
            self.page.reload()
        assert done(), self.page.locator("main").inner_text()

    def note(self, message: ConsoleMessage) -> None:
        if message.type not in {"error", "warning"}:
            return
        if _EXPECTED.search(message.text) and self.allowed_refusals:
            self.allowed_refusals -= 1
            return
        self.complaints.append(f"{self.role} at {self.page.url}: {message.text}")


def arrive(browser: Browser, product: Product, role: str, *, javascript: bool = True) -> Person:
    """Open a window for somebody and sign them in."""
    context = browser.new_context(
        java_script_enabled=javascript,
        viewport={"width": 1440, "height": 900},
        reduced_motion="reduce",
        color_scheme="light",
        permissions=["clipboard-read", "clipboard-write"],
    )
    context.set_default_timeout(PATIENCE_MS)
    context.add_init_script(_CSP_WATCH)
    person = Person(role, context.new_page(), product)
    person.page.on("console", person.note)
    person.page.on("pageerror", lambda error: person.complaints.append(f"{role}: {error}"))
    person.sign_in()
    return person
