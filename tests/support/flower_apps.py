"""Archives of Flower Apps: folders as files by their paths, zips of them, and zips that lie."""

import io
import zipfile
from collections.abc import Mapping

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
