"""Column for the time for which a run had been active at the end of a round, by the monotonic clock.

Charts draw it instead of the moments of the commits, which jump with the clock of the machine.
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column. An existing round has the durations of the rounds up to it; its waits are not known."""
    op.add_column("rounds", sa.Column("elapsed_seconds", sa.Double(), nullable=False, server_default="0"))
    op.execute("""
        UPDATE rounds SET elapsed_seconds = sums.elapsed FROM (
            SELECT id, SUM(seconds) OVER (PARTITION BY run_id ORDER BY round) AS elapsed FROM rounds
        ) AS sums WHERE sums.id = rounds.id
    """)


def downgrade() -> None:
    """Drop the column."""
    op.drop_column("rounds", "elapsed_seconds")
