"""The words that people read: no written text holds a phrase for which Flower has a term, or a bare large number."""

import ast
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from tests.support.old_phrases import found_in

ROOT = Path(__file__).parents[1]


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


NOUNS = re.compile(r" (?:clients|rounds|samples|replies|values|bytes|characters|attempts|entries|arrays|others|more)\b")
FORMATS = {"count", "plural", "size", "duration", "span", "percent"}


def bare_numbers(path: Path) -> Iterator[str]:
    """Give what f-strings of a module fill in before a noun without a format: 1000 of them instead of 1,000."""
    for text in (node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.JoinedStr)):
        for part, after in pairwise(text.values):
            if not isinstance(part, ast.FormattedValue) or not isinstance(after, ast.Constant):
                continue
            called = part.value.func if isinstance(part.value, ast.Call) else None
            is_formatted = part.format_spec is not None or (isinstance(called, ast.Name) and called.id in FORMATS)
            if NOUNS.match(str(after.value)) and not is_formatted:
                yield f"{path.relative_to(ROOT)}:{text.lineno} {ast.unparse(part.value)}"


def test_numbers_in_sentences_have_a_format() -> None:
    files = (*ROOT.glob("federation/**/*.py"), *ROOT.glob("webapp/**/*.py"))
    assert [found for path in files for found in bare_numbers(path)] == []


def test_the_search_finds_a_phrase_across_a_line_and_inside_an_f_string(tmp_path: Path) -> None:
    module = tmp_path / "one.py"
    module.write_text('"""Nobody."""\nx = f"{y} was left\\n  out"\n')
    assert [found for text in python_texts(module) for found in found_in(text)] == ["was left out"]


def test_no_written_text_holds_an_old_phrase() -> None:
    texts = list(written_texts())
    assert len({name for name, _ in texts}) > 200
    assert [(name, found) for name, text in texts for found in found_in(text)] == []
