"""Whose account belongs to a person of an OpenID provider."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "openid_identities",
        sa.Column("issuer", sa.String(500), nullable=False),
        sa.Column("subject", sa.String(255), nullable=False),
        sa.Column("user_id", ID, nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_openid_identities_user_id"),
        sa.PrimaryKeyConstraint("issuer", "subject", name="pk_openid_identities"),
    )
    op.create_index("ix_openid_identities_user", "openid_identities", ["user_id"])


def downgrade() -> None:
    """Drop it; its people have no password to sign in with."""
    op.drop_table("openid_identities")
