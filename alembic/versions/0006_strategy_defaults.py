"""Runs say which μ and momentum they have: the defaults were 0, which made FedProx and FedAvgM plain FedAvg."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

RUNS = sa.table("runs", sa.column("id", sa.BigInteger), sa.column("config", sa.JSON))
DEFAULTS = {"FedProx": "proximal_mu", "FedAvgM": "server_momentum"}


def upgrade() -> None:
    """Write down the 0 that runs of before had where they named no value, so that they resume as they began."""
    connection = op.get_bind()
    for run_id, config in connection.execute(sa.select(RUNS.c.id, RUNS.c.config)).all():
        option = DEFAULTS.get(config.get("strategy"))
        if option is not None and option not in config.get("strategy_options", {}):
            options = {**config.get("strategy_options", {}), option: 0.0}
            values = {"config": {**config, "strategy_options": options}}
            connection.execute(sa.update(RUNS).where(RUNS.c.id == run_id).values(values))


def downgrade() -> None:
    """A release with the default 0 reads the written 0 as well."""
