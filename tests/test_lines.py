"""Lines of scripts, styles and templates have at most 120 characters; formatters leave comments and strings alone."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TEMPLATES = ROOT / "templates"
SCRIPTS_AND_STYLES = [*(ROOT / "static" / "js").rglob("*.js"), *(ROOT / "static" / "css").rglob("*.css")]
WIDEST = 120


def too_long(path: Path) -> list[str]:
    lines = path.read_text().splitlines()
    return [f"{path.relative_to(ROOT)}:{number}" for number, line in enumerate(lines, 1) if len(line) > WIDEST]


@pytest.mark.parametrize("path", sorted(SCRIPTS_AND_STYLES), ids=lambda path: path.name)
def test_lines_of_scripts_and_styles_are_short(path: Path) -> None:
    assert not too_long(path)


def test_lines_of_templates_are_short() -> None:
    found = sorted(TEMPLATES.rglob("*.html"))
    assert len(found) > 40
    assert not [line for path in found for line in too_long(path)]
