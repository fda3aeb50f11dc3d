"""Column for the spread of a round's client values, so that charts of long runs read one row per round."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column. It is NULL in existing rounds, whose spread is computed when it is read."""
    with op.batch_alter_table("rounds") as rounds:
        rounds.add_column(sa.Column("spread", sa.JSON()))


def downgrade() -> None:
    """Drop the column."""
    with op.batch_alter_table("rounds", table_kwargs={"sqlite_autoincrement": True}) as rounds:
        rounds.drop_column("spread")
