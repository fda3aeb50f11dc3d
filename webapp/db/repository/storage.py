"""What the database reports about itself: its kind, version, size and migration."""

from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.orm import Session


@dataclass(frozen=True, slots=True)
class Storage:
    """What a database reports about itself; ``size_bytes`` includes indexes and free pages."""

    kind: str
    version: str
    size_bytes: int
    migration: str


def storage_of(session: Session) -> Storage:
    """Return what the database reports about itself."""
    migration = str(session.scalar(text("SELECT version_num FROM alembic_version")) or "none")
    if session.get_bind().dialect.name == "postgresql":
        version = str(session.scalar(text("SHOW server_version")))
        size = session.scalar(text("SELECT pg_database_size(current_database())"))
        return Storage("PostgreSQL", version.split(" ")[0], int(size or 0), migration)
    pages = session.scalar(text("SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()"))
    return Storage("SQLite", str(session.scalar(text("SELECT sqlite_version()"))), int(pages or 0), migration)
