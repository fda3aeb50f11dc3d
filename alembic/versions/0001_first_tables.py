"""First tables: runs, rounds, replies, metric points, clients, run events."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the tables; a table comes before those that refer to it."""
    _create_clients()
    _create_runs()
    _create_rounds()
    _create_replies()
    _create_metric_points()
    _create_run_events()


def downgrade() -> None:
    """Drop the tables."""
    for table in ("run_events", "metric_points", "replies", "rounds", "runs", "clients"):
        op.drop_table(table)


def _key(table: str) -> sa.PrimaryKeyConstraint:
    return sa.PrimaryKeyConstraint("id", name=f"pk_{table}")


def _points_to(table: str, column: str, target: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{target}.id"], name=f"fk_{table}_{column}")


def _create_clients() -> None:
    op.create_table(
        "clients",
        sa.Column("id", ID, nullable=False),
        sa.Column("public_key", sa.Text(), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("lane", sa.String(10), nullable=False),
        sa.Column("node_id", sa.String(20)),
        sa.Column("left_out", sa.Boolean(), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.Column("versions", sa.JSON(), nullable=False),
        sa.Column("first_seen_at", TIME, nullable=False),
        sa.Column("last_seen_at", TIME, nullable=False),
        _key("clients"),
        sa.UniqueConstraint("public_key", name="uq_clients_public_key"),
        sqlite_autoincrement=True,
    )


def _create_runs() -> None:
    op.create_table(
        "runs",
        sa.Column("id", ID, nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("config", sa.JSON(), nullable=False),
        sa.Column("network", sa.String(50), nullable=False),
        sa.Column("dataset", sa.String(50), nullable=False),
        sa.Column("strategy", sa.String(50), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("reason", sa.Text()),
        sa.Column("blocked_on", sa.JSON()),
        sa.Column("held", sa.Boolean(), nullable=False),
        sa.Column("num_rounds", sa.Integer(), nullable=False),
        sa.Column("current_round", sa.Integer(), nullable=False),
        sa.Column("last_metrics", sa.JSON(), nullable=False),
        sa.Column("best_metrics", sa.JSON(), nullable=False),
        sa.Column("checkpoint", sa.JSON()),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("queued_at", TIME, nullable=False),
        sa.Column("started_at", TIME),
        sa.Column("stretch_started_at", TIME),
        sa.Column("active_seconds", sa.Double(), nullable=False),
        sa.Column("finished_at", TIME),
        _key("runs"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_runs_state", "runs", ["state"])


def _create_rounds() -> None:
    op.create_table(
        "rounds",
        sa.Column("id", ID, nullable=False),
        sa.Column("run_id", ID, nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("committed_at", TIME, nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.Column("train_seconds", sa.Double(), nullable=False),
        sa.Column("aggregate_seconds", sa.Double(), nullable=False),
        sa.Column("evaluate_seconds", sa.Double(), nullable=False),
        sa.Column("bytes_down", sa.BigInteger(), nullable=False),
        sa.Column("bytes_up", sa.BigInteger(), nullable=False),
        sa.Column("outcomes", sa.JSON(), nullable=False),
        sa.Column("metrics", sa.JSON(), nullable=False),
        sa.Column("checkpoint", sa.JSON(), nullable=False),
        _key("rounds"),
        _points_to("rounds", "run_id", "runs"),
        sqlite_autoincrement=True,
    )
    op.create_index("uq_rounds_run_id_round", "rounds", ["run_id", "round"], unique=True)


def _create_replies() -> None:
    op.create_table(
        "replies",
        sa.Column("id", ID, nullable=False),
        sa.Column("run_id", ID, nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("phase", sa.String(10), nullable=False),
        sa.Column("client_id", ID, nullable=False),
        sa.Column("outcome", sa.String(10), nullable=False),
        sa.Column("reason", sa.Text()),
        sa.Column("num_examples", sa.BigInteger()),
        sa.Column("seconds", sa.Double()),
        sa.Column("offered_at_seconds", sa.Double()),
        sa.Column("received_at_seconds", sa.Double()),
        sa.Column("bytes_down", sa.BigInteger(), nullable=False),
        sa.Column("bytes_up", sa.BigInteger(), nullable=False),
        _key("replies"),
        _points_to("replies", "run_id", "runs"),
        _points_to("replies", "client_id", "clients"),
    )
    op.create_index("uq_replies_task", "replies", ["run_id", "round", "attempt", "phase", "client_id"], unique=True)
    op.create_index("ix_replies_client", "replies", ["client_id", "phase", "id", "outcome"])


def _create_metric_points() -> None:
    op.create_table(
        "metric_points",
        sa.Column("id", ID, nullable=False),
        sa.Column("run_id", ID, nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("phase", sa.String(10), nullable=False),
        sa.Column("client_id", ID),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("value", sa.Double()),
        sa.Column("kind", sa.String(6), nullable=False),
        _key("metric_points"),
        _points_to("metric_points", "run_id", "runs"),
        _points_to("metric_points", "client_id", "clients"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_metric_points_run", "metric_points", ["run_id", "id"])
    op.create_index("ix_metric_points_series", "metric_points", ["run_id", "client_id", "phase", "name", "round"])


def _create_run_events() -> None:
    op.create_table(
        "run_events",
        sa.Column("id", ID, nullable=False),
        sa.Column("run_id", ID),
        sa.Column("client_id", ID),
        sa.Column("type", sa.String(20), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        _key("run_events"),
        _points_to("run_events", "run_id", "runs"),
        _points_to("run_events", "client_id", "clients"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_run_events_run", "run_events", ["run_id", "id"])
    op.create_index("ix_run_events_client", "run_events", ["client_id", "id"])
