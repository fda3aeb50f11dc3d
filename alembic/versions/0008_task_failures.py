"""A table for the last failed task of each client: where its app failed, and the log lines that the client shares."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table; tasks that failed before have no rows."""
    op.create_table(
        "task_failures",
        sa.Column("client_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("run_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("phase", sa.String(10), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("frames", sa.JSON(), nullable=False),
        sa.Column("log", sa.JSON()),
        sa.ForeignKeyConstraint(["client_id"], ["clients.id"], name="fk_task_failures_client_id"),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_task_failures_run_id"),
        sa.PrimaryKeyConstraint("client_id", name="pk_task_failures"),
    )


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("task_failures")
