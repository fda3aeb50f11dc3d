"""static/css: declarations that Chromium knows. A property or value with a typing error is dropped without a word."""

from pathlib import Path

import pytest

from tests.browser.scripts.conftest import STATIC, Scripts

UNKNOWN = r"""(_, text) => {
  const declarations = [...text.replace(/\/\*.*?\*\//gs, "").matchAll(/([\w-]+)\s*:\s*([^;{}]+);/g)];
  const known = ([, property, value]) => property.startsWith("--") || CSS.supports(property, value.replace("!important", ""));
  return [declarations.length, declarations.filter((one) => !known(one)).map(([text]) => text)];
}"""  # noqa: E501


@pytest.mark.parametrize("path", sorted((STATIC / "css").glob("*.css")), ids=lambda path: path.name)
def test_each_declaration_is_known(scripts: Scripts, path: Path) -> None:
    amount, unknown = scripts.run("numbers.js", UNKNOWN, path.read_text())
    assert amount > 5
    assert unknown == []
