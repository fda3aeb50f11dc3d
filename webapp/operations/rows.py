"""Converts the events of a run to rows of the tables and to the data of stored events. Pure: nothing here writes."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import chain
from math import isfinite
from typing import Any

from federation.run.events import AttemptFailed, Blocked, Checkpoint, Metrics, ReplyRecorded, RoundDone
from federation.run.metric_goals import BestRound, MetricGoals, better_round
from webapp.db.spread import Spread, spreads_of, with_fairness
from webapp.db.tables import RunProblem
from webapp.sanitizing import MAX_TEXT, clean_line, clean_text

MAX_METRIC_NAME, MAX_REASON = 100, 500
MAX_PROBLEMS, MAX_PROBLEM = 3, 120
WITH_PROBLEMS = "Completed with problems: "
"""So begins the reason of a completed run in which a reply was not accepted."""
_PROBLEMS = {"failed": "failed", "refused": "was rejected", "late": "was late", "lost": "was lost"}
Row = dict[str, Any]


def round_row(done: RoundDone, replies: Iterable[ReplyRecorded], goals: MetricGoals) -> Row:
    """Return the row of a committed round, with the counts and sums of its attempt's replies."""
    replies, outcomes = list(replies), dict[str, dict[str, int]]()
    down = up = 0
    for reply in replies:
        of_phase = outcomes.setdefault(reply.phase, {})
        of_phase[reply.outcome] = of_phase.get(reply.outcome, 0) + 1
        down, up = down + reply.bytes_down, up + reply.bytes_up
    return {
        "run_id": done.run_id, "round": done.round, "attempt": done.attempt, "committed_at": datetime.now(UTC),
        "seconds": done.seconds, "train_seconds": done.train_seconds, "aggregate_seconds": done.aggregate_seconds,
        "evaluate_seconds": done.evaluate_seconds, "bytes_down": down, "bytes_up": up, "outcomes": outcomes,
        "metrics": flat_metrics(done), "checkpoint": checkpoint_data(done.checkpoint),
        "confusion": {"counts": done.confusion, "clients": done.confusion_clients} if done.confusion else None,
        "spread": {_name(name): spread for name, spread in with_fairness(spreads_of(replies, goals), done).items()},
    }  # fmt: skip


def with_measured(done: RoundDone, replies: Sequence[ReplyRecorded]) -> Sequence[ReplyRecorded]:
    """Return the replies of a round, those of training with what the server measured of their updates."""
    if not done.measured:
        return replies
    return [
        replace(reply, metrics={**reply.metrics, **measured})
        if reply.phase == "train" and (measured := done.measured.get(reply.client_id)) else reply
        for reply in replies
    ]  # fmt: skip


def reply_row(reply: ReplyRecorded) -> Row:
    """Return the row of a reply. Its metrics are metric points, which are written when the round commits."""
    return {
        "run_id": reply.run_id, "round": reply.round, "attempt": reply.attempt, "phase": reply.phase,
        "client_id": reply.client_id, "outcome": reply.outcome, "reason": _reason(reply.reason),
        "num_examples": reply.num_examples, "seconds": reply.seconds, "offered_at_seconds": reply.offered_at_seconds,
        "received_at_seconds": reply.received_at_seconds, "bytes_down": reply.bytes_down, "bytes_up": reply.bytes_up,
    }  # fmt: skip


def failure_row(reply: ReplyRecorded) -> Row | None:
    """Return the row of a failed task of which the client says more than a reason; else None."""
    if reply.failure is None:
        return None
    frames = [{name: clean_text(str(value), MAX_TEXT) if isinstance(value, str) else value
               for name, value in frame.items()} for frame in reply.failure.get("frames", [])]  # fmt: skip
    lines = reply.failure.get("log")
    return {
        "client_id": reply.client_id, "run_id": reply.run_id, "round": reply.round, "phase": reply.phase,
        "at": datetime.now(UTC), "error": _reason(reply.reason) or "", "frames": frames,
        "log": None if lines is None else [clean_line(line) for line in lines],
    }  # fmt: skip


def point_rows(done: RoundDone, replies: Iterable[ReplyRecorded]) -> list[Row]:
    """Return the metric points of a round: the aggregates, then those of each accepted reply."""
    aggregates = ("train", None, done.train_metrics), ("evaluate", None, done.evaluate_metrics)
    accepted = ((reply.phase, reply.client_id, reply.metrics) for reply in replies if reply.outcome == "accepted")
    return metric_points(done.run_id, done.round, chain(aggregates, accepted))


def metric_points(run_id: int, round_: int, measured: Iterable[tuple[str, int | None, Metrics]]) -> list[Row]:
    """Return the points of a round's metrics, each with phase and client id; None: over clients, or of the server."""
    return [
        {"run_id": run_id, "round": round_, "phase": phase, "client_id": client_id, "name": _name(name),
         "value": value if (finite := isfinite(value)) else None, "kind": "finite" if finite else str(float(value))}
        for phase, client_id, metrics in measured
        for name, value in metrics.items()
    ]  # fmt: skip


