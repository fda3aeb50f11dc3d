"""Runs say who started, resumed and stopped them."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

COLUMNS = ("started_by", "resumed_by", "stopped_by")


def upgrade() -> None:
    """Add the columns; of earlier runs nobody knows."""
    for name in COLUMNS:
        op.add_column("runs", sa.Column(name, sa.String(100)))


def downgrade() -> None:
    """Drop them."""
    for name in COLUMNS:
        op.drop_column("runs", name)
