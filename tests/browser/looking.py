"""What is checked of a page as it stands: axe in both themes and at two widths; nothing is wider than the window."""

import os
from pathlib import Path
from typing import Any, Literal

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

PICTURES = Path("build") / "screenshots"
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
WIDTHS = (1280, 380)
RUN = "([rules, only]) => axe.run(document, {resultTypes: ['violations'], rules, ...(only && {runOnly: only})})"
COLOURS = ["color-contrast", "link-in-text-block"]
"""The rules that the theme has to do with; all others say the same in both."""


def look(page: Page, name: str, *, without: str = "") -> None:
    """Check one page; axe is put into it once. Pictures are kept of what fails, or of all with SCREENSHOTS=1.

    ``without`` names a rule that is not asked for.
    """
    page.evaluate(Axe().axe_script)
    found = []
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        for theme in THEMES:
            page.emulate_media(color_scheme=theme, reduced_motion="reduce")
            wide = page.evaluate("document.documentElement.scrollWidth")
            violations = [f"wider than the window: {wide}"] if wide > width else []
            rules = {without: {"enabled": False}} if without else {}
            if width == WIDTHS[0] or theme == THEMES[0]:  # the colours of a theme are the same at both widths
                found_by_axe = page.evaluate(RUN, [rules, COLOURS if theme == "dark" else None])
                violations += [_words(one) for one in found_by_axe["violations"]]
            found += [f"{name}, {theme}, {width}: {one}" for one in violations]
            if violations or os.environ.get("SCREENSHOTS"):
                PICTURES.mkdir(parents=True, exist_ok=True)
                page.screenshot(path=PICTURES / f"{name}-{theme}-{width}.png", full_page=True)
    assert not found, "\n".join(found)


def _words(violation: dict[str, Any]) -> str:
    nodes = [f"{node['target']}: {node['failureSummary']}" for node in violation["nodes"][:3]]
    return f"{violation['id']}, {violation['help']}\n    " + "\n    ".join(nodes)
