"""Ways to look at a page: with the eyes of axe, for width, and for the manual's pictures."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from playwright.sync_api import Page

AXE = Path(__file__).parent / "vendor" / "axe.min.js"
ALL = "{runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']}"

CONTRAST = "{runOnly: ['color-contrast']}"


@cache
def _axe() -> str:
    return AXE.read_text()


def violations(page: Page, rules: str = ALL) -> list[str]:
    """What axe holds against a page, a line each."""
    page.evaluate(_axe())
    found = page.evaluate(f"axe.run(document, {rules})")["violations"]
    return [
        f"{page.url}: {rule['id']} ({rule['help']}): {node['html'][:200]} {node['failureSummary'][:300]}"
        for rule in found
        for node in rule["nodes"][:3]
    ]


def too_wide(page: Page) -> str:
    """Says where a page is wider than its window; "" where it is not."""
    wide = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    return f"{page.url}: {wide} points too wide" if wide > 0 else ""


def taken(page: Page, pictures: Path | None, name: str) -> None:
    """A picture for the documentation, where one is asked for."""
    if pictures is not None:
        pictures.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=pictures / f"{name}.png")
