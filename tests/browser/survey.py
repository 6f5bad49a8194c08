"""What every page has to pass: axe in light and dark, no sideways scroll when narrow; and its pictures, for people."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from playwright.sync_api import Page

THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
WIDTHS = (1440, 1024, 390)
NARROW = 390
ILLUSTRATIONS = {
    "readiness",
    "trail",
    "trends",
    "plan",
    "rollout",
    "profile",
    "profile-editor",
    "profiles-on-nodes",
    "policy-lint",
    "engine",
    "variant-form",
    "validation",
    "exception-form",
    "exception-to-decide",
    "exceptions",
}
"""Pages that README and docs show: their first screen is kept apart."""
HEIGHT = 900
AXE = Path(__file__).parent / "vendor" / "axe-core" / "axe-4.14.1.min.js"
RULES = {
    "light": {
        "type": "tag",
        "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"],
    },
    # The dark page differs in its colours alone.
    "dark": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]},
}
_RUN = """async (rules) => {
  const {violations} = await axe.run(document, {runOnly: rules, resultTypes: ["violations"]});
  return violations.flatMap(({id, nodes}) => nodes.map((node) => `${id}: ${node.html} — ${node.failureSummary}`));
}"""
_WIDER = "document.documentElement.scrollWidth - window.innerWidth"


@dataclass(slots=True)
class Survey:
    """Looks at pages and keeps what is wrong with them, so that one run names all of it."""

    directory: Path
    findings: list[str]

    def look(self, page: Page, name: str) -> None:
        """Check the page as it stands, and take its pictures."""
        for theme in THEMES:
            page.emulate_media(color_scheme=theme)
            self._axe(page, name, theme)
            if name in ILLUSTRATIONS and theme == THEMES[0]:
                page.screenshot(path=self.directory / "docs" / f"{name}.png")
            for width in WIDTHS:
                page.set_viewport_size({"width": width, "height": HEIGHT})
                self._picture(page, f"{name}-{width}-{theme}")
            self._narrow(page, name)
            page.set_viewport_size({"width": WIDTHS[0], "height": HEIGHT})
        page.emulate_media(color_scheme=THEMES[0])

    def glance(self, page: Page, name: str) -> None:
        """Check a page without JavaScript: its narrow form, and one picture."""
        self._picture(page, f"{name}-plain")
        page.set_viewport_size({"width": NARROW, "height": HEIGHT})
        self._narrow(page, f"{name}, without JavaScript")
        page.set_viewport_size({"width": WIDTHS[0], "height": HEIGHT})

    def _axe(self, page: Page, name: str, theme: str) -> None:
        if not page.evaluate("typeof axe === 'object'"):
            page.evaluate(AXE.read_text(encoding="utf-8"))
        found = page.evaluate(_RUN, RULES[theme])
        self.findings += [f"{name}, {theme}: {finding}" for finding in found]

    def _narrow(self, page: Page, where: str) -> None:
        if (wider := page.evaluate(_WIDER)) > 0:
            self.findings.append(f"{where}: scrolls sideways by {wider} px at {NARROW} px")

    def _picture(self, page: Page, name: str) -> None:
        page.screenshot(path=self.directory / f"{name}.png", full_page=True)
