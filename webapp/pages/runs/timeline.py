"""One round second by second: who received, trained and sent when, who waited for whom, and who was last."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, inf

from sqlalchemy.orm import Session

from webapp.db.repository.clients import client_names
from webapp.db.repository.rounds import get_round
from webapp.db.repository.series import Replied, replies_between
from webapp.db.tables import Round, Run
from webapp.formatting import duration, percent, plural
from webapp.pages.cut import FEW, Cut, cut
from webapp.pages.runs.query import RunQuery
from webapp.pages.wording import listed

RULERS = (
    0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20,
    30, 60, 120, 300, 600, 1800, 3600, 7200,
)  # fmt: skip
NARROW = 0.35
"""How much of a narrow page's bar the words of a ruler need."""
WORDS = {"down": "receiving", "train": "training", "up": "sending", "eval": "evaluating", "idle": "waiting"}
CLOSE = 0.05
"""Clients that are done within this share of the round are done together."""


@dataclass(frozen=True, slots=True)
class Lane:
    """One client's round: what it did from when to when in seconds, as (kind, start, end); ``whole`` is the round."""

    id: int
    name: str
    spans: list[tuple[str, float, float]]
    whole: float
    bytes: int
    outcome: str
    done_at: float
    """When its update had come; infinite where none of use came, 0 where the client was not sampled to train."""

    @property
    def parts(self) -> list[tuple[str, float, float]]:
        """The pieces of its bar: kind, left edge and width, in percent of the round."""
        return [
            (kind, round(start / self.whole * 100, 2), round((end - start) / self.whole * 100, 2))
            for kind, start, end in self.spans
            if end > start
        ]

    def seconds(self, *kinds: str) -> float:
        """Return how long it did something."""
        return sum(end - start for kind, start, end in self.spans if kind in kinds)

    @property
    def busy(self) -> float:
        """How long it worked or sent."""
        return self.seconds("down", "train", "up", "eval")

    @property
    def waited(self) -> float:
        """How long it waited for others."""
        return self.seconds("idle")

    @property
    def sentence(self) -> str:
        """What the bar shows."""
        sums = {word: self.seconds(kind) for kind, word in WORDS.items()}
        said = ", ".join(f"{word} {duration(seconds)}" for word, seconds in sums.items() if seconds > 0)
        return f"{self.name}: {said or 'no task'}"


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
    lanes: Cut[Lane]
    straggler: str
    sentence: str


def timeline_of(session: Session, run: Run, query: RunQuery) -> Timeline | None:
    """Return the requested round, else the last one; None where no round has trained a client."""
    asked = query.round
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
    matching = [lane for lane in lanes if query.q.casefold() in lane.name.casefold()]
    if len(matching) > FEW:
        matching.sort(key=lambda lane: -lane.done_at)
    return Timeline(
        number, number - 1 if number > 1 else None, number + 1 if number < run.current_round else None, whole,
        _rulers(whole), cut(matching, query.page_of("timeline")), *_sentence(row, lanes, by_phase["train"]),
    )  # fmt: skip


def _lane(
    row: Round, whole: float, client_id: int, names: Mapping[int, str], train: Replied | None, evaluate: Replied | None
) -> Lane:
    spans = _phase(train, 0.0, row.train_seconds, "train") if train else [("idle", 0.0, row.train_seconds)]
    after = row.train_seconds + row.aggregate_seconds
    spans.append(("agg", row.train_seconds, after))
    if evaluate is not None:
        spans += _phase(evaluate, after, row.evaluate_seconds, "eval")
    sent = sum(one.bytes for one in (train, evaluate) if one is not None)
    outcome = train.outcome if train else "away"
    done_at = (train.received_at_seconds or 0.0) if train and outcome == "accepted" else inf if train else 0.0
    return Lane(client_id, names.get(client_id, f"client {client_id}"), spans, whole, sent, outcome, done_at)


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
