"""Column for the name that a client reports, where a person gave the client another name."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column. Existing clients have the names that they report."""
    with op.batch_alter_table("clients") as clients:
        clients.add_column(sa.Column("said_name", sa.String(64)))


def downgrade() -> None:
    """Drop the column. Names that people gave stay until the client connects again."""
    with op.batch_alter_table("clients", table_kwargs={"sqlite_autoincrement": True}) as clients:
        clients.drop_column("said_name")
