"""Modules of static/js in an empty page, without a dashboard: their exports are called and their results compared."""

import mimetypes
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route

STATIC = Path(__file__).parents[3] / "static"
ORIGIN = "http://scripts.test"
EMPTY = """<!DOCTYPE html>
<title>Scripts</title>
<link rel="stylesheet" href="/static/css/tokens.css">
<link rel="stylesheet" href="/static/vendor/uplot-1.6.32.min.css">
<script src="/static/vendor/uplot-1.6.32.iife.min.js"></script>
<div id="message"></div>
"""
RUN = "async ([path, source, given]) => (0, eval)(source)(await import(path), given)"


class Scripts:
    """One page in which modules are loaded. Values go in and out as Playwright converts them, NaN and Infinity too."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def run(self, module: str, source: str, given: Any = None) -> Any:
        """Return what a JavaScript function returns for a module of static/js and one value."""
        return self.page.evaluate(RUN, [f"/static/js/{module}", source, given])

    def call(self, module: str, name: str, *arguments: Any) -> Any:
        """Return what an exported function returns."""
        return self.run(module, f"(module, given) => module.{name}(...given)", list(arguments))


def serve(route: Route) -> None:
    """Answer with a file of static/, or with the empty page."""
    path = route.request.url.removeprefix(ORIGIN)
    if path == "/":
        route.fulfill(body=EMPTY, content_type="text/html")
    elif (file := STATIC.parent / path.lstrip("/")).is_file():
        route.fulfill(path=file, content_type=mimetypes.guess_type(file.name)[0])
    else:
        route.fulfill(status=404, body="")


@pytest.fixture(scope="module")
def scripts(browser: Browser) -> Iterator[Scripts]:
    """Modules of static/js in one page for all tests of a file. Whatever the page complains of fails the last one."""
    page = browser.new_page(timezone_id="UTC")
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.route(f"{ORIGIN}/**", serve)
    page.goto(f"{ORIGIN}/")
    yield Scripts(page)
    page.close()
    assert not complaints
