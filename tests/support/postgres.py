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


class Postgres:
    """A server with an empty database; as root it runs as user postgres, which it insists on."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._as_user = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
        if self._as_user:
            shutil.chown(folder, "postgres", "postgres")
        self.url = f"postgresql+psycopg://meadow@/postgres?host={folder}"
        self._call("initdb", "-D", self._data, "-U", "meadow", "--auth=trust", "--no-sync", "-E", "UTF8")

    @property
    def _data(self) -> str:
        return str(self._folder / "data")

    def start(self) -> None:
        """Start it and wait until it answers."""
        options = f"-k {self._folder} -c listen_addresses='' -F"
        self._call("pg_ctl", "-D", self._data, "-l", str(self._folder / "log"), "-w", "-o", options, "start")

    def stop(self) -> None:
        """Stop it as a power cut would: every connection is lost."""
        self._call("pg_ctl", "-D", self._data, "-m", "immediate", "-w", "stop")

    def _call(self, program: str, *arguments: str) -> None:
        path = find(program)
        assert path is not None, f"{program} is not installed"
        said = subprocess.run(
            [*self._as_user, path, *arguments], cwd="/", capture_output=True, text=True, timeout=60
        )  # fmt: skip
        assert said.returncode == 0, said.stderr + said.stdout


@contextmanager
def postgres_server() -> Iterator[Postgres]:
    """Give a running server, which the test may stop and start."""
    folder = Path(tempfile.mkdtemp(prefix="meadow-pg-"))
    try:
        server = Postgres(folder)
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def running_postgres() -> Iterator[str]:
    """Give the SQLAlchemy URL of an empty database."""
    with postgres_server() as server:
        yield server.url


def emptied(url: str) -> str:
    """Drop all that is in the database; return its address."""
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    engine.dispose()
    return url
