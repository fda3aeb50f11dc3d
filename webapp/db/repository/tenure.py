"""PostgreSQL's advisory lock by which one dashboard holds a schema, and who has it."""

from sqlalchemy import Connection, text

_KEY = 0x4D656164  # "Mead"
_SCHEMA = "coalesce((SELECT oid FROM pg_namespace WHERE nspname = current_schema()), 0)"
_LOCK = f"""
    l.locktype = 'advisory' AND l.granted AND l.classid = {_KEY} AND l.objid = {_SCHEMA} AND l.objsubid = 2
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"""
_TAKE = text(f"SELECT pg_try_advisory_lock({_KEY}, {_SCHEMA}::oid::int4), pg_backend_pid()")
_HELD = text(f"SELECT 1 FROM pg_locks l WHERE l.pid = :pid AND {_LOCK}")
_HOLDER = text(f"""
    SELECT l.pid, a.application_name FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid WHERE {_LOCK}""")
_NAME = text("SELECT set_config('application_name', :name, false)")
_LIVELY = text("""
    SELECT set_config('tcp_keepalives_idle', '30', false), set_config('tcp_keepalives_interval', '10', false),
        set_config('tcp_keepalives_count', '3', false)""")


def take(connection: Connection) -> int | None:
    """Take the lock for as long as the connection lives; return its server process, None where another has it.

    A holder whose machine is gone loses it within a minute: the server asks its line for a sign of life.
    """
    connection.execute(_LIVELY)
    taken, pid = connection.execute(_TAKE).one()
    return int(pid) if taken else None


def name(connection: Connection, who: str) -> None:
    """Let others see who has the lock; at most 63 characters are kept."""
    connection.execute(_NAME, {"name": who[:63]})


def is_held_by(connection: Connection, pid: int) -> bool:
    """Say whether the server process of our lock still has it; any connection may ask."""
    return connection.execute(_HELD, {"pid": pid}).first() is not None


def holder(connection: Connection) -> tuple[int, str | None] | None:
    """Return the server process that has the lock and who that is, where it may be seen; None when it is free."""
    row = connection.execute(_HOLDER).first()
    return (int(row[0]), row[1]) if row is not None else None


def end(connection: Connection, pid: int) -> None:
    """End a server process of ours whose line is cut: it would keep the lock."""
    connection.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
