"""A column for the confusion matrix of a round, summed over the clients that share theirs."""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column: no round has one yet."""
    op.add_column("rounds", sa.Column("confusion", sa.JSON()))


def downgrade() -> None:
    """Drop the column."""
    op.drop_column("rounds", "confusion")
