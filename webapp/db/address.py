"""Where the database is: its URL read, what cannot be one told in a sentence, and how long its server may be silent."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

POSSIBLE = "sqlite:////folder/meadow.db and postgresql://user:password@host/database"
_REACH = {
    "connect_timeout": 10, "keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}  # fmt: skip
"""Seconds, but for the last, which is milliseconds: a line that is dead is given up after half a minute."""


class DatabaseUnfit(Exception):
    """The database is none of ours, was written by a newer Meadow, or does not answer; the sentence says what to do."""


def read_address(url: str) -> URL:
    """Return the address of a database that Meadow can work on; raises DatabaseUnfit, ArgumentError."""
    address = make_url(url)
    if address.drivername in ("postgresql", "postgres"):
        return address.set(drivername="postgresql+psycopg")
    kind = address.get_backend_name()
    if kind not in ("sqlite", "postgresql"):
        raise DatabaseUnfit(f"--database-url: a database of the kind {kind} cannot be used; what can is {POSSIBLE}.")
    return address


def reach(address: URL) -> dict[str, Any]:
    """Return how a PostgreSQL server is to be reached, where its URL does not say otherwise."""
    return {name: value for name, value in _REACH.items() if name not in address.query}


@contextmanager
def fit_or_told() -> Iterator[None]:
    """Raise DatabaseUnfit for whatever keeps a database from being used, with nothing of its password in it."""
    try:
        yield
    except DBAPIError as error:
        cause = " ".join(str(error.orig).split())
        raise DatabaseUnfit(f"The database cannot be used: {cause}. See the setting --database-url.") from error
    except ArgumentError as error:
        raise DatabaseUnfit(f"--database-url is no address of a database; one looks like {POSSIBLE}.") from error
    except (NoSuchModuleError, ImportError) as error:
        driver = getattr(error, "name", None) or "for it"
        raise DatabaseUnfit(
            f"--database-url: the driver {driver} is not installed. "
            "For PostgreSQL install Meadow with its extra: pip install 'meadow[postgres]'."
        ) from error
