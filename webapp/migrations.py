"""Brings a database to the newest tables at start-up, and refuses one that a newer Meadow wrote."""

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Engine, inspect
from sqlalchemy.engine import Connection

from webapp.settings import asset


class NewerDatabase(Exception):
    """The database was written by a newer Meadow."""


def migration_config(connection: Connection | None = None) -> Config:
    """Return alembic's configuration for our scripts, on a connection where one is given."""
    config = Config()
    config.set_main_option("script_location", str(asset("alembic")).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def migrate_to_head(engine: Engine) -> None:
    """Run the migrations that the database has not had; raises NewerDatabase for one that knows more than we do."""
    with engine.begin() as connection:
        config = migration_config(connection)
        _refuse_newer(connection, config)
        command.upgrade(config, "head")


def _refuse_newer(connection: Connection, config: Config) -> None:
    if not inspect(connection).has_table("alembic_version"):
        return
    for (revision,) in connection.exec_driver_sql("SELECT version_num FROM alembic_version"):
        try:
            ScriptDirectory.from_config(config).get_revision(revision)
        except CommandError as error:
            raise NewerDatabase(
                f"The database was written by a newer Meadow (its tables are at revision {revision}, which this "
                "version does not know). Start the newer version, or choose another --data-dir or --database-url."
            ) from error
