"""Runs the migrations on the given connection; from alembic's command line, on the database of the settings."""

from alembic import context
from sqlalchemy import Connection, Engine

from webapp.db.database import Database
from webapp.db.tables import Row
from webapp.settings import Settings


def migrate(connection: Connection) -> None:
    """Run the migrations in one transaction."""
    context.configure(
        connection=connection, target_metadata=Row.metadata, render_as_batch=connection.dialect.name == "sqlite"
    )
    with context.begin_transaction():
        context.run_migrations()


given: Connection | Engine | None = context.config.attributes.get("connection")
if isinstance(given, Connection):
    migrate(given)
else:
    engine = given or Database(Settings().sqlalchemy_url).engine
    with engine.connect() as connection:
        migrate(connection)
        connection.commit()
