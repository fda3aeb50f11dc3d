"""Reads that only pages need: the clients that do not fit a run, and an earlier run with the same settings."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.db.repository.runs import NOT_DELETED
from webapp.db.tables import Client, Reply, Run


def misfits(session: Session, run_id: int) -> dict[int, str]:
    """Return client -> reason of the clients whose last reply to prepare was a refusal or a failure."""
    query = select(Reply.client_id, Reply.outcome, Reply.reason).where(
        Reply.run_id + 0 == run_id, Reply.phase == "prepare", Reply.client_id.in_(select(Client.id))
    )  # + 0: by the index of clients, not by that of runs: few of a run's replies are to prepare
    last = {client_id: (outcome, reason) for client_id, outcome, reason in session.execute(query.order_by(Reply.id))}
    return {c: reason or outcome for c, (outcome, reason) in last.items() if outcome in ("refused", "failed")}


def newest_run_like(session: Session, config: Mapping[str, Any], lately: int = 50) -> Run | None:
    """Return the newest run with these settings and a committed round, of the last few with its network and data."""
    last = select(Run).where(Run.network == config["network"], Run.dataset == config["dataset"], Run.current_round > 0)
    runs = session.scalars(last.where(NOT_DELETED).order_by(Run.id.desc()).limit(lately))
    return next((run for run in runs if all(run.config.get(name) == asked for name, asked in config.items())), None)
