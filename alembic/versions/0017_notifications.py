"""Tables for notifications: channels and deliveries."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the tables; an earlier database has no channels."""
    op.create_table(
        "notification_channels",
        sa.Column("id", ID, nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("events", sa.JSON(), nullable=False),
        sa.Column("target_metric", sa.String(100)),
        sa.Column("target_value", sa.Double()),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_notification_channels"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "notification_deliveries",
        sa.Column("id", ID, nullable=False),
        sa.Column("channel_id", ID, nullable=False),
        sa.Column("delivery_id", sa.String(36), nullable=False),
        sa.Column("key", sa.String(200), nullable=False),
        sa.Column("event", sa.String(20), nullable=False),
        sa.Column("message", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.String(300), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("next_try_at", TIME, nullable=False),
        sa.Column("tried_at", TIME),
        sa.ForeignKeyConstraint(
            ["channel_id"], ["notification_channels.id"], name="fk_notification_deliveries_channel_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_notification_deliveries"),
        sa.UniqueConstraint("channel_id", "key", name="uq_notification_deliveries_key"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_notification_deliveries_due", "notification_deliveries", ["state", "next_try_at"])


def downgrade() -> None:
    """Drop the tables."""
    op.drop_table("notification_deliveries")
    op.drop_table("notification_channels")
