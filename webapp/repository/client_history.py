"""What became of one client's tasks: by run, and the values it reached."""

from dataclasses import dataclass

from sqlalchemy import and_, func, select
from sqlalchemy.orm import Session

from webapp.tables import MetricPoint, Reply, Run


@dataclass(frozen=True, slots=True)
class RunShare:
    """A client's part in one run: its train tasks by outcome, and its last accuracy there."""

    run: Run
    outcomes: dict[str, int]
    accuracy: float | None
    accuracy_round: int | None


def shares_of_client(session: Session, client_id: int, limit: int = 20) -> list[RunShare]:
    """Return the newest runs that asked a client to train, the newest first."""
    tasks = (
        select(Reply.run_id, Reply.outcome, func.count())
        .where(Reply.client_id == client_id, Reply.phase == "train")
        .group_by(Reply.run_id, Reply.outcome)
    )
    outcomes: dict[int, dict[str, int]] = {}
    for run_id, outcome, amount in session.execute(tasks):
        outcomes.setdefault(run_id, {})[outcome] = amount
    newest = sorted(outcomes, reverse=True)[:limit]
    runs = {run.id: run for run in session.scalars(select(Run).where(Run.id.in_(newest)))}
    last = _last_accuracies(session, client_id, newest)
    return [RunShare(runs[r], outcomes[r], *last.get(r, (None, None))) for r in newest if r in runs]


def _last_accuracies(
    session: Session, client_id: int, run_ids: list[int]
) -> dict[int, tuple[float | None, int | None]]:
    mine = (
        MetricPoint.run_id.in_(run_ids), MetricPoint.client_id == client_id,
        MetricPoint.phase == "evaluate", MetricPoint.name == "accuracy",
    )  # fmt: skip
    last = select(MetricPoint.run_id, func.max(MetricPoint.round).label("round")).where(*mine)
    rounds = last.group_by(MetricPoint.run_id).subquery()
    same = and_(rounds.c.run_id == MetricPoint.run_id, rounds.c.round == MetricPoint.round)
    found = select(MetricPoint.run_id, MetricPoint.value, MetricPoint.round).join(rounds, same).where(*mine)
    return {run_id: (value, round_) for run_id, value, round_ in session.execute(found)}
