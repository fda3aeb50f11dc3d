"""Reads a metric of a run as a series over its rounds, clients' values of it, and replies.

Series are kept by ``charts``, which asks here only for the rounds that it has not got yet.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from federation.run.metric_goals import SERVER_PHASE, goals_of
from webapp.db.spread import Spread, spread_of
from webapp.db.tables import METRIC_POINTS, ROUNDS, Client, MetricPoint, Reply, Run

Values = dict[int, float | None]
"""Round -> value, None where the value is not finite."""
ROW = np.dtype([
    ("round", np.int64), ("elapsed", np.float64), ("work", np.float64), ("sent", np.int64), ("mean", np.float64),
    *((name, np.float64) for name in Spread._fields),
])  # fmt: skip
NO_SPREAD = ",".join(["nan"] * len(Spread._fields))
OLD_FIELDS = 6
"""A spread that an earlier release stored ends before its samples."""


@dataclass(frozen=True, slots=True)
class Series:
    """One metric of a run by committed round, oldest first. Never changed once made.

    A row has the round, how many seconds the run had been active by then, seconds of work and bytes sent up to it, the
    mean, and the fields of ``Spread``. The mean is NaN where it is not finite or was not reported; ``non_finite`` maps
    the rounds of the former to nan, inf or -inf. The spread is NaN where no client had a finite value.
    """

    rows: npt.NDArray[np.void] = field(default_factory=lambda: np.zeros(0, ROW))
    non_finite: dict[int, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, column: str) -> npt.NDArray[Any]:
        return self.rows[column]

    def extended(self, newer: "Series") -> "Series":
        """Return this series with the rounds of a newer one behind it, whose sums continue those of this one."""
        rows = np.concatenate([self.rows, newer.rows])
        for name in ("work", "sent"):
            rows[name][len(self) :] += self[name][-1:].sum()
        return Series(rows, self.non_finite | newer.non_finite)

    def window(self, after: int, last: int | None = None) -> slice:
        """Return the positions of the rounds after one, up to one."""
        start = int(np.searchsorted(self["round"], after, side="right"))
        stop = len(self) if last is None else int(np.searchsorted(self["round"], last, side="right"))
        return slice(start, max(start, stop))

    def position(self, round_: int) -> int | None:
        """Return where a round stands; None where it is not committed."""
        window = self.window(round_ - 1, round_)
        return window.start if window.start < window.stop else None

    def mean_in(self, round_: int) -> float | None:
        """Return the mean of a round: None where it was not reported, NaN where it is not finite."""
        at = self.position(round_)
        if at is None or (np.isnan(self["mean"][at]) and round_ not in self.non_finite):
            return None
        return float(self["mean"][at])

    def round_before(self, round_: int) -> int:
        """Return the round before one in this series; -1 where there is none."""
        return int(self["round"][: self.window(round_ - 1).start].max(initial=-1))

    def spread_in(self, round_: int) -> Spread | None:
        """Return the spread of a round's clients; None where no client had a finite value."""
        at = self.position(round_)
        if at is None or np.isnan(self["clients"][at]):
            return None
        clients, low, p10, p90, high, *ids = self.rows[list(Spread._fields)][at].tolist()
        return Spread(int(clients), low, p10, p90, high, *map(int, ids))

    def first_reaching(self, value: float, *, least: bool) -> int | None:
        """Return the position of the first round after round 0 with a mean of at least a value; ``least``: at most."""
        reaches = (self["mean"] <= value if least else self["mean"] >= value) & (self["round"] > 0)
        return int(np.argmax(reaches)) if reaches.any() else None


def read_series(
    session: Session, run_id: int, phase: str, name: str, *, after: int = -1, sparse: bool = False
) -> Series:
    """Read a metric of the rounds after one; work and bytes are summed up from there.

    With ``sparse`` the series has only the rounds in which the metric was reported.
    """
    of_round = and_(
        METRIC_POINTS.c.run_id == ROUNDS.c.run_id, METRIC_POINTS.c.client_id.is_(None), METRIC_POINTS.c.phase == phase,
        METRIC_POINTS.c.name == name, METRIC_POINTS.c.round == ROUNDS.c.round,
    )  # fmt: skip
    query = select(
        ROUNDS.c.round, METRIC_POINTS.c.kind, ROUNDS.c.spread.is_(None), ROUNDS.c.spread[f"{phase}_{name}"].as_string(),
        ROUNDS.c.elapsed_seconds, ROUNDS.c.seconds, ROUNDS.c.bytes_down + ROUNDS.c.bytes_up, METRIC_POINTS.c.value,
    ).outerjoin(METRIC_POINTS, of_round).where(ROUNDS.c.run_id == run_id, ROUNDS.c.round > after)  # fmt: skip
    found = session.connection().execute(query.order_by(ROUNDS.c.round)).all()
    rounds, kinds, is_old, stored, elapsed, seconds, sent, mean = zip(*found, strict=True) if found else [()] * 8
    # one text for all: ten thousand lists of a JSON parser keep the garbage collector busy
    text = ",".join(_numbers(spread) if spread else NO_SPREAD for spread in stored)
    spreads = np.fromstring(text, sep=",").reshape(-1, len(Spread._fields))
    if any(is_old):
        _measure_old(session, run_id, phase, name, rounds, spreads)
    rows = np.zeros(len(found), ROW)
    rows["round"], rows["elapsed"], rows["mean"] = rounds, elapsed, np.array(mean, np.float64)
    rows["work"], rows["sent"] = np.cumsum(seconds), np.cumsum(sent)
    for name_, column in zip(Spread._fields, spreads.T, strict=True):
        rows[name_] = column
    rows = rows[[kind is not None for kind in kinds]] if sparse else rows
    return Series(rows, {r: kind for r, kind in zip(rounds, kinds, strict=True) if kind not in (None, "finite")})


