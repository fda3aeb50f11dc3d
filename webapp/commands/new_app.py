"""``python -m webapp new app NAME --template T``: writes a small tested Flower App to start from.

Exit codes: 0 done, 1 the folder cannot be written, 2 bad arguments.
"""

import argparse
import keyword
import re
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from webapp.commands import say
from webapp.settings import asset

NAME = re.compile(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*")
MAX_NAME_CHARACTERS = 40


class Template(NamedTuple):
    """What a template is, in a sentence, what it needs, and what its clients train on."""

    words: str
    dependencies: Sequence[str]
    data: str


SHARED = "a part each of what comes with scikit-learn, until you change `load_data`."
TEMPLATES = {
    "tabular": Template(
        "Logistic regression on a table, in NumPy.", ("numpy", "scikit-learn"),
        "a part each of scikit-learn's breast-cancer table, or the client's own: "
        "`--data patients.csv --target outcome`.",
    ),
    "images": Template(
        "A small convolutional network of Keras on grey images.", ("keras", "tensorflow", "numpy", "scikit-learn"),
        "a part each of scikit-learn's handwritten digits, or the client's own: `--data images.npz`.",
    ),
    "pytorch": Template("A small network of PyTorch.", ("torch", "numpy", "scikit-learn"), SHARED),
    "sklearn": Template("Logistic regression of scikit-learn.", ("numpy", "scikit-learn"), SHARED),
}  # fmt: skip


class NotWritten(Exception):
    """The app is not written; the sentence says why, ``code`` is the exit code."""

    def __init__(self, code: int, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


def write_app(name: str, template: str, parent: Path) -> Path:
    """Write an app into a new folder of that name and return the folder; raises NotWritten."""
    module = name.replace("-", "_")
    if not NAME.fullmatch(name) or len(name) > MAX_NAME_CHARACTERS:
        rule = f"at most {MAX_NAME_CHARACTERS} lower-case letters, digits and hyphens, with a letter first"
        raise NotWritten(2, f"{name[:100]!r} is no name of an app: it has {rule}, such as my-app.")
    spec = find_spec(module)
    if keyword.iskeyword(module) or (spec is not None and spec.origin is not None):  # a mere folder has no origin
        raise NotWritten(2, f"{module} is a word or a module of this Python already: choose another name.")
    folder = parent / name
    try:
        folder.mkdir()
        for source in (asset("app_templates") / "common", asset("app_templates") / template):
            for file in sorted(source.rglob("*")):
                if file.is_file() and "__pycache__" not in file.parts:
                    target = folder / str(file.relative_to(source)).replace("my_app", module)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_text(_filled(file.read_text("utf-8"), name, module, TEMPLATES[template]), "utf-8")
    except FileExistsError:
        raise NotWritten(1, f"{folder} is there already: choose another name.") from None
    except OSError as error:
        raise NotWritten(1, f"{folder} cannot be written: {error.strerror}.") from error
    return folder


def _filled(text: str, name: str, module: str, template: Template) -> str:
    needed = ", ".join(f'"{one}"' for one in template.dependencies)
    text = text.replace('"DEPENDENCIES"', needed).replace("WORDS", template.words).replace("DATA", template.data)
    return text.replace("my_app", module).replace("my-app", name)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m webapp new", description="Write a Flower App to start from.")
    parser.add_argument("what", choices=["app"], help="what to write")
    parser.add_argument("name", help="name of the app and of its folder, such as my-app")
    words = "; ".join(f"{name}: {template.words}" for name, template in TEMPLATES.items())
    parser.add_argument("--template", required=True, choices=list(TEMPLATES), help=words)
    return parser


def main(arguments: Sequence[str]) -> int:
    """Write the app into the present folder; return the exit code."""
    try:
        given = _parser().parse_args(arguments)
    except SystemExit as end:
        return int(end.code or 0)
    try:
        folder = write_app(given.name, given.template, Path.cwd())
    except NotWritten as error:
        return say(error.code, str(error))
    return say(0, f"{folder}: README.md says what is in it. Try it: cd {given.name}; python -m pytest")
