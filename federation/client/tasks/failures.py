"""Describes why a task failed: type and text of the error, and where in the app's own code it was raised."""

import linecache
import os
import sys
import sysconfig
import traceback
from pathlib import Path
from typing import Any

from federation.protocol.descriptions import MAX_FRAME_TEXT_CHARACTERS, MAX_TRACEBACK_FRAMES
from federation.protocol.messages import MAX_ERROR_CHARACTERS

_FEDERATION = f"{Path(__file__).parents[2]}{os.sep}"
_LEARNING = f"{_FEDERATION}learning{os.sep}"
_LIBRARY = f"{sysconfig.get_path('stdlib')}{os.sep}"
_PACKAGES = frozenset({"site-packages", "dist-packages"})


def app_frames(error: BaseException) -> list[dict[str, Any]]:
    """Return the last frames of the app's own code, the innermost last, as ``TracebackFrame`` describes them.

    Own code is what is neither Flower's, Meadow's, the standard library's nor an installed package's. Where the app
    itself is an installed package, it is the package whose function was called first.
    """
    called = [frame for frame in traceback.walk_tb(error.__traceback__) if not _calls_apps(frame[0].f_code.co_filename)]
    own = [frame for frame in called if not _is_installed(frame[0].f_code.co_filename)]
    if called and not own:
        package = _package_of(called[0][0].f_code.co_filename)
        own = [frame for frame in called if _package_of(frame[0].f_code.co_filename) == package]
    return [
        {"file": printable(_short_name(frame.f_code.co_filename), keep_end=True), "line": line,
         "function": printable(frame.f_code.co_name),
         "code": printable(linecache.getline(frame.f_code.co_filename, line, frame.f_globals).strip())}
        for frame, line in own[-MAX_TRACEBACK_FRAMES:]
    ]  # fmt: skip


def error_sentence(error: BaseException, frames: list[dict[str, Any]]) -> str:
    """Return type and text of the error and the place where the app's own code raised or met it, on one line."""
    try:
        text = str(error)
    except BaseException:  # the app's own class may fail to say what it is
        text = "its text cannot be read"
    where = ", {file}:{line} in {function}".format(**frames[-1]) if frames else ""
    if len(where) > MAX_ERROR_CHARACTERS // 2:
        where = f", line {frames[-1]['line']}"
    said = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return shorten(said, MAX_ERROR_CHARACTERS - len(where)) + where


def shorten(text: str, most: int = MAX_ERROR_CHARACTERS) -> str:
    """Return the text on one line of at most ``most`` characters, which any JSON reader accepts."""
    line = " ".join(text.encode(errors="backslashreplace").decode().split())
    return line if len(line) <= most else line[: most - 1] + "…"


def printable(text: str, *, keep_end: bool = False) -> str:
    """Return a text that any JSON reader accepts, cut to the length that a frame may have."""
    text = text.encode(errors="backslashreplace").decode()
    return text[-MAX_FRAME_TEXT_CHARACTERS:] if keep_end else text[:MAX_FRAME_TEXT_CHARACTERS]


def _calls_apps(file: str) -> bool:
    """Say whether a file belongs to what calls apps: Flower and Meadow, but for Meadow's own app."""
    if file.startswith(_FEDERATION):
        return not file.startswith(_LEARNING)
    return _package_of(file) == "flwr"


def _is_installed(file: str) -> bool:
    return file.startswith((_LIBRARY, "<frozen ")) or not _PACKAGES.isdisjoint(Path(file).parts)


def _package_of(file: str) -> str:
    """Return the name of the installed package or module that a file belongs to."""
    parts = Path(file).parts
    return next((parts[place + 1] for place, part in enumerate(parts[:-1]) if part in _PACKAGES), "")


def _short_name(file: str) -> str:
    """Return a file's path without the folder from which Python imported it: paths of the machine stay there."""
    folders = [folder for folder in sys.path if folder and file.startswith(folder.rstrip(os.sep) + os.sep)]
    return file[len(max(folders, key=len).rstrip(os.sep)) + 1 :] if folders else os.path.basename(file)
