"""A made database with one long run: rounds, points and replies written in bulk, as the recorder would write them."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import insert, update

from federation.run.metric_goals import MetricGoals
from federation.run.states import RunState
from tests.support.books import Books
from webapp.db.repository.events import add_event
from webapp.db.spread import spread_of
from webapp.db.tables import METRIC_POINTS, REPLIES, ROUNDS, Run

METRICS = (
    "accuracy", "loss", "f1", "precision", "recall", "auc", "top_5", "calibration_error", "gradient_norm",
    "seconds_a_batch",
)  # fmt: skip
"""Each in training and in evaluation: 20 in all."""
OF_CLIENTS = ("accuracy", "loss")
"""What is written of each client, in evaluation: all 20 of each would make gigabytes that no page reads more of."""
AT_ONCE = 100


def make_long_run(folder: Path, rounds: int, clients: int) -> tuple[int, int]:
    """Write the run into ``folder``/meadow.db; return its id and how many points it has."""
    folder.mkdir(parents=True, exist_ok=True)
    books = Books(f"sqlite:///{folder / 'meadow.db'}", folder / "runs")
    ids = books.add_clients(*(f"client-{i:02d}" for i in range(clients)))
    run_id = books.start_run(name="Long", num_rounds=rounds, network="synthetic", dataset="synthetic")
    values, points = np.random.default_rng(7), 0
    offsets = values.normal(0, 0.05, clients)
    begun = datetime.now(UTC) - timedelta(seconds=2 * rounds)
    for first in range(0, rounds + 1, AT_ONCE):
        made = [_round(run_id, r, ids, offsets, values, begun) for r in range(first, min(first + AT_ONCE, rounds + 1))]
        with books.database.write() as session:
            connection = session.connection()
            connection.execute(insert(ROUNDS), [row for row, _, _ in made])
            connection.execute(insert(METRIC_POINTS), batch := [point for _, of_round, _ in made for point in of_round])
            connection.execute(insert(REPLIES), [reply for _, _, replies in made for reply in replies])
            for row, _, _ in made:
                add_event(session, "round", {"round": row["round"], "committed": True, "metrics": row["metrics"],
                                             "seconds": 2.0, "outcomes": row["outcomes"]}, run_id=run_id)  # fmt: skip
        points += len(batch)
    last = made[-1][0]
    with books.database.write() as session:
        best = {name: {"value": value, "round": rounds} for name, value in last["metrics"].items()}
        session.execute(update(Run).where(Run.id == run_id).values(
            current_round=rounds, num_rounds=2 * rounds, last_metrics=last["metrics"], best_metrics=best,
            checkpoint={**last["checkpoint"], "round": rounds}, started_at=begun,
        ))  # fmt: skip
    books.close()
    return run_id, points


def let_it_run(session: Any, run_id: int) -> None:
    """Make the run active again, which a start of the dashboard has interrupted."""
    session.execute(update(Run).where(Run.id == run_id).values(state=RunState.RUNNING, finished_at=None))


def _round(
    run_id: int,
    number: int,
    ids: list[int],
    offsets: np.ndarray[Any, Any],
    values: np.random.Generator,
    begun: datetime,
) -> tuple[dict[str, Any], list[dict[str, Any]], list[dict[str, Any]]]:
    reached = 0.9 - 0.8 * np.exp(-number / 1500)
    accuracy = np.clip(reached + offsets + values.normal(0, 0.01, len(ids)), 0, 1)
    of_clients = {"accuracy": accuracy, "loss": 2.3 - 2.1 * accuracy}
    means = {
        f"{phase}_{name}": float(reached * (1 - 0.05 * i))
        for phase in ("train", "evaluate")
        for i, name in enumerate(METRICS)
    }
    means |= {f"evaluate_{name}": float(of_clients[name].mean()) for name in OF_CLIENTS}
    spread = {
        f"evaluate_{name}": spread_of(name, dict(zip(ids, map(float, of_clients[name]), strict=True)), MetricGoals())
        for name in OF_CLIENTS
    }
    whole = {
        name: next(iter(spread.values())) for name in means
    } | spread  # as long a row as 20 metrics of clients make
    same = {"run_id": run_id, "round": number}
    row = {
        **same, "attempt": 1, "committed_at": begun + timedelta(seconds=2 * number), "seconds": 2.0,
        "elapsed_seconds": 2.0 * number,
        "train_seconds": 1.5, "aggregate_seconds": 0.1, "evaluate_seconds": 0.4,
        "bytes_down": 10**6 * len(ids), "bytes_up": 10**6 * len(ids),
        "outcomes": {phase: {"accepted": len(ids)} for phase in ("train", "evaluate")}, "metrics": means,
        "spread": {name: one for name, one in whole.items() if one is not None},
        "checkpoint": {"file": f"round-{number}.bin", "sha256": "0" * 64, "size_bytes": 4000},
    }  # fmt: skip
    points = _points(same, means, ids, of_clients)
    replies = [
        {**same, "attempt": 1, "phase": "train", "client_id": client_id, "outcome": "accepted", "reason": None,
         "num_examples": 100, "seconds": 1.0, "offered_at_seconds": 1.1, "received_at_seconds": 1.2,
         "bytes_down": 10**6, "bytes_up": 10**6}
        for client_id in ids
    ]  # fmt: skip
    return row, points, replies


def _points(
    same: dict[str, Any], means: dict[str, float], ids: list[int], of_clients: dict[str, np.ndarray[Any, Any]]
) -> list[dict[str, Any]]:
    """Return the points of a round: those of the aggregate, then those of the clients."""
    points = [
        {**same, "phase": name.partition("_")[0], "client_id": None, "name": name.partition("_")[2], "value": value,
         "kind": "finite"}
        for name, value in means.items()
    ]  # fmt: skip
    points += [
        {**same, "phase": "evaluate", "client_id": client_id, "name": name, "value": float(value), "kind": "finite"}
        for name in OF_CLIENTS
        for client_id, value in zip(ids, of_clients[name], strict=True)
    ]
    return points
