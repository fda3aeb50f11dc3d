"""One round second by second: who received, trained and sent when, who waited for whom, and who was last."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil

from sqlalchemy.orm import Session

from webapp.db.repository.clients import client_names
from webapp.db.repository.rounds import get_round
from webapp.db.repository.series import Replied, replies_between
from webapp.db.tables import Round, Run
from webapp.formatting import duration, percent, plural
from webapp.pages.wording import listed

RULERS = (
    0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20,
    30, 60, 120, 300, 600, 1800, 3600, 7200,
)  # fmt: skip
NARROW = 0.35
"""How much of a narrow page's bar the words of a ruler need."""
CLOSE = 0.05
"""Clients that are done within this share of the round are done together."""


@dataclass(frozen=True, slots=True)
class Part:
    """One piece of a client's bar, in percent of the round."""

    kind: str
    x: float
    width: float


@dataclass(frozen=True, slots=True)
class Lane:
    """One client's round: its bar, and the sums of it."""

    id: int
    name: str
    parts: list[Part]
    busy: float
    waited: float
    bytes: int
    outcome: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Ruler:
    """A line through all lanes: seconds in words, its place in percent, and whether a narrow page has room for them."""

    words: str
    place: float
    narrow: bool


@dataclass(frozen=True, slots=True)
class Timeline:
    """A round as lanes."""

    round: int
    earlier: int | None
    later: int | None
    seconds: float
    rulers: list[Ruler]
    lanes: list[Lane]
    straggler: str
    sentence: str


def timeline_of(session: Session, run: Run, asked: int | None) -> Timeline | None:
    """Return the requested round, else the last one; None where no round has trained a client."""
    number = asked if asked is not None and 1 <= asked <= run.current_round else run.current_round
    row = get_round(session, run.id, number) if number > 0 else None
    if row is None:
        return None
    replies = [one for one in replies_between(session, run.id, number, number) if one.attempt == row.attempt]
    names = client_names(session, {one.client_id for one in replies})
    by_phase: dict[str, dict[int, Replied]] = {"train": {}, "evaluate": {}}
    for one in replies:
        by_phase[one.phase][one.client_id] = one
    ids = sorted({*by_phase["train"], *by_phase["evaluate"]})
    whole = max(row.train_seconds + row.aggregate_seconds + row.evaluate_seconds, 1e-6)
    lanes = [_lane(row, whole, c, names, by_phase["train"].get(c), by_phase["evaluate"].get(c)) for c in ids]
    return Timeline(
        number, number - 1 if number > 1 else None, number + 1 if number < run.current_round else None, whole,
        _rulers(whole), lanes, *_sentence(row, lanes, by_phase["train"]),
    )  # fmt: skip


def _lane(
    row: Round, whole: float, client_id: int, names: Mapping[int, str], train: Replied | None, evaluate: Replied | None
) -> Lane:
    spans = _phase(train, 0.0, row.train_seconds, "train") if train else [("idle", 0.0, row.train_seconds)]
    after = row.train_seconds + row.aggregate_seconds
    spans.append(("agg", row.train_seconds, after))
    if evaluate is not None:
        spans += _phase(evaluate, after, row.evaluate_seconds, "eval")
    parts = [
        Part(kind, round(start / whole * 100, 2), round((end - start) / whole * 100, 2))
        for kind, start, end in spans
        if end > start
    ]
    sums = {
        kind: sum(end - start for k, start, end in spans if k == kind)
        for kind in ("down", "train", "up", "eval", "idle")
    }
    busy = sum(value for kind, value in sums.items() if kind != "idle")
    name, outcome = names.get(client_id, f"client {client_id}"), train.outcome if train else "away"
    words = {"down": "receiving", "train": "training", "up": "sending", "eval": "evaluating", "idle": "waiting"}
    said = ", ".join(f"{word} {duration(sums[kind])}" for kind, word in words.items() if sums[kind] > 0)
    sent = sum(one.bytes for one in (train, evaluate) if one is not None)
    return Lane(client_id, name, parts, busy, sums["idle"], sent, outcome, f"{name}: {said or 'no task'}")


def _phase(reply: Replied, start: float, length: float, kind: str) -> list[tuple[str, float, float]]:
    """Return the spans of one phase: the task on its way, the work, the reply on its way, and the wait for others."""
    end = start + length
    if reply.offered_at_seconds is None:
        return [("idle", start, end)]
    offered = min(start + reply.offered_at_seconds, end)
    received = min(start + (reply.received_at_seconds or reply.offered_at_seconds), end)
    began = max(start, offered - (reply.seconds or 0.0))
    return [("down", start, began), (kind, began, offered), ("up", offered, received), ("idle", received, end)]


def _rulers(whole: float) -> list[Ruler]:
    step = next((one for one in RULERS if whole / one <= 6), RULERS[-1])
    each = max(1, ceil(NARROW * whole / step))
    return [
        Ruler(
            duration(place * step) if place else "0", round(place * step / whole * 100, 2),
            place % each == 0 and place * step / whole <= 1 - NARROW,
        )
        for place in range(int(whole / step) + 1)
        if place * step / whole < 0.86
    ]  # fmt: skip


def _sentence(row: Round, lanes: Sequence[Lane], train: Mapping[int, Replied]) -> tuple[str, str]:
    """Name the client that the others waited for, and how much of all clients' time was idle."""
    idle, known = sum(lane.waited for lane in lanes), sum(lane.waited + lane.busy for lane in lanes)
    share = f"Idle time of all clients: {percent(idle / known if known else 0.0)}."
    names = {lane.id: lane.name for lane in lanes}
    missing = [
        names[c] for c, one in train.items() if one.outcome in ("late", "lost") and one.received_at_seconds is None
    ]
    if missing:
        return listed(missing), f"did not reply in time. {share}"
    done = sorted((one.received_at_seconds, c) for c, one in train.items() if one.received_at_seconds is not None)
    if len(done) < 2:
        return (names[done[0][1]], "was the only client.") if done else ("", "No client replied in this round.")
    (before, _), (last, who) = done[-2], done[-1]
    if last - before < CLOSE * max(row.train_seconds, 1e-9):
        together = f"the last two replied within {duration(last - before)}"
        return "", f"{plural(len(done), 'client')} trained, {together}. {share}"
    return names[who], f"replied last, {duration(last - before)} after the client before. {share}"