def flat_metrics(done: RoundDone) -> dict[str, float | None]:
    """Return a round's aggregates by names such as ``evaluate_accuracy``; None where a value is not finite."""
    metrics = {f"train_{name}": value for name, value in done.train_metrics.items()}
    metrics |= {f"evaluate_{name}": value for name, value in done.evaluate_metrics.items()}
    return {_name(name): value if isfinite(value) else None for name, value in metrics.items()}


def last_metrics(done: RoundDone, row: Row, before: Row) -> Row:
    """Return the last value of each metric: after a round without evaluation, those of the last one that had one."""
    kept = {} if done.is_evaluated else {n: value for n, value in before.items() if n.startswith("evaluate_")}
    return kept | dict(row["metrics"])


def best_metrics(
    best: Row, number: int, metrics: Mapping[str, float | None], spread: Mapping[str, Spread], goals: MetricGoals
) -> Row:
    """Return the best value of each metric with its round and its number of clients, after a round's metrics.

    None where it is unknown which values are better.
    """
    better = dict(best)
    for name, value in metrics.items():
        phase, _, metric = name.partition("_")
        less = goals.less_is_better(metric)
        if value is None or less is None:
            continue
        known = BestRound.of(better.get(name))
        new = BestRound(number, value, metrics.get(f"{phase}_loss"))
        if better_round(new, known, less=less) is new:
            clients = spread[name].clients if name in spread else None
            better[name] = {"round": number, "value": value, "loss": new.loss, "clients": clients}
    return better


def checkpoint_data(checkpoint: Checkpoint | None) -> Row:
    """Return the file of a round's weights, with its hash and size; nothing of a round whose weights nobody keeps."""
    if checkpoint is None:
        return {}
    return {"file": checkpoint.file, "sha256": checkpoint.sha256, "size_bytes": checkpoint.size_bytes}


def reply_event(reply: ReplyRecorded) -> Row:
    """Return the data of a ``reply`` event."""
    return {
        "client_id": reply.client_id, "round": reply.round, "attempt": reply.attempt, "phase": reply.phase,
        "outcome": reply.outcome, "reason": _reason(reply.reason),
    }  # fmt: skip


def round_event(done: RoundDone, row: Row, last_metric_id: int) -> Row:
    """Return the data of a committed round's ``round`` event."""
    return {
        "round": done.round, "attempt": done.attempt, "committed": True, "seconds": done.seconds,
        "metrics": row["metrics"], "outcomes": row["outcomes"], "last_metric_id": last_metric_id,
        **({"saved": False} if done.checkpoint is None else {}),
    }  # fmt: skip


def failed_event(failed: AttemptFailed, last_metric_id: int) -> Row:
    """Return the data of the ``round`` event of an attempt that committed nothing."""
    return {
        "round": failed.round, "attempt": failed.attempt, "committed": False, "reason": _reason(failed.reason),
        "last_metric_id": last_metric_id,
    }  # fmt: skip


def completion_reason(problems: Sequence[RunProblem], names: Mapping[int, str]) -> str | None:
    """Say what went wrong in a completed run, the most frequent problem of a client first; None where nothing did."""
    said = [
        f"{names.get(one.client_id, f'client {one.client_id}')} {_PROBLEMS[one.outcome]} {one.times:,} "
        f"{'time' if one.times == 1 else 'times'}" + (f" ({one.reason[:MAX_PROBLEM]})" if one.reason else "")
        for one in problems[:MAX_PROBLEMS]
    ]
    if len(problems) > MAX_PROBLEMS:
        said.append(f"{len(problems) - MAX_PROBLEMS:,} more")
    return f"{WITH_PROBLEMS}{'; '.join(said)}" if said else None


def blocked_on(blocked: Blocked | None) -> tuple[Row | None, float | None]:
    """Return what a run waits for, as it is stored and shown, and its deadline on the monotonic clock.

    Both are None where it waits for nothing, the second where it has no deadline.
    """
    if blocked is None or blocked.kind is None:
        return None, None
    since, seconds = datetime.now(UTC), blocked.deadline_seconds
    deadline = None if seconds is None else iso(since + timedelta(seconds=seconds))
    return {
        "kind": blocked.kind, "sentence": clean_text(blocked.sentence, MAX_REASON), "since": iso(since),
        "deadline": deadline, "actions": list(blocked.actions),
    }, None if seconds is None else time.monotonic() + seconds  # fmt: skip


def iso(at: datetime) -> str:
    """Return a UTC time in the format of pages and streams."""
    return at.isoformat().replace("+00:00", "Z")


@lru_cache(maxsize=4096)
def _name(name: str) -> str:
    """Clean a metric's name, cached because all replies have the same. SQLite's JSON paths cannot contain a quote."""
    return clean_text(name, MAX_METRIC_NAME).replace('"', "'")


def _reason(reason: str | None) -> str | None:
    return None if reason is None else clean_text(reason, MAX_REASON)
