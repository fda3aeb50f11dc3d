"""A table for join codes: the hash of each code's secret, until when it is good, and who used it."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "join_codes",
        sa.Column("id", _ID, nullable=False),
        sa.Column("secret_hash", sa.String(64), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("created_by", sa.String(100), nullable=False),
        sa.Column("expires_at", _TIME, nullable=False),
        sa.Column("used_at", _TIME),
        sa.Column("client_id", _ID),
        sa.Column("revoked_at", _TIME),
        sa.Column("name", sa.String(64)),
        sa.Column("dataset", sa.String(40)),
        sa.Column("partition", sa.Integer()),
        sa.Column("partitions", sa.Integer()),
        sa.ForeignKeyConstraint(["client_id"], ["clients.id"], name="fk_join_codes_client_id", ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name="pk_join_codes"),
        sa.UniqueConstraint("secret_hash", name="uq_join_codes_secret_hash"),
        sqlite_autoincrement=True,
    )


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("join_codes")
