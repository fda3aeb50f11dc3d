"""Styles that no page uses, and variables that nothing defines."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
STYLES = [path for path in (ROOT / "static" / "css").glob("*.css") if path.name != "docs.css"]  # of Swagger UI
COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
SELECTORS = re.compile(r"([^{};]+)\{")
COMPOSED = re.compile(r"is-[a-z]+|k[1-8]|h[0-6]|t[0-6]|uplot|u-[a-z-]+")
"""Classes that templates and scripts put together (``is-{{ tone }}``), and those of uPlot."""


def styles() -> str:
    return COMMENT.sub("", "\n".join(path.read_text() for path in STYLES))


def pages() -> str:
    """Return templates, scripts and the Python code that gives templates their classes."""
    files = [
        *(ROOT / "templates").rglob("*.html"), *(ROOT / "static" / "js").rglob("*.js"),
        *(ROOT / "webapp" / "pages").rglob("*.py"), ROOT / "static" / "glyphs.svg",
    ]  # fmt: skip
    return "\n".join(path.read_text() for path in files)


def test_classes_and_ids_of_styles_are_used() -> None:
    selectors = "\n".join(SELECTORS.findall(styles()))
    names = set(re.findall(r"[.#]([a-zA-Z][\w-]*)", selectors))
    used = set(re.findall(r"[a-zA-Z][\w-]*", pages()))
    assert len(names) > 100
    assert sorted(name for name in names - used if not COMPOSED.fullmatch(name)) == []


def test_variables_are_defined_and_used() -> None:
    text = styles()
    defined = set(re.findall(r"(--[a-z][\w-]*)\s*:", text))
    used = set(re.findall(r"var\((--[\w-]+)", text))
    assert sorted(name for name in used - defined if not name.startswith("--pico-")) == []
    named = pages()
    unused = {name for name in defined - used if not name.startswith("--pico-")}
    assert sorted(name for name in unused if name not in named and not re.fullmatch(r"--c[1-8]", name)) == []
