"""A round keeps how its clients' values were spread: charts of long runs need not read every client's points."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; NULL in rounds that are there already: theirs is measured when it is asked for."""
    with op.batch_alter_table("rounds") as rounds:
        rounds.add_column(sa.Column("spread", sa.JSON()))


def downgrade() -> None:
    """Drop the column."""
    with op.batch_alter_table("rounds", table_kwargs={"sqlite_autoincrement": True}) as rounds:
        rounds.drop_column("spread")
