"""The results of a run that only evaluates: over its clients, at the server, and client by client, the worst first."""

from collections.abc import Mapping, Sequence
from math import inf

from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from federation.run.metric_goals import SERVER_PHASE, goals_of
from federation.run.networks import KERAS_NETWORKS
from federation.run.pooling import POOLED
from webapp.db.repository.metrics import points_after
from webapp.db.repository.rounds import ReplyRow, list_replies
from webapp.db.tables import Run

DECISIVE = ("accuracy", "balanced_accuracy", "auc", "rmse", "mae", "loss")
"""The first of these that clients report decides which of them are the worst; else the first with a known goal."""
MEANS_OVER_SAMPLES = frozenset({"loss", "accuracy", "mae"})
"""Of these the mean over clients, weighted by samples, is the value over the samples of all."""
MAX_POINTS = 1_000_000


class MetricResult(BaseModel):
    """One metric: its mean over clients weighted by samples, over the samples of all, and at the server."""

    name: str = Field(examples=["accuracy"])
    mean: float | None
    pooled: float | None = Field(description="Null where not every client tells the counts that it needs.")
    server: float | None


class ClientResult(BaseModel):
    """What one client measured, or why it did not."""

    client_id: int
    name: str
    outcome: str = Field(examples=["accepted"])
    reason: str | None
    samples: int | None
    seconds: float | None
    metrics: dict[str, float | None]


class EvaluationResults(BaseModel):
    """All results of the run."""

    evaluated_run: int | None
    evaluated_round: int | None
    samples: int = Field(description="Test samples of the clients whose replies count.")
    accepted: int = Field(description="Clients whose replies count.")
    metrics: list[MetricResult]
    at_server: bool
    columns: list[str] = Field(description="Names of the clients' metrics.")
    ordered_by: str | None = Field(description="The metric by which the worst client is first; null: by name.")
    clients: list[ClientResult]


def evaluation_results(session: Session, run: Run) -> EvaluationResults:
    """Return what is known by now."""
    means, server = dict[str, float | None](), dict[str, float | None]()
    by_client: dict[int, dict[str, float | None]] = {}
    for point in points_after(session, run.id, limit=MAX_POINTS):
        if point.client_id is not None:
            by_client.setdefault(point.client_id, {})[point.name] = point.value
        elif point.phase == SERVER_PHASE:
            server[point.name] = point.value
        else:
            means[point.name] = point.value
    replies = _last_replies(list_replies(session, run.id, 0, 0))
    names = [name for name in means if not name.endswith(POOLED)]
    columns = [name for name in names if any(name in values for values in by_client.values())]
    alike = MEANS_OVER_SAMPLES if run.network in KERAS_NETWORKS else frozenset[str]()
    ordered_by, less = _order(run, columns)
    clients = [
        ClientResult(
            client_id=one.client_id, name=one.client, outcome=one.outcome, reason=one.reason, samples=one.num_examples,
            seconds=one.seconds,
            metrics={name: by_client.get(one.client_id, {}).get(name) for name in columns},
        )
        for one in replies
    ]  # fmt: skip
    accepted = [one for one in clients if one.outcome == "accepted"]
    return EvaluationResults(
        evaluated_run=run.config.get("evaluated_run"), evaluated_round=run.config.get("evaluated_round"),
        samples=sum(one.samples or 0 for one in accepted), accepted=len(accepted),
        metrics=[
            MetricResult(
                name=name, mean=means.get(name), server=server.get(name),
                pooled=means.get(name if name in alike else name + POOLED),
            )
            for name in dict.fromkeys([*names, *server])
        ],
        at_server=bool(server), columns=columns, ordered_by=ordered_by,
        clients=sorted(clients, key=lambda one: _rank(one.metrics, ordered_by, less=less)),
    )  # fmt: skip


def _last_replies(replies: Sequence[ReplyRow]) -> list[ReplyRow]:
    """Return the last reply of each client to an evaluate task, else why it could not prepare, by name."""
    last: dict[int, ReplyRow] = {}
    for one in replies:
        if one.phase == "evaluate" or (one.outcome != "accepted" and one.client_id not in last):
            last[one.client_id] = one
    return sorted(last.values(), key=lambda one: (one.client, one.client_id))


def _order(run: Run, names: Sequence[str]) -> tuple[str | None, bool]:
    """Return the metric that decides, and whether less of it is better."""
    goals = goals_of(run.config)
    known = [name for name in (*DECISIVE, *names) if name in names and goals.less_is_better(name) is not None]
    return (known[0], bool(goals.less_is_better(known[0]))) if known else (None, False)


def _rank(metrics: Mapping[str, float | None], name: str | None, *, less: bool) -> float:
    """Return the place of a client in the order; one that has not evaluated, or no number, comes first."""
    value = metrics.get(name) if name is not None else 0.0
    return -inf if value is None else -value if less else value
