"""Runs side by side: their curves, what they reached and when, and the settings in which they differ."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from sqlalchemy.orm import Session

from federation.run.states import ACTIVE
from webapp.db.repository.clients import client_names
from webapp.db.repository.compare import Step, first_round_with, steps_of, worst_of_clients
from webapp.db.repository.series import spent_until
from webapp.db.tables import Run
from webapp.formatting import plural
from webapp.pages.runs.charts import titles_of
from webapp.pages.runs.target_metric import Measure
from webapp.pages.start.fields import config_lines
from webapp.pages.wording import run_numbers

MOST_RUNS, TABLE_ROUNDS, PAGE_POINTS = 8, 60, 120


@dataclass(frozen=True, slots=True)
class Reached:
    """Where a run first met the target: the round, and what it had cost until then."""

    round: int
    seconds: float
    bytes: int


@dataclass(frozen=True)
class Side:
    """One run of a comparison. ``slot`` is its colour, by the order of choice."""

    run: Run
    slot: int
    best: float | None
    best_round: int | None
    last: float | None
    worst: float | None
    reached: Reached | None
    steps: list[Step]

    @cached_property
    def by_round(self) -> dict[int, Step]:
        """The steps by their rounds."""
        return {step.round: step for step in self.steps}

    def value(self, name: str, number: int) -> float | None:
        """Return the mean of a metric such as ``evaluate_loss`` in a round."""
        step = self.by_round.get(number)
        return step.metrics.get(name) if step else None

    @property
    def active(self) -> bool:
        """Whether it is still under way."""
        return self.run.state in ACTIVE


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting in which the runs differ, with the value of each; ``odd`` are those unlike most."""

    name: str
    values: list[str]
    odd: list[bool]


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
    def headline(self) -> str:
        """What is compared."""
        return f"{plural(len(self.sides), 'run')}, the same axes" if self.sides else "No run is chosen yet"

    @property
    def named(self) -> list[dict[str, int | str]]:
        """The runs as the scripts of the charts know them."""
        return [{"id": side.run.id, "name": side.run.name} for side in self.sides]

    @property
    def live(self) -> bool:
        """Whether any of the runs goes on."""
        return any(side.active for side in self.sides)

    def leaders(self, value: Callable[[Side], float | None], *, least: bool = False) -> set[int]:
        """Return the runs that lead by a value; nobody leads alone."""
        known = {side.run.id: found for side in self.sides if (found := value(side)) is not None}
        if len(self.sides) < 2 or not known:
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
        """The rounds of the table of values, thinned out."""
        every = sorted({step.round for side in self.sides for step in side.steps})
        thin = -(-len(every) // TABLE_ROUNDS) if every else 1
        return [number for place, number in enumerate(every) if place % thin == 0 or number == every[-1]]


def compare(
    session: Session, runs: Sequence[Run], asked: Sequence[int], target: float | None, points: int = PAGE_POINTS, *,
    measure: Measure,
) -> Comparison:  # fmt: skip
    """Set runs side by side, in the order in which they were chosen; without a ``target`` they have the usual one."""
    shown = runs[:MOST_RUNS]
    known = {run.id for run in runs}
    goal = target if target is not None else measure.usual_target(shown)
    sides = [_side(session, run, slot, measure, goal, points) for slot, run in enumerate(shown, 1)]
    settings, equal = _settings(shown, client_names(session))
    missing = [run_id for run_id in dict.fromkeys(asked) if run_id not in known]
    titles, more = titles_of(shown, measure.phase, measure.name)
    left_out = len(runs) - len(shown)
    return Comparison(sides, titles, more, measure, goal, target is not None, settings, equal, left_out, missing)


def _side(session: Session, run: Run, slot: int, measure: Measure, target: float | None, points: int) -> Side:
    best, least = run.best_metrics.get(measure.key) or {}, measure.least
    phase, name = measure.phase, measure.name
    met = None if target is None else first_round_with(session, run.id, phase, name, target, least=least)
    reached = Reached(met, *spent_until(session, run.id, met)) if met is not None else None
    last = (run.last_metrics or {}).get(measure.key)
    worst = worst_of_clients(session, run, measure.key, least=least)
    steps = steps_of(session, run, points)
    return Side(run, slot, best.get("value"), best.get("round"), last, worst, reached, steps)


def _settings(runs: Sequence[Run], clients: Mapping[int, str]) -> tuple[list[Setting], int]:
    lines = [dict(config_lines(run.config, clients)) for run in runs]
    names = list(dict.fromkeys(name for of in lines for name in of))
    differ, equal = [], 0
    for name in names:
        values = [of.get(name, "–") for of in lines]
        if len(set(values)) == 1:
            equal += 1
            continue
        (usual, times), *_ = Counter(values).most_common(1)
        differ.append(Setting(name, values, [times > 1 and value != usual for value in values]))
    return differ, equal


def summary(page: Comparison) -> str:
    """Say who leads, and who is not done yet."""
    said = []
    names = {side.run.id: f"#{side.run.id}" for side in page.sides}
    first, best, measure = page.best["round"], page.best["best"], page.measure
    if len(first) == 1 and page.target is not None:
        side = next(one for one in page.sides if one.run.id in first)
        met = side.reached.round if side.reached else 0
        said.append(f"{names[side.run.id]} is the first to reach {measure.write(page.target)}, in round {met}")
    elif first and page.target is not None:
        said.append(f"{run_numbers(sorted(first))} reach {measure.write(page.target)} in the same round")
    if len(best) == 1:
        side = next(one for one in page.sides if one.run.id in best)
        said.append(f"{names[side.run.id]} gets {'lowest' if measure.least else 'highest'}, {measure.write(side.best)}")
    going = [side.run.id for side in page.sides if side.active]
    if going:
        said.append(f"{run_numbers(going)} {'is' if len(going) == 1 else 'are'} still under way")
    return f"{'; '.join(said)}." if said else ""
