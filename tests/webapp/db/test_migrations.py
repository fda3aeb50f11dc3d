"""Migrations up and down on SQLite and PostgreSQL, and databases that are refused with a sentence."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect, text

from webapp.db.database import Database
from webapp.db.database_url import DatabaseUnusable
from webapp.db.migrations import migrate_database, migration_config
from webapp.db.tables import Row


def test_there_is_one_newest_migration() -> None:
    assert len(ScriptDirectory.from_config(migration_config()).get_heads()) == 1


def test_every_migration_goes_up_down_and_up_again(database_url: str) -> None:
    database = Database(database_url)
    revisions = [script.revision for script in ScriptDirectory.from_config(migration_config()).walk_revisions()]
    with database.engine.begin() as connection:
        config = migration_config(connection)
        for revision in reversed(revisions):
            command.upgrade(config, revision)
            command.downgrade(config, "-1")
            command.upgrade(config, revision)
        command.downgrade(config, "base")
        assert inspect(connection).get_table_names() == ["alembic_version"]
    database.close()


def test_migrations_make_the_tables_that_the_code_has(database_url: str) -> None:
    migrate_database(database_url)
    database = Database(database_url)
    with database.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Row.metadata) == []
    database.close()


def test_a_newer_database_is_refused_with_a_sentence(database_url: str) -> None:
    migrate_database(database_url)
    engine = create_engine(database_url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(DatabaseUnusable, match=r"written by a newer Meadow.*9999.*--data-dir"):
        migrate_database(database_url)


def test_a_database_that_does_not_answer_is_named_without_its_password() -> None:
    with pytest.raises(DatabaseUnusable, match="--database-url") as caught:
        migrate_database("postgresql+psycopg://meadow:open-sesame@127.0.0.1:1/meadow")
    assert "open-sesame" not in str(caught.value)


def test_the_file_of_another_program_is_refused(tmp_path: Path) -> None:
    (tmp_path / "meadow.db").write_bytes(b"no database at all, but long enough to be looked at" * 40)
    with pytest.raises(DatabaseUnusable, match="not a database"):
        migrate_database(f"sqlite:///{tmp_path / 'meadow.db'}")


def test_migrating_twice_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "meadow.db"
    migrate_database(f"sqlite:///{file}")

    def tables() -> list[Any]:
        with sqlite3.connect(file) as connection:
            rows = connection.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()
        connection.close()
        return rows

    before = tables()
    migrate_database(f"sqlite:///{file}")
    assert tables() == before
