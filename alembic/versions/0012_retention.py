"""Columns that say which runs are pinned, and whether the checkpoints and events of a run were removed."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns: no run is pinned, and each has its checkpoints and events."""
    op.add_column("runs", sa.Column("pinned", sa.Boolean(), nullable=False, server_default="0"))
    op.add_column("runs", sa.Column("contents", sa.String(10), nullable=False, server_default="whole"))
    op.add_column("runs", sa.Column("contents_at", sa.DateTime(timezone=True)))


def downgrade() -> None:
    """Drop the columns."""
    for column in ("contents_at", "contents", "pinned"):
        op.drop_column("runs", column)
