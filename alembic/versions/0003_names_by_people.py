"""A client's name may be given by a person; what the client calls itself is then kept beside it."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; clients that are there already are called what they say."""
    with op.batch_alter_table("clients") as clients:
        clients.add_column(sa.Column("said_name", sa.String(64)))


def downgrade() -> None:
    """Drop the column; names that people gave stay until the client says another."""
    with op.batch_alter_table("clients", table_kwargs={"sqlite_autoincrement": True}) as clients:
        clients.drop_column("said_name")
