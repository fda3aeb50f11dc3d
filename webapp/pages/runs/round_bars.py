"""The bars of the rounds of a run: one for each round, as tall as its metric, or one for several in a long run."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import isfinite
from typing import Literal

from webapp.charts.downsampling import bucket_size, downsample
from webapp.db.repository.series import Series
from webapp.db.tables import Run
from webapp.formatting import count, plural
from webapp.pages.measure import Measure

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


def bars_of(run: Run, measure: Measure, series: Series, *, active: bool) -> RoundBars:
    """Draw the rounds of a run from 1 on; a bar that stands for several is as tall as the best of them.

    ``series`` are the values of the measure. A completed round without one has a bar of the least height.
    """
    if not run.num_rounds:  # a run that trains nothing
        return RoundBars([], 0.0, "")
    each = bucket_size(run.num_rounds, MAX_BARS, MAX_BARS)
    amount = -(-run.num_rounds // each)
    step = 100 / amount
    width = min(step * 0.32, 1.2)
    best = run.best_metrics.get(measure.key) or {"round": 0, "value": 0.0}  # round 0 has no bar
    tops = _tops(measure, series, each)
    height_of = _heights(measure, tops.values())
    bars: list[Bar] = []
    top = series.mean_in(0)  # a round that was not evaluated is as tall as the one before
    for number in range(amount):
        kind = _kind(range(number * each + 1, (number + 1) * each + 1), best["round"], run.current_round, active)
        top = tops.get(number, top)
        height = MIN_HEIGHT if kind == "to-come" else height_of(top)
        if kind == "now":
            height = bars[-1].height if bars else FIRST_HEIGHT
        middle = step * (number + 0.5)
        bars.append(Bar(
            kind, round(middle - width / 2, 3), round(BASELINE - height, 1), round(height, 1), round(middle, 3),
            above=f"best {measure.write(best['value'])}" if kind == "best" else "",
            below=_tick(number, amount, each, run.num_rounds),
        ))  # fmt: skip
    return RoundBars(bars, round(width, 3), _sentence(run, measure, active))


def _tops(measure: Measure, series: Series, each: int) -> dict[int, float | None]:
    """Return the best value of the rounds of each bar; None where none of them is finite."""
    better, tops = min if measure.least else max, dict[int, float | None]()
    for row in series.rows[downsample(series, series.window(0), each).positions]:
        number, value = (int(row["round"]) - 1) // each, float(row["mean"])
        known = tops.setdefault(number, None)
        if isfinite(value):
            tops[number] = value if known is None else better(known, value)
    tops.pop(-1, None)  # round 0 has no bar
    return tops


def _heights(measure: Measure, values: Iterable[float | None]) -> Callable[[float | None], float]:
    """Return a function from a value to pixels: a share of 1, or of the range of all values and 0."""
    known = [0.0, *(value for value in values if value is not None)]
    low, high = (0.0, 1.0) if measure.is_share else (min(known), max(known))

    def height_of(value: float | None) -> float:
        if value is None or not isfinite(value) or low == high:
            return MIN_HEIGHT
        return max(MIN_HEIGHT, min(1.0, (value - low) / (high - low)) * MAX_HEIGHT)

    return height_of


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


def _sentence(run: Run, measure: Measure, active: bool) -> str:
    done = f"{count(run.current_round)} of {plural(run.num_rounds, 'round')} completed"
    is_current = active and run.current_round < run.num_rounds
    current = f", round {count(run.current_round + 1)} in progress" if is_current else ""
    return f"{done}{current}; bar height: mean {measure.word} of the round"
