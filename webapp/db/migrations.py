"""Migrates a database to the newest tables at start-up, and refuses one that a newer Meadow wrote."""

from contextlib import closing

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
        revisions = _revisions(connection)
        if revisions == [newest_revision()]:  # as at most starts; alembic would import every migration first
            return
        config = migration_config(connection)
        _refuse_newer(revisions, config)
        command.upgrade(config, "head")


def newest_revision() -> str:
    """Return the revision of the tables that this version uses: the first part of the name of its migration."""
    return max(path.name.split("_")[0] for path in (asset("alembic") / "versions").glob("[0-9]*.py"))


def migrate_database(url: str) -> None:
    """Migrate the database at ``url``; raises DatabaseUnusable, whose text never holds the URL's password."""
    with startup_failures(), closing(Database(url)) as database:
        migrate_to_head(database.engine)


def _revisions(connection: Connection) -> list[str]:
    if not inspect(connection).has_table("alembic_version"):
        return []
    return list(connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalars())


def _refuse_newer(revisions: list[str], config: Config) -> None:
    for revision in revisions:
        try:
            ScriptDirectory.from_config(config).get_revision(revision)
        except CommandError as error:
            raise DatabaseUnusable(
                f"The database was written by a newer Meadow (its tables are at revision {revision}, which this "
                "version does not know). Start the newer version, or choose another --data-dir or --database-url."
            ) from error
