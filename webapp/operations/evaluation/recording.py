"""Writes what the server measured of a committed round on held-out data: metrics of the phase ``server``."""

from math import isfinite

from sqlalchemy.orm import Session

from federation.run.events import ServerEvaluated
from federation.run.metric_goals import SERVER_PHASE, MetricGoals
from webapp.db.repository.events import add_event
from webapp.db.repository.metrics import insert_points, last_metric_id
from webapp.db.repository.rounds import add_measured, get_round
from webapp.db.repository.runs import get_run, metrics_of, set_values
from webapp.db.spread import Spread
from webapp.operations.rows import best_metrics, metric_points


def write_server_evaluation(session: Session, done: ServerEvaluated) -> None:
    """Add the metrics to the round and to the run; nothing where the round has them, or is not there."""
    run, round_ = get_run(session, done.run_id), get_round(session, done.run_id, done.round)
    metrics = {f"{SERVER_PHASE}_{name}": value if isfinite(value) else None for name, value in done.metrics.items()}
    if run is None or round_ is None or any(name in round_.metrics for name in metrics):
        return
    add_measured(session, round_, metrics, {
        name: Spread(0, value, value, value, value, 0, done.samples)
        for name, value in metrics.items() if value is not None
    })  # fmt: skip
    insert_points(session, metric_points(done.run_id, done.round, [(SERVER_PHASE, None, done.metrics)]))
    best, goals, last = metrics_of(session, run.id) or ({}, MetricGoals(), {})
    best = best_metrics(best, done.round, metrics, {}, goals)
    if done.round == run.current_round:
        last = {**last, **metrics}
    set_values(session, run.id, best_metrics=best, last_metrics=last)
    add_event(session, "server_evaluation", {
        "round": done.round, "metrics": metrics, "samples": done.samples, "confusion": done.confusion,
        "last_metric_id": last_metric_id(session, run.id),
    }, run_id=run.id)  # fmt: skip
