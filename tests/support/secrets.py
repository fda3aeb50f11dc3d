"""Looks for secrets where none may be: in files, in logs, on pages, in the list of processes."""

import contextlib
from collections.abc import Iterable, Mapping
from pathlib import Path


def command_lines() -> str:
    """Return the command lines of all processes of this machine."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it has ended
            found.append(file.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return "\n".join(found)


def texts_below(folder: Path) -> dict[str, str]:
    """Return the content of each file below a folder, also of databases and their logs."""
    return {str(file): file.read_bytes().decode("latin-1") for file in folder.rglob("*") if file.is_file()}


def assert_absent(secrets: Mapping[str, str], places: Mapping[str, str] | Iterable[tuple[str, str]]) -> None:
    """Fail where a secret, by its name, stands in a place."""
    searched = dict(places)
    assert searched and all(secrets.values()), "nothing would be found"
    found = [
        f"{name} in {place}" for place, text in searched.items() for name, secret in secrets.items() if secret in text
    ]
    assert not found, found
