"""Tables for trackers: how far they have read the events, and what MLflow has of each run."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create the tables; of an earlier database nothing has been sent."""
    op.create_table(
        "tracking_cursors",
        sa.Column("tracker", sa.String(600), nullable=False),
        sa.Column("event_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tracker", name="pk_tracking_cursors"),
    )
    op.create_table(
        "mlflow_runs",
        sa.Column("id", ID, nullable=False),
        sa.Column("server", sa.String(500), nullable=False),
        sa.Column("run_id", ID, nullable=False),
        sa.Column("client_id", ID),
        sa.Column("key", sa.String(36), nullable=False),
        sa.Column("mlflow_id", sa.String(256)),
        sa.Column("experiment_id", sa.String(64)),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("sent_round", sa.Integer(), nullable=False),
        sa.Column("sent_point", sa.BigInteger(), nullable=False),
        sa.Column("sent_state", sa.String(40), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("error", sa.String(300), nullable=False),
        sa.Column("next_try_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_mlflow_runs_run_id"),
        sa.ForeignKeyConstraint(["client_id"], ["clients.id"], name="fk_mlflow_runs_client_id"),
        sa.PrimaryKeyConstraint("id", name="pk_mlflow_runs"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_mlflow_runs_run", "mlflow_runs", ["run_id", "server"])


def downgrade() -> None:
    """Drop the tables."""
    op.drop_table("mlflow_runs")
    op.drop_table("tracking_cursors")