def _numbers(spread: str) -> str:
    missing = len(Spread._fields) - OLD_FIELDS if spread.count(",") == OLD_FIELDS - 1 else 0
    return spread.strip("[]") + missing * ",0"


def _measure_old(
    session: Session, run_id: int, phase: str, name: str, rounds: Sequence[int], spreads: npt.NDArray[np.float64]
) -> None:
    """Fill in the spread of rounds of an earlier release, which stored none."""
    clients = [client_id for client_id, _ in clients_of_run(session, run_id)]
    goals = goals_of(session.scalar(select(Run.config).where(Run.id == run_id)) or {})
    found = values_of(session, run_id, phase, name, clients, first=rounds[0])
    for at, round_ in enumerate(rounds):
        values = {client_id: of[round_] for client_id, of in found.items() if round_ in of}
        if np.isnan(spreads[at, 0]) and (spread := spread_of(name, values, goals)) is not None:
            spreads[at] = spread


def values_of(
    session: Session, run_id: int, phase: str, name: str, clients: Collection[int], *,
    first: int = 0, only: Collection[int] | None = None,
) -> dict[int, Values]:  # fmt: skip
    """Return client -> round -> value, of the rounds from ``first`` on or of ``only`` some.

    Clients are named, so that the index leads straight to their points.
    """
    if not clients:
        return {}
    query = select(MetricPoint.client_id, MetricPoint.round, MetricPoint.value).where(
        MetricPoint.run_id == run_id, MetricPoint.client_id.in_(clients), MetricPoint.phase == phase,
        MetricPoint.name == name, MetricPoint.round >= first,
    )  # fmt: skip
    query = query if only is None else query.where(MetricPoint.round.in_(only))
    found: dict[int, Values] = {}
    for client_id, round_, value in session.execute(query):
        found.setdefault(client_id or 0, {})[round_] = value
    return found


def server_values(session: Session, run_id: int, name: str, rounds: Collection[int] | None = None) -> Values:
    """Return round -> value of what the server measured, of all rounds or of some between the first and the last."""
    query = select(MetricPoint.round, MetricPoint.value).where(
        MetricPoint.run_id == run_id, MetricPoint.client_id.is_(None), MetricPoint.phase == SERVER_PHASE,
        MetricPoint.name == name,
    )  # fmt: skip
    if rounds is not None:
        if not rounds:
            return {}
        query = query.where(MetricPoint.round.between(min(rounds), max(rounds)))
    return {row.round: row.value for row in session.execute(query.order_by(MetricPoint.round))}


def clients_of_run(session: Session, run_id: int) -> Sequence[tuple[int, str]]:
    """Return id and name of every client with a value in a run, by id: one look-up in the index for each client."""
    point = select(MetricPoint.id).where(MetricPoint.run_id == run_id, MetricPoint.client_id == Client.id).limit(1)
    named = select(Client.id, Client.name).where(point.exists())
    return session.execute(named.order_by(Client.id)).all()


def clients_with_tasks(session: Session, run_id: int, first: int, last: int) -> set[int]:
    """Return the clients that had a task in rounds ``first`` to ``last`` of a run."""
    tasks = select(Reply.client_id).where(Reply.run_id == run_id, Reply.round.between(first, last))
    return set(session.scalars(tasks.where(Reply.phase != "prepare").distinct()))


@dataclass(frozen=True, slots=True)
class Replied:
    """The outcome of a client's task; times are seconds since its phase began."""

    round: int
    attempt: int
    phase: str
    client_id: int
    outcome: str
    seconds: float | None
    offered_at_seconds: float | None
    received_at_seconds: float | None
    bytes: int


def replies_between(
    session: Session, run_id: int, first: int, last: int, clients: Collection[int] | None = None
) -> list[Replied]:  # fmt: skip
    """Return the replies of rounds ``first`` to ``last``, of all clients or some; earlier attempts first."""
    columns = (
        Reply.round, Reply.attempt, Reply.phase, Reply.client_id, Reply.outcome, Reply.seconds,
        Reply.offered_at_seconds, Reply.received_at_seconds, Reply.bytes_down + Reply.bytes_up,
    )  # fmt: skip
    query = select(*columns).where(Reply.run_id == run_id, Reply.round.between(first, last), Reply.phase != "prepare")
    query = query if clients is None else query.where(Reply.client_id.in_(clients))
    return [Replied(*row) for row in session.execute(query.order_by(Reply.round, Reply.attempt))]
