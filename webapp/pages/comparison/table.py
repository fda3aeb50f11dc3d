"""Runs side by side: their results, when each reached the target, and the settings in which they differ."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from federation.learning.evaluation_data import measured_on, split_seed
from federation.run.states import ACTIVE
from webapp.charts.cohorts import cohort_of
from webapp.charts.downsampling import bucket_size
from webapp.charts.series_cache import SeriesCache
from webapp.db.repository.clients import client_names
from webapp.db.repository.series import Series
from webapp.db.tables import Run
from webapp.formatting import count, plural
from webapp.pages.comparison.colours import MAX_RUNS, slots_of
from webapp.pages.measure import Measure
from webapp.pages.runs.charts import cohort_words, fewer_clients, titles_of
from webapp.pages.start.fields import config_lines
from webapp.pages.wording import run_numbers

TABLE_ROUNDS = 60
DIFFERENT_DATA = "measured on different data"
SEEDS = ("name", "seed", "data_seed")
"""What differs between runs that repeat each other."""


@dataclass(frozen=True, slots=True)
class Reached:
    """The round in which a run first met the target; seconds and bytes of the rounds up to it."""

    round: int
    seconds: float
    bytes: int


@dataclass(frozen=True)
class Side:
    """One run of a comparison. ``slot`` is its colour, see ``slots_of``; ``series`` are those of the charts."""

    run: Run
    slot: int
    best: float | None
    best_round: int | None
    last: float | None
    worst: float | None
    reached: Reached | None
    clients: str
    best_clients: str
    """``2 of 3 clients`` where the best value is not that of all clients of the run; else empty."""
    series: dict[str, Series]

    @property
    def active(self) -> bool:
        """Whether the run is still active."""
        return self.run.state in ACTIVE


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting in which the runs differ, with the value of each; ``unusual`` are those unlike the most common."""

    name: str
    values: list[str]
    unusual: list[bool]


@dataclass(frozen=True, slots=True)
class Comparison:
    """All that the page of a comparison shows; ``more`` are the metrics that may have a chart beside the usual ones."""

    sides: list[Side]
    titles: dict[str, str]
    more: list[str]
    measure: Measure
    target: float | None
    chosen_target: bool
    settings: list[Setting]
    equal: int
    left_out: int
    missing: list[int]

    @property
    def data(self) -> str:
        """What the values are measured on."""
        found = {measured_on(side.run.config, self.measure.phase) for side in self.sides}
        return found.pop() if len(found) == 1 else DIFFERENT_DATA

    @property
    def same_split(self) -> bool:
        """Whether the same samples are evaluation data in all runs, as far as seeds decide it."""
        return len({split_seed(side.run.config) for side in self.sides}) < 2

    @property
    def repeats(self) -> list[list[Side]]:
        """The runs in groups that differ in their seeds only, in the order of their first runs."""
        groups: dict[str, list[Side]] = {}
        for side in self.sides:
            alike = {name: value for name, value in side.run.config.items() if name not in SEEDS}
            groups.setdefault(json.dumps(alike, sort_keys=True), []).append(side)
        return list(groups.values())

    @property
    def headline(self) -> str:
        """How many runs are compared."""
        return f"Compare {plural(len(self.sides), 'run')}" if self.sides else "No runs selected"

    @property
    def named(self) -> list[dict[str, int | str]]:
        """The runs as the scripts of the charts know them."""
        return [{"id": side.run.id, "name": side.run.name, "slot": side.slot} for side in self.sides]

    @property
    def live(self) -> bool:
        """Whether any of the runs is active."""
        return any(side.active for side in self.sides)

    def leaders(self, value: Callable[[Side], float | None], *, least: bool | None) -> set[int]:
        """Return the ids of the runs with the best value; none where there is one run, or the best is unknown."""
        known = {side.run.id: found for side in self.sides if (found := value(side)) is not None}
        if len(self.sides) < 2 or not known or least is None:
            return set()
        top = min(known.values()) if least else max(known.values())
        return {run_id for run_id, found in known.items() if found == top}

    @property
    def best(self) -> dict[str, set[int]]:
        """The leaders of each column of the results."""
        least = self.measure.least
        return {
            "best": self.leaders(lambda side: side.best, least=least),
            "last": self.leaders(lambda side: side.last, least=least),
            "worst": self.leaders(lambda side: side.worst, least=least),
            "round": self.leaders(lambda side: side.reached.round if side.reached else None, least=True),
            "seconds": self.leaders(lambda side: side.reached.seconds if side.reached else None, least=True),
            "bytes": self.leaders(lambda side: side.reached.bytes if side.reached else None, least=True),
        }  # fmt: skip

    @property
    def rounds(self) -> list[int]:
        """The rounds of the table of values: of the longest run, evenly spaced where they are many, and its last."""
        known = (series["round"].tolist() for side in self.sides for series in side.series.values())
        longest: list[int] = max(known, key=len, default=[])
        step = bucket_size(len(longest), TABLE_ROUNDS, TABLE_ROUNDS)
        return [round_ for at, round_ in enumerate(longest) if at % step == 0 or round_ == longest[-1]]


