"""Whether the ClientApp of a FAB was made of a ``client_fn``, read in its source: nothing of the app is imported."""

import ast
import tomllib
import zipfile
from functools import lru_cache
from io import BytesIO


@lru_cache(maxsize=8)
def is_made_of_client_fn(fab: bytes) -> bool:
    """Return whether the module of the app's ClientApp gives one a ``client_fn``: its messages have another form."""
    with zipfile.ZipFile(BytesIO(fab)) as archive:
        project = tomllib.loads(archive.read("pyproject.toml").decode())
        module = project["tool"]["flwr"]["app"]["components"]["clientapp"].partition(":")[0].replace(".", "/")
        for path in (f"{module}.py", f"{module}/__init__.py"):
            if path in archive.namelist():
                return any(_has_client_fn(node) for node in _calls(archive.read(path)))
    return False


def _calls(source: bytes) -> list[ast.Call]:
    try:
        return [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []  # its SuperNodes say what is wrong with it


def _has_client_fn(call: ast.Call) -> bool:
    """Whether a call is ``ClientApp(client_fn)`` or ``ClientApp(client_fn=...)``."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    given = [*call.args[:1], *(one.value for one in call.keywords if one.arg == "client_fn")]
    return name == "ClientApp" and any(not (isinstance(one, ast.Constant) and one.value is None) for one in given)
