"""The words that people read in --help, on pages and in the API: no phrase for which Flower has a term."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest
from fastapi.routing import APIRoute

from tests.support.dashboard import Dashboard, finished_run
from tests.support.old_phrases import found_in
from webapp.routes.html import ROUTERS


@pytest.mark.parametrize("module", ["webapp", "federation.client"])
def test_no_help_holds_an_old_phrase(module: str) -> None:
    text = subprocess.run(
        [sys.executable, "-m", module, "--help"], capture_output=True, text=True, check=True, timeout=60
    )
    assert "--" in text.stdout
    assert found_in(text.stdout) == []


def pages_of(dashboard: Dashboard) -> Iterator[tuple[str, str]]:
    """Give the address and the HTML of each page of the first run and the first client."""
    for route in (route for router in ROUTERS for route in router.routes):
        if isinstance(route, APIRoute) and "GET" in (route.methods or ()):
            address = re.sub(r"{\w+}", "1", route.path)
            answer = dashboard.http.get(address, params={"runs": "1,2"})
            if answer.headers.get("content-type", "").startswith("text/html"):
                yield address, re.sub(r"<[^>]*>", " ", answer.text)


def test_no_rendered_page_and_no_api_description_holds_an_old_phrase(dashboard: Dashboard) -> None:
    finished_run(dashboard)
    with dashboard.stage() as stage:
        stage.add("site-b")
        waiting = dashboard.start_run(min_clients=3)
        dashboard.wait_for_state(waiting, "waiting")
        pages = dict(pages_of(dashboard))
    assert {"/", "/runs/1", "/clients/1", "/server"} <= set(pages)
    assert [(address, found) for address, page in pages.items() for found in found_in(page)] == []
    api = dashboard.http.get("/openapi.json").text
    texts = re.findall(r'"(?:description|summary)":("(?:[^"\\]|\\.)*")', api)
    assert len(texts) > 100
    assert [found for text in texts for found in found_in(json.loads(text))] == []
