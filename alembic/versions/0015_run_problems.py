"""Table with how often each client's replies in a run were not accepted: events need not be counted for it."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the table, and count what the events of replies tell."""
    problems = op.create_table(
        "run_problems",
        sa.Column("run_id", ID, nullable=False),
        sa.Column("client_id", ID, nullable=False),
        sa.Column("outcome", sa.String(10), nullable=False),
        sa.Column("times", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text()),
        sa.ForeignKeyConstraint(["client_id"], ["clients.id"], name="fk_run_problems_client_id"),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_run_problems_run_id"),
        sa.PrimaryKeyConstraint("run_id", "client_id", "outcome", name="pk_run_problems"),
    )
    events = sa.table("run_events", *map(sa.column, ("run_id", "client_id", "type")), sa.column("data", sa.JSON()))
    outcome, reason = (events.c.data[name].as_string() for name in ("outcome", "reason"))
    counted = sa.select(events.c.run_id, events.c.client_id, outcome, sa.func.count(), sa.func.max(reason)).where(
        events.c.type == "reply", outcome != "accepted", events.c.client_id.is_not(None), events.c.run_id.is_not(None)
    )
    columns = ["run_id", "client_id", "outcome", "times", "reason"]
    op.execute(problems.insert().from_select(columns, counted.group_by(events.c.run_id, events.c.client_id, outcome)))


def downgrade() -> None:
    """Drop the table; the events have what it says."""
    op.drop_table("run_problems")
