"""Columns for the schema of a client's own data, and for the schema that the clients of a run agreed on."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns: no client has told a schema yet."""
    op.add_column("clients", sa.Column("data_schema", sa.JSON()))
    op.add_column("runs", sa.Column("agreed_schema", sa.JSON()))


def downgrade() -> None:
    """Drop the columns."""
    op.drop_column("runs", "agreed_schema")
    op.drop_column("clients", "data_schema")
