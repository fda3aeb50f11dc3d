"""The logs of the processes that hold simulated clients."""

import re
from pathlib import Path

from webapp.sanitizing import clean_text

_WITH_TIME = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d ")


def last_line(log_file: Path) -> str:
    """Return the last line of a process's log, without the time."""
    try:
        with log_file.open("rb") as file:
            file.seek(max(0, log_file.stat().st_size - 4096))
            written = file.read().decode(errors="replace").strip()
    except OSError:
        written = ""
    return clean_text(_WITH_TIME.sub("", written.rpartition("\n")[2]), 200) or "no output"
