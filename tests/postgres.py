"""A PostgreSQL server for one test session, on a Unix socket of its own folder."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import create_engine, text

PLACES = [*sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)]


def find(program: str) -> str | None:
    """Return the path of one of PostgreSQL's programs, which Debian keeps off the PATH."""
    return next((str(place / program) for place in PLACES if (place / program).exists()), shutil.which(program))


@contextmanager
def running_postgres() -> Iterator[str]:
    """Give the SQLAlchemy URL of an empty database; as root the server runs as user postgres, which it insists on."""
    folder = Path(tempfile.mkdtemp(prefix="meadow-pg-"))
    as_user = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
    if as_user:
        shutil.chown(folder, "postgres", "postgres")

    def call(program: str, *arguments: str) -> None:
        path = find(program)
        assert path is not None, f"{program} is not installed"
        log = subprocess.run([*as_user, path, *arguments], cwd="/", capture_output=True, text=True, timeout=60)
        assert log.returncode == 0, log.stderr + log.stdout

    data, log = str(folder / "data"), str(folder / "log")
    call("initdb", "-D", data, "-U", "meadow", "--auth=trust", "--no-sync", "-E", "UTF8")
    call("pg_ctl", "-D", data, "-l", log, "-w", "-o", f"-k {folder} -c listen_addresses='' -F", "start")
    try:
        yield f"postgresql+psycopg://meadow@/postgres?host={folder}"
    finally:
        call("pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
        shutil.rmtree(folder, ignore_errors=True)


def emptied(url: str) -> str:
    """Drop all that is in the database; return its address."""
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    engine.dispose()
    return url
