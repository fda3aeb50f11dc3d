"""Reads the URL of the database, says how its server is reached, and turns start-up failures into sentences."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

EXAMPLES = "sqlite:////folder/meadow.db and postgresql://user:password@host/database"
_CONNECT_OPTIONS = {
    "connect_timeout": 10, "keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3,
    "tcp_user_timeout": 30_000, "client_encoding": "utf8",
}  # fmt: skip
"""libpq parameters in seconds, the user timeout in milliseconds: a dead connection fails after half a minute."""


class DatabaseUnusable(Exception):
    """The database is of another kind, was written by a newer Meadow, or does not answer; the text says what to do."""


def parse_database_url(url: str) -> URL:
    """Return the URL with its driver. Raises DatabaseUnusable for another kind of database, or ArgumentError."""
    parsed = make_url(url)
    if parsed.drivername in ("postgresql", "postgres"):
        return parsed.set(drivername="postgresql+psycopg")
    kind = parsed.get_backend_name()
    if kind not in ("sqlite", "postgresql"):
        raise DatabaseUnusable(f"--database-url: {kind} is not supported. Supported are {EXAMPLES}.")
    return parsed


def connect_options(url: URL) -> dict[str, Any]:
    """Return timeouts and encoding of a PostgreSQL connection, without those that the URL sets itself."""
    return {name: value for name, value in _CONNECT_OPTIONS.items() if name not in url.query}


@contextmanager
def startup_failures() -> Iterator[None]:
    """Raise DatabaseUnusable for every failure of a first connection. Its text never holds the URL's password."""
    try:
        yield
    except DBAPIError as error:
        cause = " ".join(str(error.orig).split())
        raise DatabaseUnusable(f"The database cannot be used: {cause}. See the setting --database-url.") from error
    except ArgumentError as error:
        raise DatabaseUnusable(f"--database-url is not a database URL. Examples are {EXAMPLES}.") from error
    except (NoSuchModuleError, ImportError) as error:
        driver = getattr(error, "name", None) or "for it"
        raise DatabaseUnusable(
            f"--database-url: the driver {driver} is not installed. "
            "For PostgreSQL install Meadow with its extra: pip install 'meadow[postgres]'."
        ) from error
