"""Reads that only pages need: sums and thinned series of one run, who does not fit it."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from webapp.db.tables import Client, MetricPoint, Reply, Round, Run


def bytes_of_run(session: Session, run_id: int) -> int:
    """Return how many bytes a run's committed rounds sent, down and up."""
    total = func.coalesce(func.sum(Round.bytes_down + Round.bytes_up), 0)
    return int(session.scalar(select(total).where(Round.run_id == run_id)) or 0)


def mean_by_round(session: Session, run: Run, name: str, most: int) -> dict[int, float | None]:
    """Return round -> aggregate of an evaluate metric, thinned out to about ``most`` rounds, the last one included."""
    step = -(-run.num_rounds // most)
    query = select(MetricPoint.round, MetricPoint.value).where(
        MetricPoint.run_id == run.id, MetricPoint.client_id.is_(None), MetricPoint.phase == "evaluate",
        MetricPoint.name == name, or_(MetricPoint.round % step == 0, MetricPoint.round == run.current_round),
    )  # fmt: skip
    return {row.round: row.value for row in session.execute(query.order_by(MetricPoint.round))}


def misfits(session: Session, run_id: int) -> dict[int, str]:
    """Return client -> reason where a client's last answer to prepare kept it out of the run."""
    query = select(Reply.client_id, Reply.outcome, Reply.reason).where(
        Reply.run_id + 0 == run_id, Reply.phase == "prepare", Reply.client_id.in_(select(Client.id))
    )  # + 0: by the index of clients, not of runs, of whose replies few are answers to prepare
    last = {client_id: (outcome, reason) for client_id, outcome, reason in session.execute(query.order_by(Reply.id))}
    return {c: reason or outcome for c, (outcome, reason) in last.items() if outcome in ("refused", "failed")}


def newest_run_like(session: Session, config: Mapping[str, Any], lately: int = 50) -> Run | None:
    """Return the newest run with a committed round that was asked so, of the last few of its network and data set."""
    last = select(Run).where(Run.network == config["network"], Run.dataset == config["dataset"], Run.current_round > 0)
    runs = session.scalars(last.order_by(Run.id.desc()).limit(lately))
    return next((run for run in runs if all(run.config.get(name) == asked for name, asked in config.items())), None)
