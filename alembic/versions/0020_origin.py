"""A column that says where an imported run comes from."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column: every run that is there was made here."""
    op.add_column("runs", sa.Column("origin", sa.JSON()))


def downgrade() -> None:
    """Drop the column."""
    op.drop_column("runs", "origin")
