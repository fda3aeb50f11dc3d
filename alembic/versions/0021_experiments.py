"""A table for experiments, and columns that say which runs are theirs."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the table and the columns: every run that is there is a run of its own."""
    op.create_table(
        "experiments",
        sa.Column("id", _ID, nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("config", sa.JSON(), nullable=False),
        sa.Column("varied", sa.JSON(), nullable=False),
        sa.Column("seeds", sa.JSON(), nullable=False),
        sa.Column("configurations", sa.Integer(), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("finished_at", _TIME),
        sa.Column("started_by", sa.String(100)),
        sa.Column("moved_by", sa.String(100)),
        sa.PrimaryKeyConstraint("id", name="pk_experiments"),
        sqlite_autoincrement=True,
    )
    op.add_column("runs", sa.Column("experiment_id", _ID))
    op.add_column("runs", sa.Column("configuration", sa.Integer()))
    op.add_column("runs", sa.Column("low_priority", sa.Boolean(), nullable=False, server_default="0"))
    op.create_index("ix_runs_experiment_id", "runs", ["experiment_id", "configuration"])


def downgrade() -> None:
    """Drop both."""
    op.drop_index("ix_runs_experiment_id", "runs")
    for column in ("low_priority", "configuration", "experiment_id"):
        op.drop_column("runs", column)
    op.drop_table("experiments")
