"""Columns that say which stop rule ended a run, and from which round on its rules count."""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns: no rule has ended a run that is there."""
    op.add_column("runs", sa.Column("stop_rule", sa.String(20)))
    op.add_column("runs", sa.Column("rules_after", sa.Integer(), server_default="0", nullable=False))


def downgrade() -> None:
    """Drop the columns."""
    op.drop_column("runs", "rules_after")
    op.drop_column("runs", "stop_rule")
