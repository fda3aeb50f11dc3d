"""Recent problems for the Server page: warnings and errors of the log, and connection attempts that were refused.

The newest fifty are kept in memory; repetitions of one problem are one entry with a count.
"""

import logging
import threading
from collections import deque
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal

from federation.protocol.messages import Close
from federation.server.flower_server import Refusal
from webapp.sanitizing import clean_text

MAX_KEPT, MAX_TEXT = 50, 300
Kind = Literal["refused", "warning", "error"]


@dataclass(frozen=True, slots=True)
class Incident:
    """One problem: when it last occurred, how often, its source, and its text."""

    kind: Kind
    at: datetime
    source: str
    text: str
    times: int = 1


class Incidents(logging.Handler):
    """A handler of the root logger that also takes refusals of the Flower server. Any thread may call it."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._kept: deque[Incident] = deque(maxlen=MAX_KEPT)
        self._guard = threading.Lock()

    def open(self) -> None:
        """Begin to handle the records of every logger of the process."""
        logging.getLogger().addHandler(self)

    def close(self) -> None:
        """Handle no more records."""
        logging.getLogger().removeHandler(self)
        super().close()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a warning or an error, with the type of its exception but without a traceback."""
        text = record.getMessage()
        if record.exc_info and record.exc_info[1] is not None:
            text = f"{text}: {type(record.exc_info[1]).__name__}"
        self._add("error" if record.levelno >= logging.ERROR else "warning", record.name, text)

    def refuse(self, refusal: Refusal) -> None:
        """Keep a connection attempt that the Flower server refused; those of new clients are one for each address."""
        is_new = refusal.code in (Close.FULL, Close.CODE_NEEDED, Close.CODE_REFUSED)
        who = "new clients" if is_new else clean_text(refusal.name, 64) or "a client without a name"
        self._add("refused", f"{who} from {refusal.address}" if refusal.address else who, refusal.reason)

    def newest(self) -> list[Incident]:
        """Return the problems, newest first."""
        with self._guard:
            return list(reversed(self._kept))

    def _add(self, kind: Kind, source: str, text: str) -> None:
        new = Incident(kind, datetime.now(UTC), clean_text(source, 200), clean_text(text, MAX_TEXT))
        with self._guard:
            same = next((one for one in self._kept if (one.kind, one.source, one.text) == (kind, new.source, new.text)),
                        None)  # fmt: skip
            if same is not None:
                self._kept.remove(same)
                new = replace(new, times=same.times + 1)
            self._kept.append(new)
