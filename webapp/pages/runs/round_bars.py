"""The bars of the rounds of a run: one for each round, as tall as its accuracy, or one for several in a long run."""

from dataclasses import dataclass
from math import isfinite
from typing import Literal

from webapp.charts.downsampling import bucket_size, downsample
from webapp.db.repository.series import Series
from webapp.db.tables import Run
from webapp.formatting import count, percent, plural

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


def bars_of(run: Run, accuracy: Series, *, active: bool) -> RoundBars:
    """Draw the rounds of a run from 1 on; a bar that stands for several is as tall as the best of them.

    A completed round without a value has a bar of the least height: its accuracy is unknown.
    """
    if not run.num_rounds:  # a run that trains nothing
        return RoundBars([], 0.0, "")
    each = bucket_size(run.num_rounds, MAX_BARS, MAX_BARS)
    amount = -(-run.num_rounds // each)
    step = 100 / amount
    width = min(step * 0.32, 1.2)
    best = run.best_metrics.get("evaluate_accuracy") or {"round": 0, "value": 0.0}  # round 0 has no bar
    tops = {(best["round"] - 1) // each: best["value"]}
    for row in accuracy.rows[downsample(accuracy, accuracy.window(0), each).positions]:
        number, value = (int(row["round"]) - 1) // each, float(row["mean"])
        tops[number] = max(tops.get(number, 0.0), value if isfinite(value) else 0.0)
    bars: list[Bar] = []
    first = accuracy.mean_in(0) or 0.0
    top = first if isfinite(first) else 0.0  # a round that was not evaluated is as tall as the one before
    for number in range(amount):
        kind = _kind(range(number * each + 1, (number + 1) * each + 1), best["round"], run.current_round, active)
        top = tops.get(number, top)
        height = MIN_HEIGHT if kind == "to-come" else max(MIN_HEIGHT, min(1.0, top) * MAX_HEIGHT)
        if kind == "now":
            height = bars[-1].height if bars else FIRST_HEIGHT
        middle = step * (number + 0.5)
        bars.append(Bar(
            kind, round(middle - width / 2, 3), round(BASELINE - height, 1), round(height, 1), round(middle, 3),
            above=f"best {percent(best['value'])}" if kind == "best" else "",
            below=_tick(number, amount, each, run.num_rounds),
        ))  # fmt: skip
    return RoundBars(bars, round(width, 3), _sentence(run.current_round, run.num_rounds, active))


def _kind(rounds: range, best: int, current_round: int, active: bool) -> Kind:
    if best in rounds:
        return "best"
    if rounds[0] <= current_round:
        return "bar"
    return "now" if active and rounds[0] == current_round + 1 else "to-come"


def _tick(number: int, amount: int, each: int, num_rounds: int) -> str:
    """Return the round below a bar: the first, the last, and every fifth or tenth that has room."""
    if number == 0:
        return "1"
    if number == amount - 1:
        return str(num_rounds)
    every = 5 if amount <= 30 else 10
    last = (number + 1) * each
    return str(last) if (number + 1) % every == 0 and amount - 1 - number >= every // 3 else ""


def _sentence(current_round: int, num_rounds: int, active: bool) -> str:
    done = f"{count(current_round)} of {plural(num_rounds, 'round')} completed"
    current = f", round {count(current_round + 1)} in progress" if active and current_round < num_rounds else ""
    return f"{done}{current}; bar height: mean accuracy of the round"
