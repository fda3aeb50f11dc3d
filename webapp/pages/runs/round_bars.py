"""The bars of the rounds of a run: one for each round, as tall as its accuracy, or one for several in a long run."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, isfinite
from typing import Literal

from webapp.formatting import count, percent

MAX_BARS = 60
MAX_HEIGHT, BASELINE, MIN_HEIGHT = 40.0, 52.0, 4.0  # pixels; the baseline from above
FIRST_HEIGHT = 12.0
"""Of the bar of the current round while no round has ended."""

Kind = Literal["bar", "best", "now", "to-come"]


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: left edge and middle in percent of the width, y and height in pixels, and the texts above and below."""

    kind: Kind
    x: float
    y: float
    height: float
    middle: float
    above: str = ""
    below: str = ""


@dataclass(frozen=True, slots=True)
class RoundBars:
    """All bars of a run, the width of each in percent, and a sentence that says the same."""

    bars: list[Bar]
    width: float
    sentence: str


def draw_round_bars(
    accuracy: Mapping[int, float | None], current_round: int, num_rounds: int, *, active: bool
) -> RoundBars:
    """Draw the rounds of a run; ``accuracy`` maps a round (from 1) to the mean accuracy of the clients.

    A completed round without a value has a bar of the least height: its accuracy is unknown.
    """
    each = max(1, ceil(num_rounds / MAX_BARS))
    amount = ceil(num_rounds / each)
    step = 100 / amount
    width = min(step * 0.32, 1.2)
    known = {r: value for r, value in accuracy.items() if r > 0 and value is not None and isfinite(value)}
    best = max(known, key=lambda r: known[r], default=0)
    bars: list[Bar] = []
    for place in range(amount):
        rounds = range(place * each + 1, min(num_rounds, (place + 1) * each) + 1)
        shown = best if best in rounds else max((r for r in rounds if r in known), default=0)
        kind = _kind(rounds, best, current_round, active)
        height = max(MIN_HEIGHT, min(1.0, known.get(shown, 0.0)) * MAX_HEIGHT)
        if kind == "now":
            height = bars[-1].height if bars else FIRST_HEIGHT
        elif kind == "to-come":
            height = MIN_HEIGHT
        middle = step * (place + 0.5)
        bars.append(Bar(
            kind, round(middle - width / 2, 3), round(BASELINE - height, 1), round(height, 1), round(middle, 3),
            above=f"best {percent(known[best])}" if kind == "best" else "",
            below=_tick(place, amount, each, num_rounds),
        ))  # fmt: skip
    return RoundBars(bars, round(width, 3), _sentence(current_round, num_rounds, active))


def _kind(rounds: range, best: int, current_round: int, active: bool) -> Kind:
    if best in rounds:
        return "best"
    if rounds[0] <= current_round:
        return "bar"
    return "now" if active and rounds[0] <= current_round + 1 else "to-come"


def _tick(place: int, amount: int, each: int, num_rounds: int) -> str:
    if place == 0:
        return "1"
    if place == amount - 1:
        return str(num_rounds)
    every = 5 if amount <= 30 else 10
    last = (place + 1) * each
    return str(last) if (place + 1) % every == 0 and amount - 1 - place >= every // 3 else ""


def _sentence(current_round: int, num_rounds: int, active: bool) -> str:
    done = {0: "No round is committed", 1: f"Round 1 of {count(num_rounds)} is committed"}.get(
        current_round, f"Rounds 1 to {count(current_round)} of {count(num_rounds)} are committed"
    )
    under_way = f", round {count(current_round + 1)} is under way" if active and current_round < num_rounds else ""
    return f"{done}{under_way}; the height is the mean accuracy of each round"
