"""A column for what the clients of a statistics run have told."""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column: no run has collected statistics yet."""
    op.add_column("runs", sa.Column("statistics", sa.JSON()))


def downgrade() -> None:
    """Drop the column."""
    op.drop_column("runs", "statistics")
