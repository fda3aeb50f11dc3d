"""Database failures that may be over later, each with a sentence for people; all others are programming errors."""

import sqlite3

from sqlalchemy.exc import DBAPIError, OperationalError

from federation.run.events import StoreUnavailable

AWAY = "The database cannot be reached: its server is down, or the network is cut"
FULL = "The database cannot be written: its disk is full"
HELD = "The database cannot be written: another program has locked it"
BUSY = "The database cannot be used: its server is out of connections, memory or disk"
TURN = "The database cannot be written now: earlier writes of the dashboard take too long"
POOL = "The database cannot be used now: all connections of the dashboard are in use"
UNREADABLE = "The database cannot be used: its file cannot be read or written"
REPLACED = "The file of the database was replaced under the running dashboard"
RESTORED = "A backup of the database was restored under the running dashboard"
TAKEN_OVER = "Another dashboard has taken over the database"

_SQLITE = {
    sqlite3.SQLITE_BUSY: HELD, sqlite3.SQLITE_LOCKED: HELD, sqlite3.SQLITE_PROTOCOL: HELD, sqlite3.SQLITE_FULL: FULL,
    sqlite3.SQLITE_IOERR: UNREADABLE, sqlite3.SQLITE_CANTOPEN: UNREADABLE, sqlite3.SQLITE_READONLY: UNREADABLE,
}  # fmt: skip
"""Errors of SQLite that may be over later; every other one is a programming error, or a damaged file."""

_POSTGRES = {"53100": FULL, "53": BUSY, "54": BUSY, "58": BUSY, "40": HELD, "55": HELD}
"""By the server's SQLSTATE, or its first two characters; every other OperationalError is a lost connection."""


class DatabaseUnavailable(StoreUnavailable):
    """The database cannot do this now and may be able to later.

    ``sentence`` says why, for pages: it names no server. The text of the exception, for the log, adds the cause.
    """

    def __init__(self, sentence: str, cause: object = "") -> None:
        details = " ".join(str(cause).split())
        super().__init__(f"{sentence} ({details})" if details else sentence)
        self.sentence = f"{sentence}."


def temporary_failure(error: DBAPIError) -> DatabaseUnavailable | None:
    """Return the failure where a later try may succeed; None where every try will fail in the same way."""
    if error.connection_invalidated:
        return DatabaseUnavailable(AWAY, error.orig)
    if not isinstance(error, OperationalError):
        return None
    if isinstance(error.orig, sqlite3.Error):
        sentence = _SQLITE.get(getattr(error.orig, "sqlite_errorcode", 0) & 0xFF)
        return DatabaseUnavailable(sentence, error.orig) if sentence is not None else None
    state = getattr(error.orig, "sqlstate", None) or ""
    return DatabaseUnavailable(_POSTGRES.get(state) or _POSTGRES.get(state[:2]) or AWAY, error.orig)


def is_full(error: DBAPIError) -> bool:
    """Return whether SQLite has no room left on its disk."""
    return (getattr(error.orig, "sqlite_errorcode", 0) & 0xFF) == sqlite3.SQLITE_FULL
