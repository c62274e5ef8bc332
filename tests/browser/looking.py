"""Ways to look at a page: with the eyes of axe, for width, and for the manual's pictures."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from playwright.sync_api import Page

AXE = Path(__file__).parent / "vendor" / "axe.min.js"
ALL = "{runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']}"

POINTS_OF_COLOUR = """(canvas, name) => {
  const hex = getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const wanted = [1, 3, 5].map((place) => parseInt(hex.slice(place, place + 2), 16));
  const seen = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  let count = 0;
  for (let at = 0; at < seen.length; at += 4) count += wanted.every((value, place) => seen[at + place] === value);
  return count; }"""

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


def of_colour(page: Page, place: str, name: str) -> int:
    """So many points of a plot have the colour of that name."""
    return int(page.locator(f"{place} canvas").evaluate(POINTS_OF_COLOUR, name))
