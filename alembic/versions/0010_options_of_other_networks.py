"""A stored run has no options of other networks: those of an own model said digits, IID and adam."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

RUNS = sa.table(
    "runs", sa.column("id", sa.BigInteger), sa.column("network", sa.String), sa.column("dataset", sa.String),
    sa.column("config", sa.JSON),
)  # fmt: skip
OF_KERAS = {"dataset", "partitioner", "batch_size", "optimizer", "loss", "steps_per_epoch", "data_seed"}
OF_TRAINING = {"local_epochs", "learning_rate"}
OF_SYNTHETIC = {"synthetic_parameters", "synthetic_seconds"}
OF_CUSTOM = {"initial_weights", "app_config"}
DROPPED = {"synthetic": OF_KERAS | OF_TRAINING | OF_CUSTOM, "custom": OF_KERAS | OF_SYNTHETIC}
DATA = {"synthetic": "synthetic", "custom": "own data"}


def upgrade() -> None:
    """Drop them, and name the data of networks that train on no data set."""
    connection = op.get_bind()
    for run_id, network, dataset, config in connection.execute(
        sa.select(RUNS.c.id, RUNS.c.network, RUNS.c.dataset, RUNS.c.config)
    ).all():
        dropped = DROPPED.get(network, OF_SYNTHETIC | OF_CUSTOM)
        kept = {name: value for name, value in config.items() if name not in dropped}
        values = {"config": kept, "dataset": DATA.get(network, dataset)}
        connection.execute(sa.update(RUNS).where(RUNS.c.id == run_id).values(values))


def downgrade() -> None:
    """A release with these options reads their defaults."""
