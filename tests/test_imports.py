"""What the import contracts in pyproject.toml cannot say: TensorFlow, the inside of flwr, SQL, and imports that act."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted([*(ROOT / "federation").rglob("*.py"), *(ROOT / "webapp").rglob("*.py")])

FLOWER_EXPORTS = ("flwr.app", "flwr.clientapp", "flwr.serverapp")
STATEMENTS = ("sqlalchemy.select", "sqlalchemy.insert", "sqlalchemy.update", "sqlalchemy.delete")


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports(tree: ast.AST) -> Iterator[tuple[str, ast.stmt]]:
    """Yield each imported name in full, with its statement."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((f"{node.module}.{alias.name}", node) for alias in node.names)


def within(name: str, *packages: str) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


@pytest.mark.parametrize("path", SOURCES, ids=module_of)
def test_a_module_imports_only_what_its_package_may_know(path: Path) -> None:
    module, tree = module_of(path), ast.parse(path.read_text())
    for name, statement in imports(tree):
        where = f"{path.relative_to(ROOT)}:{statement.lineno} imports {name}"
        if within(name, "tensorflow", "keras"):
            assert within(module, "federation.learning"), where
            assert statement not in tree.body, f"{where} when it is imported itself"
        if within(name, "flwr"):
            of_app = module == "federation.apps.launcher"  # it runs in the process of an app, without Meadow
            assert of_app or module == "federation.flwr_internals" or within(name, *FLOWER_EXPORTS), where
        if within(name, "sqlalchemy"):
            assert within(module, "webapp.db") or name == "sqlalchemy.orm.Session", where
        if within(name, *STATEMENTS):
            assert within(module, "webapp.db.repository"), where
        if within(name, "jinja2", "jinja2_fragments"):
            assert module == "webapp.pages.templating", where


def test_importing_a_module_does_nothing(tmp_path: Path) -> None:
    program = f"""
import importlib, os, sys, threading
sys.path.insert(0, {str(ROOT)!r})
before = dict(os.environ, GRPC_VERBOSITY=os.environ.get("GRPC_VERBOSITY", "error"))  # flwr sets it
for name in {[module_of(path) for path in SOURCES]!r}:
    importlib.import_module(name)
assert threading.active_count() == 1, threading.enumerate()
assert not {{"tensorflow", "keras"}} & set(sys.modules)
assert dict(os.environ) == before
assert os.listdir() == []
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", program], cwd=tmp_path, check=True, timeout=60)


def test_the_folder_of_migrations_does_not_hide_the_package_of_the_same_name() -> None:
    assert not (ROOT / "alembic" / "__init__.py").exists()
