"""Migrates a database to the newest tables at start-up, and refuses one that a newer Meadow wrote."""

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, inspect

from webapp.db.database import Database
from webapp.db.database_url import DatabaseUnusable, startup_failures
from webapp.settings import asset


def migration_config(connection: Connection | None = None) -> Config:
    """Return alembic's configuration for Meadow's migrations; alembic uses ``connection`` where it is given."""
    config = Config()
    config.set_main_option("script_location", str(asset("alembic")).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def migrate_to_head(engine: Engine) -> None:
    """Run the migrations that the database lacks; raises DatabaseUnusable where a newer Meadow has migrated it."""
    with engine.begin() as connection:
        config = migration_config(connection)
        _refuse_newer(connection, config)
        command.upgrade(config, "head")


def newest_revision() -> str:
    """Return the revision of the tables that this version uses."""
    return str(ScriptDirectory.from_config(migration_config()).get_current_head())


def migrate_database(url: str) -> None:
    """Migrate the database at ``url``; raises DatabaseUnusable, whose text never holds the URL's password."""
    with startup_failures():
        database = Database(url)
        try:
            migrate_to_head(database.engine)
        finally:
            database.close()


def _refuse_newer(connection: Connection, config: Config) -> None:
    if not inspect(connection).has_table("alembic_version"):
        return
    for (revision,) in connection.exec_driver_sql("SELECT version_num FROM alembic_version"):
        try:
            ScriptDirectory.from_config(config).get_revision(revision)
        except CommandError as error:
            raise DatabaseUnusable(
                f"The database was written by a newer Meadow (its tables are at revision {revision}, which this "
                "version does not know). Start the newer version, or choose another --data-dir or --database-url."
            ) from error