def compare(
    session: Session, cache: SeriesCache, runs: Sequence[Run], asked: Sequence[int], target: float | None, *,
    measure: Measure,
) -> Comparison:  # fmt: skip
    """Compare runs in the order in which they were chosen; without a ``target`` they have the usual one."""
    shown = runs[:MAX_RUNS]
    known = {run.id for run in runs}
    goal = target if target is not None else measure.usual_target(shown)
    titles, more = titles_of(shown, measure.phase, measure.name)
    slots = slots_of([run.id for run in shown])
    sides = [_side(session, cache, run, slots[run.id], measure, goal, titles) for run in shown]
    settings, equal = _settings(shown, client_names(session))
    missing = [run_id for run_id in dict.fromkeys(asked) if run_id not in known]
    left_out = len(runs) - len(shown)
    return Comparison(sides, titles, more, measure, goal, target is not None, settings, equal, left_out, missing)


def _side(
    session: Session, cache: SeriesCache, run: Run, slot: int, measure: Measure, target: float | None,
    titles: Iterable[str],
) -> Side:  # fmt: skip
    series = {name: cache.read(session, run, measure.phase, name) for name in titles}
    measured = series.get(measure.name) or cache.read(session, run, measure.phase, measure.name)
    least = measure.least
    at = None if target is None or least is None else measured.first_reaching(target, least=least)
    reached = None if at is None else Reached(*(measured[name][at].item() for name in ("round", "work", "sent")))
    spread = measured.spread_in(run.current_round)
    worst = None if spread is None or least is None else spread.max if least else spread.min
    best = run.best_metrics.get(measure.key) or {} if least is not None else {}
    last, cohort = run.last_metrics.get(measure.key), cohort_of(measured)
    return Side(
        run, slot, best.get("value"), best.get("round"), last, worst, reached,
        cohort_words(cohort) if cohort else "", fewer_clients(measured, cohort, best["round"]) if best else "", series,
    )  # fmt: skip


def _settings(runs: Sequence[Run], clients: Mapping[int, str]) -> tuple[list[Setting], int]:
    lines = [{line.label: line for line in config_lines(run.config, clients)} for run in runs]
    names = list(dict.fromkeys(name for of in lines for name in of))
    differing, equal = [], 0
    for name in names:
        found = [of.get(name) for of in lines]
        values = [repr(line and line.value) for line in found]
        if len(set(values)) == 1:
            equal += 1
            continue
        (usual, times), *_ = Counter(values).most_common(1)
        texts = [line.text if line else "–" for line in found]
        differing.append(Setting(name, texts, [times > 1 and value != usual for value in values]))
    return differing, equal


def _caveats(page: Comparison) -> list[str]:
    """Return what limits a comparison: single runs, the spread over seeds, other evaluation data."""
    said, groups, measure = [], page.repeats, page.measure
    alone = [group[0].run.id for group in groups if len(group) == 1]
    if len(groups) > 1 and alone:
        which = "1 run each" if len(alone) == len(groups) else f"1 run only: {run_numbers(alone)}"
        said.append(f"{which}; another seed may change the order.")
    for group in groups:
        values = [side.best for side in group if side.best is not None]
        if len(values) > 1:
            numbers = run_numbers([side.run.id for side in group])
            alike = "differ in the seed only" if len({side.run.config["seed"] for side in group}) > 1 else "are alike"
            said.append(
                f"{numbers} {alike}: best {measure.word} {measure.write(min(values))} to {measure.write(max(values))}."
            )
    if len(page.sides) > 1 and page.data == DIFFERENT_DATA:
        said.append("The runs are measured on different data.")
    elif not page.same_split:
        said.append("Their partitions were cut with different seeds; one data seed gives all runs the same.")
    return said


def summary(page: Comparison) -> str:
    """Return which runs reach the target first, which have the best value, and what that can mean."""
    said = []
    first, best, measure = page.best["round"], page.best["best"], page.measure
    if first and page.target is not None:
        reached = next(side.reached for side in page.sides if side.run.id in first)
        when = f" in round {count(reached.round)}" if reached else ""
        said.append(f"First to reach {measure.write(page.target)}: {run_numbers(sorted(first))}{when}.")
    if best:
        value = next(side.best for side in page.sides if side.run.id in best)
        which = "Lowest" if measure.least else "Highest"
        said.append(f"{which} {measure.word}: {run_numbers(sorted(best))}, {measure.write(value)}.")
    said += _caveats(page)
    if active := [side.run.id for side in page.sides if side.active]:
        said.append(f"Still active: {run_numbers(active)}.")
    return " ".join(said)
