"""The FAB that SuperNodes run: Meadow's client code for tasks, with no part of the server; same code, same hash."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
APP_ID = "meadow/meadow-client"
APP_MODULE = "federation.client.tasks.supernode"
"""Named by text: the server imports nothing of the client's side."""

PROJECT = """[project]
name = "meadow-client"
version = "{version}"
description = "Trains and evaluates the networks of a Meadow federation"
license = {{ file = "LICENSE" }}
dependencies = ["flwr>=1.42,<1.43", "numpy"]

[tool.flwr.app]
publisher = "meadow"
fab-format-version = 1
flwr-version-target = "1.42.0"

[tool.flwr.app.components]
serverapp = "meadow_server:app"
clientapp = "{module}:app"

[tool.flwr.app.config]
"""

LICENCE = b"Part of Meadow, under the Apache License, Version 2.0: https://www.apache.org/licenses/LICENSE-2.0\n"
README = b"# Client code for Flower SuperNodes\n\nMeadow makes this bundle of its own modules and sends it messages.\n"
SERVER = b'''"""Flower wants a ServerApp in each FAB. Meadow's server sends the messages: this one never starts."""

from flwr.serverapp import ServerApp

app = ServerApp()
'''


def bundle_files(version: str) -> dict[str, bytes | Path]:
    """Return the bundle's files by their paths in it, each as its bytes or as a file of this installation."""
    files: dict[str, bytes | Path] = {
        "pyproject.toml": PROJECT.format(version=version, module=APP_MODULE).encode(),
        "LICENSE": LICENCE, "README.md": README, "meadow_server.py": SERVER,
    }  # fmt: skip
    return files | {file.relative_to(ROOT).as_posix(): file for file in _sources(APP_MODULE, {}).values()}


def _sources(module: str, found: dict[str, Path]) -> dict[str, Path]:
    """Return the files of a module, of its packages, and of all modules of ``federation`` that they import."""
    if module in found or (file := _file_of(module)) is None:
        return found
    found[module] = file
    if package := module.rpartition(".")[0]:
        _sources(package, found)
    for imported in _imports(file):
        if imported.split(".")[0] == "federation":
            _sources(imported, found)
    return found


def _imports(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _file_of(module: str) -> Path | None:
    """Return a module's file; None for a name that is no module, such as a function's."""
    path = ROOT.joinpath(*module.split("."))
    for file in (path.with_suffix(".py"), path / "__init__.py"):
        if file.is_file():
            return file
    return None
