"""Columns for what people do with a run after its start: pause, exclude clients, note, tag, archive."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns. Existing runs are not pausing, exclude no client, and have no note.

    The defaults are constants, so SQLite alters the table in place and keeps its AUTOINCREMENT.
    """
    with op.batch_alter_table("runs") as runs:
        runs.add_column(sa.Column("pausing", sa.Boolean(), nullable=False, server_default="0"))
        runs.add_column(sa.Column("excluded", sa.JSON(), nullable=False, server_default="[]"))
        runs.add_column(sa.Column("note", sa.Text(), nullable=False, server_default=""))
        runs.add_column(sa.Column("tags", sa.JSON(), nullable=False, server_default="[]"))
        runs.add_column(sa.Column("archived_at", sa.DateTime(timezone=True)))


def downgrade() -> None:
    """Drop the columns."""
    with op.batch_alter_table("runs", table_kwargs={"sqlite_autoincrement": True}) as runs:
        for column in ("archived_at", "tags", "note", "excluded", "pausing"):
            runs.drop_column(column)
