"""The plot in parallel coordinates: an axis for each varied setting and one for the metric, a line a configuration."""

from collections.abc import Sequence
from dataclasses import dataclass

from webapp.formatting import share_of_range
from webapp.pages.experiments.results import Configuration, Results

WIDTH, HEIGHT, TOP, BOTTOM = 150, 240, 34, 24
MAX_TICKS = 9
"""Of an axis with more values the first, the last, and some between them are written."""


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis: its place, its label, and the texts of its values with their heights."""

    x: float
    label: str
    ticks: list[tuple[float, str]]


@dataclass(frozen=True, slots=True)
class Line:
    """The line of one configuration; ``tone`` is 0 for the worst mean and 6 for the best."""

    points: str
    tone: int
    best: bool


@dataclass(frozen=True, slots=True)
class ParallelPlot:
    """The whole plot, in units of its view box."""

    width: int
    height: int
    axes: list[Axis]
    lines: list[Line]


def parallel_plot(results: Results) -> ParallelPlot | None:
    """Return the plot; None where nothing is varied, or no two configurations have a value."""
    shown = [one for one in results.configurations if one.sample.mean is not None and one.runs]
    if not results.varied or len(shown) < 2:
        return None
    columns = [_column(results, place, shown) for place in range(len(results.varied))]
    means = [one.sample.mean or 0.0 for one in shown]
    low, high = min(means), max(means)
    axes = [Axis(_x(place), varied.label, _ticks(columns[place][1])) for place, varied in enumerate(results.varied)]
    ends = [(low, results.measure.write(low)), (high, results.measure.write(high))]
    last = Axis(_x(len(axes)), f"{results.which} {results.measure.word}", [(_height(v, low, high), t) for v, t in ends])
    best = results.best.number if results.best is not None else 0
    lines = []
    for at, one in enumerate(shown):
        heights = [*(column[0][at] for column in columns), _height(means[at], low, high)]
        points = " ".join(f"{_x(place):g},{height:.1f}" for place, height in enumerate(heights))
        share = share_of_range(means[at], low, high)
        tone = round(6 * (1 - share if results.measure.least else share))
        lines.append(Line(points, tone, one.number == best))
    return ParallelPlot(
        WIDTH * (len(axes) + 1), HEIGHT, [*axes, last], sorted(lines, key=lambda line: (line.best, line.tone))
    )


def _x(place: int) -> float:
    return WIDTH * (place + 0.5)


def _height(value: float, low: float, high: float) -> float:
    return TOP + (HEIGHT - TOP - BOTTOM) * (1 - share_of_range(value, low, high))


def _column(results: Results, place: int, shown: Sequence[Configuration]) -> tuple[list[float], dict[str, float]]:
    """Return the height of each configuration on the axis of a setting, and that of each text."""
    varied = results.varied[place]
    values = {one.settings[place]: varied.value(one.runs[0].config) for one in shown}
    are_numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values.values())
    texts = sorted(values, key=lambda text: values[text]) if are_numbers else list(values)
    heights = {text: _height(at, 0, len(texts) - 1) for at, text in enumerate(texts)}
    return [heights[one.settings[place]] for one in shown], heights


def _ticks(heights: dict[str, float]) -> list[tuple[float, str]]:
    found = [(height, text) for text, height in heights.items()]
    step = max(1, -(-len(found) // MAX_TICKS))
    return [one for at, one in enumerate(found) if at % step == 0 or at == len(found) - 1]
