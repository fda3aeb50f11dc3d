"""The tree stays readable: packages say what they own, and no package, file or function grows without bound."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = sorted(
    init.parent for side in ("federation", "webapp", "tests") for init in (ROOT / side).rglob("__init__.py")
)
PRODUCT = [package for package in PACKAGES if package.relative_to(ROOT).parts[0] != "tests"]
MOST_MODULES, MOST_LINES, MOST_LINES_OF_A_FUNCTION, MOST_LINES_OF_A_PURPOSE = 12, 250, 40, 5


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def modules_of(package: Path) -> list[Path]:
    return [path for path in package.glob("*.py") if path.name != "__init__.py"]


def functions_of(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


@pytest.mark.parametrize("package", PRODUCT, ids=name_of)
def test_a_package_says_what_it_owns_and_holds_few_modules(package: Path) -> None:
    purpose = ast.get_docstring(ast.parse((package / "__init__.py").read_text())) or ""
    assert 0 < len(purpose.splitlines()) <= MOST_LINES_OF_A_PURPOSE
    assert len(modules_of(package)) <= MOST_MODULES


@pytest.mark.parametrize("package", PACKAGES, ids=name_of)
def test_files_and_functions_are_short(package: Path) -> None:
    for path in modules_of(package):
        assert len(path.read_text().splitlines()) <= MOST_LINES, path
        if package in PRODUCT:
            for function in functions_of(path):
                length = (function.end_lineno or 0) - function.lineno + 1
                assert length <= MOST_LINES_OF_A_FUNCTION, (
                    f"{path}:{function.lineno} {function.name} has {length} lines"
                )
