"""Archives of Flower Apps: folders as files by their paths, zips of them, and zips that lie."""

import atexit
import importlib
import io
import shutil
import sys
import tempfile
import threading
import tomllib
import zipfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from flwr.clientapp import ClientApp

APPS = Path(__file__).parent / "apps"

PROJECT = """[project]
name = "{name}"
version = "1.0.0"
license = {{ file = "LICENSE" }}
dependencies = ["flwr>=1.42,<1.43"]

[tool.flwr.app]
publisher = "lab"
fab-format-version = 1
flwr-version-target = "1.42.0"

[tool.flwr.app.components]
serverapp = "{module}.server:app"
clientapp = "{module}.client:app"

[tool.flwr.app.config]
{settings}
"""

SETTINGS = 'num-server-rounds = 2\nlearning-rate = 0.1\nverbose = true\n[tool.flwr.app.config.data]\nname = "digits"\n'


def folder_of(
    name: str = "small", settings: str = SETTINGS, server: str = "", client: str = "", **more: str
) -> dict[str, bytes]:
    """Return the files of an app by their paths."""
    module = name.replace("-", "_")
    files = {
        "pyproject.toml": PROJECT.format(name=name, module=module, settings=settings), "LICENSE": "Free.",
        "README.md": "# App", f"{module}/__init__.py": "", f"{module}/server.py": server,
        f"{module}/client.py": client, **more,
    }  # fmt: skip
    return {path: text.encode() for path, text in files.items()}


def zip_of(files: Mapping[str, bytes | str], inside: str = "") -> bytes:
    """Return a zip archive, whose files may be ``inside`` a folder."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in files.items():
            archive.writestr(inside + path, content)
    return packed.getvalue()


def stored(name: str) -> dict[str, bytes]:
    """Return the files of an app of ``tests/support/apps``."""
    folder = APPS / name
    files = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


_importing = threading.Lock()


@cache
def client_app_of(fab: bytes) -> ClientApp:
    """Return the ClientApp of a FAB, imported from a folder of its own: others may have modules of its name."""
    folder = Path(tempfile.mkdtemp(prefix="meadow-fab-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    with zipfile.ZipFile(io.BytesIO(fab)) as archive:
        archive.extractall(folder)
    components = tomllib.loads((folder / "pyproject.toml").read_text())["tool"]["flwr"]["app"]["components"]
    module, _, attribute = components["clientapp"].partition(":")
    with _importing:
        sys.path.insert(0, str(folder))
        try:
            app: ClientApp = getattr(importlib.import_module(module), attribute)
        finally:
            sys.path.remove(str(folder))
            for name in [one for one in sys.modules if one.split(".")[0] == module.split(".")[0]]:
                del sys.modules[name]
    return app
