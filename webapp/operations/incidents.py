"""What went wrong lately, for the Server page: warnings and errors of the log, and attempts that were refused.

Kept in memory, the newest fifty; what happens again and again is one entry with a count.
"""

import logging
import threading
from collections import deque
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal

from federation.server.flower_server import Refusal
from webapp.sanitizing import clean_text

MOST, MOST_TEXT = 50, 300
Kind = Literal["refused", "warning", "error"]


@dataclass(frozen=True, slots=True)
class Incident:
    """One thing that went wrong: when it last did, how often in a row, where, and what."""

    kind: Kind
    at: datetime
    source: str
    text: str
    times: int = 1


class Incidents(logging.Handler):
    """A handler of the root logger, and what the lane tells of refused attempts. Any thread may add."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._kept: deque[Incident] = deque(maxlen=MOST)
        self._guard = threading.Lock()

    def open(self) -> None:
        """Listen to every logger of the process."""
        logging.getLogger().addHandler(self)

    def close(self) -> None:
        """Listen no more."""
        logging.getLogger().removeHandler(self)
        super().close()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a warning or an error; of an exception its last line, never a traceback."""
        text = record.getMessage()
        if record.exc_info and record.exc_info[1] is not None:
            text = f"{text}: {type(record.exc_info[1]).__name__}"
        self._add("error" if record.levelno >= logging.ERROR else "warning", record.name, text)

    def refuse(self, refusal: Refusal) -> None:
        """Keep an attempt that the lane refused."""
        who = clean_text(refusal.name, 64) or "somebody"
        self._add("refused", f"{who} from {refusal.address}" if refusal.address else who, refusal.reason)

    def newest(self) -> list[Incident]:
        """Return what is kept, the newest first."""
        with self._guard:
            return list(reversed(self._kept))

    def _add(self, kind: Kind, source: str, text: str) -> None:
        new = Incident(kind, datetime.now(UTC), clean_text(source, 200), clean_text(text, MOST_TEXT))
        with self._guard:
            same = next((one for one in self._kept if (one.kind, one.source, one.text) == (kind, new.source, new.text)),
                        None)  # fmt: skip
            if same is not None:
                self._kept.remove(same)
                new = replace(new, times=same.times + 1)
            self._kept.append(new)
