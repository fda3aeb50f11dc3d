"""A file that one process holds at a time, and what it tells others about the process that holds it."""

import contextlib
import fcntl
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any


class DataInUse(Exception):
    """Another dashboard works on the data directory or the database; the sentence says which."""


def spell(host: str, port: int) -> str:
    """Return an address as it stands in a URL: one of IPv6 in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@contextlib.contextmanager
def hold(lock_file: Path, what: str, flag: str) -> Iterator[Callable[[dict[str, Any]], None]]:
    """Hold what lies beside a lock file while the block runs; what it gives tells others where we are.

    Raises DataInUse, with a sentence that says of ``what`` and which setting chooses another.
    """
    with open(lock_file, "a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise DataInUse(_holder(lock_file, what, flag)) from error

        def say(where: dict[str, Any]) -> None:
            file.truncate(0)
            json.dump({"pid": os.getpid(), **where}, file)
            file.flush()

        say({})
        try:
            yield say
        finally:
            file.truncate(0)


def _holder(lock_file: Path, what: str, flag: str) -> str:
    try:
        holder = json.loads(lock_file.read_text(encoding="utf-8"))
        at = f", at http://{spell(holder['host'], holder['port'])}," if "port" in holder else ""
        who = f"process {holder['pid']}{at}"
    except (OSError, ValueError, KeyError):
        who = "another dashboard"
    return f"The {what} is in use: {who} works on it. Stop that one, or choose another --{flag}."
