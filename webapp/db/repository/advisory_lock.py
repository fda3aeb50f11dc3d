"""PostgreSQL's advisory lock of a schema. It is taken on a connection of psycopg that no pool has yet."""

from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import Connection, text

if TYPE_CHECKING:
    import psycopg

MAX_NAME = 63
"""Number of characters that PostgreSQL keeps of a connection's name."""
_KEY = 0x4D656164  # "Mead"
_SCHEMA = "coalesce((SELECT oid FROM pg_namespace WHERE nspname = current_schema()), 0)"
_NAME = text("SELECT set_config('application_name', :name, false)")
_TAKE = f"""
    SELECT pg_backend_pid(), pg_try_advisory_lock({_KEY}, {_SCHEMA}::oid::int4),
        set_config('tcp_keepalives_idle', '30', false), set_config('tcp_keepalives_interval', '10', false),
        set_config('tcp_keepalives_count', '3', false), set_config('tcp_user_timeout', '60000', false),
        set_config('application_name', %(name)s, false)"""
_HOLDER = f"""
    SELECT l.pid, coalesce(a.application_name, '') FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid
    WHERE l.locktype = 'advisory' AND l.granted AND l.classid = {_KEY} AND l.objid = {_SCHEMA} AND l.objsubid = 2
        AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"""


class Holder(NamedTuple):
    """The backend that has the lock, by its process id; ``name`` is empty where the database's user may not see it."""

    pid: int
    name: str
    is_this: bool = False


def take(connection: "psycopg.Connection[Any]", name: str) -> Holder:
    """Take the lock until the connection ends, or return the other backend that has it. Others see ``name``.

    The server sends keepalives on this connection: when the machine of a dashboard is lost, the lock is free again
    after a minute.
    """
    while True:
        pid, taken, *_ = connection.execute(_TAKE, {"name": name[:MAX_NAME]}).fetchone() or (0, False)
        connection.commit()
        if taken:
            return Holder(pid, name, is_this=True)
        if other := connection.execute(_HOLDER).fetchone():  # none where it was released in between
            return Holder(*other)


def show_name(connection: Connection, name: str) -> None:
    """Change the name that others see, on the connection that has the lock."""
    connection.execute(_NAME, {"name": name[:MAX_NAME]})


def end_backend(connection: "psycopg.Connection[Any]", pid: int) -> None:
    """End a backend of this dashboard whose connection broke without the server's notice: it would keep the lock."""
    connection.execute("SELECT pg_terminate_backend(%(pid)s)", {"pid": pid})
