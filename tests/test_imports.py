"""Who may import whom: the rules that keep training, web and database apart."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted([*(ROOT / "federation").rglob("*.py"), *(ROOT / "webapp").rglob("*.py")])

FOR_THE_WEB = {
    "run", "protocol.addresses", "protocol.messages", "weights.content_ids", "weights.layout",
    "server.flower_server", "coordinator.supervisor", "client.identity",
    "learning.sizes",
}  # fmt: skip
"""Modules of federation that the web side may know: what a run is, what it tells, whom to call, and who a client is."""

TENSORFLOW = {"learning"}
SQL = {"webapp.db", "webapp.routes.dependencies"}
FLOWER_EXPORTS = ("flwr.app", "flwr.clientapp", "flwr.serverapp")


MAY_IMPORT = {
    "progress": (), "run": (), "weights": (), "protocol": (),
    "learning": ("run", "weights", "progress"),
    "aggregation": ("run", "weights"),
    "transport": ("run", "weights", "protocol"),
    "storage": ("run", "weights", "aggregation.reply_checks"),
    "server": ("transport", "protocol", "run"),
    "client": ("learning", "protocol", "weights", "run", "progress"),
    "coordinator": ("transport", "aggregation", "storage", "run", "weights"),
}  # fmt: skip
"""The other packages of federation that each of them may import."""


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports(tree: ast.AST) -> Iterator[tuple[str, ast.stmt]]:
    """Yield each imported name in full, with its statement."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import"
            yield from ((f"{node.module}.{alias.name}", node) for alias in node.names)


def within(name: str, packages: set[str] | tuple[str, ...]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


@pytest.mark.parametrize("path", SOURCES, ids=module_of)
def test_a_module_imports_only_what_its_side_may_know(path: Path) -> None:
    module, tree = module_of(path), ast.parse(path.read_text())
    for name, statement in imports(tree):
        where = f"{path.relative_to(ROOT)}:{statement.lineno} imports {name}"
        if module.startswith("federation"):
            assert not within(name, ("webapp", "sqlalchemy", "jinja2")), where
            if within(name, ("federation",)):
                own = module.split(".")[1]
                assert within(name, {f"federation.{one}" for one in (own, *MAY_IMPORT[own])}), where
            if within(module, ("federation.run",)):
                assert not within(name, ("numpy",)), where
        elif within(name, ("federation",)):
            assert within(name, {f"federation.{known}" for known in FOR_THE_WEB}), where
        if within(name, ("tensorflow", "keras")):
            assert within(module, {f"federation.{known}" for known in TENSORFLOW}), where
            assert statement not in tree.body, f"{where} when it is imported itself"
        if within(name, ("sqlalchemy",)):
            assert within(module, SQL) or name == "sqlalchemy.orm.Session", where
        if within(name, ("flwr",)):
            assert module == "federation.server.flower" or within(name, FLOWER_EXPORTS), where


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
