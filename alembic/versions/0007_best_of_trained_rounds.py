"""The best round of a metric is one that was trained: it could be round 0, which evaluates the initial weights."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

RUNS = sa.table("runs", sa.column("id", sa.BigInteger), sa.column("best_metrics", sa.JSON))
ROUNDS = sa.table(
    "rounds", sa.column("run_id", sa.BigInteger), sa.column("round", sa.Integer), sa.column("metrics", sa.JSON)
)


def upgrade() -> None:
    """Replace round 0 by the best of the later rounds; a metric without a later value has no best round."""
    connection = op.get_bind()
    for run_id, best in connection.execute(sa.select(RUNS.c.id, RUNS.c.best_metrics)).all():
        initial = {name: one["value"] for name, one in best.items() if one["round"] == 0}
        if not initial:
            continue
        trained = sa.select(ROUNDS.c.round, ROUNDS.c.metrics).where(ROUNDS.c.run_id == run_id, ROUNDS.c.round > 0)
        rounds = connection.execute(trained).all()
        found = {name: _best(name, value, rounds) for name, value in initial.items()}
        kept = {name: one for name, one in {**best, **found}.items() if one is not None}
        connection.execute(sa.update(RUNS).where(RUNS.c.id == run_id).values(best_metrics=kept))


def _best(name: str, initial: float, rounds: Any) -> dict[str, Any] | None:
    """Return the round next to the value of round 0: all are worse than that one, so the nearest is the best."""
    loss = f"{name.partition('_')[0]}_loss"
    known = [
        {"round": number, "value": metrics[name], "loss": metrics.get(loss)}
        for number, metrics in rounds
        if metrics.get(name) is not None
    ]
    infinite = float("inf")
    return min(known, default=None, key=lambda one: (
        abs(one["value"] - initial), infinite if one["loss"] is None else one["loss"], -one["round"]
    ))  # fmt: skip


def downgrade() -> None:
    """A release in which round 0 may be the best reads another best round as well."""
