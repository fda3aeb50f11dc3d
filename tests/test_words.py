"""The words that people read: no text, written or rendered, holds a phrase for which Flower has a term."""

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.routing import APIRoute

from tests.support.dashboard import Dashboard, finished_run
from webapp.routes.html import ROUTERS

ROOT = Path(__file__).parents[1]
PHRASES = (
    r"fewest clients|share in each round|drawn anew|evenly|skew: dirichlet|local epochs a round",
    r"unusual length|are shortened|count as they are|times the median of|largest share of one",
    r"largest reply|replies on their way|most times|how many clients may lie|eta l|num malicious",
    r"what is learned|how it is learned|who takes part|who would take part|also one that|only these",
    r"left out|leave out|leaves out|let it in|let it start|let it run|lets? in|shut out|keep it\b",
    r"start again with changes|put in the queue|is to go on|run goes on|pause is asked|asked for|was asked|is asked",
    r"gathering clients|round \d+ committed|took part|refused by a check|lately|second by second|clients by round",
    r"what happened|clients from|by people|for people|client's words|measured in:|results told",
    r"spread of clients|logarithmic loss|darker band|the same axes|green and bold|falls a tenth",
    r"settings that differ|choose runs|\d+ chosen|a round sends|up \+ down|but not for this run|runs no app of its own",
    r"samples to test|shape of one|calls itself|its last accuracy|runs it was asked|mean then|is here|are here",
    r"waits for work|has not begun|waits for a task|waits for the others|well and idle|nothing is asked",
    r"why nothing happens|at work|up for\b|least that is logged|disk of the data|asks first|take part at once",
    r"says hello|parted by|lines stay|there is nothing here|keeps what it had|blades?\b|sward|roster",
    r"so many|at most so|nobody|somebody|whoever|put aside|given up|gives up|in the way|is gone|are gone|goes on",
)
FORBIDDEN = re.compile(r"\b(?:" + "|".join(PHRASES) + ")", re.IGNORECASE)


def python_texts(path: Path) -> Iterator[str]:
    """Give the texts of a module that are not docstrings; what an f-string fills in is a space."""
    tree = ast.parse(path.read_text("utf-8"))
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in ast.walk(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else " " for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings | parts:
            yield node.value


def written_texts() -> Iterator[tuple[str, str]]:
    """Give what is written for people, with its file: texts of Python, templates and scripts, and the documents."""
    for path in (*ROOT.glob("federation/**/*.py"), *ROOT.glob("webapp/**/*.py")):
        for text in python_texts(path):
            yield str(path.relative_to(ROOT)), text
    for path in ROOT.glob("templates/**/*.html"):
        yield str(path.relative_to(ROOT)), re.sub(r"{#.*?#}", "", path.read_text("utf-8"), flags=re.DOTALL)
    for path in ROOT.glob("static/js/**/*.js"):
        yield str(path.relative_to(ROOT)), re.sub(r"/\*.*?\*/|//.*", "", path.read_text("utf-8"), flags=re.DOTALL)
    for path in (ROOT / "README.md", ROOT / "CHANGELOG.md", *ROOT.glob("docs/*.md")):
        yield path.name, path.read_text("utf-8")


def found_in(text: str) -> list[str]:
    """Return the forbidden phrases of a text with the words around them."""
    joined = " ".join(text.split())
    return [joined[max(0, found.start() - 30) : found.end() + 30] for found in FORBIDDEN.finditer(joined)]


def test_the_search_finds_a_phrase_across_a_line_and_inside_an_f_string(tmp_path: Path) -> None:
    module = tmp_path / "one.py"
    module.write_text('"""Nobody."""\nx = f"{y} was left\\n  out"\n')
    assert [found for text in python_texts(module) for found in found_in(text)] == ["was left out"]


def test_no_written_text_holds_an_old_phrase() -> None:
    texts = list(written_texts())
    assert len({name for name, _ in texts}) > 200
    assert [(name, found) for name, text in texts for found in found_in(text)] == []


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
