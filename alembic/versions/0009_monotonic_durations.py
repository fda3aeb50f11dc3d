"""Durations of runs are measured by the monotonic clock: the wall clock can be set while a run is active."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Replace the moment from which active time counts. A run that a killed process left loses its last stretch.

    SQLite changes the table in place: a copy of it cannot take its place, because other tables refer to it.
    """
    op.add_column("runs", sa.Column("measured_at", sa.Double()))
    op.add_column("runs", sa.Column("deadline_at", sa.Double()))
    op.drop_column("runs", "stretch_started_at")


def downgrade() -> None:
    """Bring the column back; only an active run has a value there."""
    op.add_column("runs", sa.Column("stretch_started_at", sa.DateTime(timezone=True)))
    op.drop_column("runs", "deadline_at")
    op.drop_column("runs", "measured_at")
