"""Schedules in words: what a run will use by round, before its start and in the table of its rounds."""

from collections.abc import Mapping, Sequence
from typing import Any

from federation.run.config import RunConfig
from federation.run.rounds.schedules import SCHEDULED
from webapp.formatting import count, percent
from webapp.pages.start.fields import FIELDS

SHOWN_ROUNDS = 5


def schedule_lines(config: RunConfig) -> list[tuple[str, str]]:
    """Return label and values of each option with a schedule, at the first, the last and a few rounds between."""
    rounds = config.num_rounds
    shown = sorted({1 + (rounds - 1) * step // (SHOWN_ROUNDS - 1) for step in range(SHOWN_ROUNDS)})
    values = {number: config.scheduled(number, rounds) for number in shown}
    return [
        (FIELDS[name].shown.label, ", ".join(f"{_written(name, values[n][name])} in round {count(n)}" for n in shown))
        for name in values[1]
    ]


def scheduled_options(config: Mapping[str, Any]) -> list[str]:
    """Return the options with a schedule in a stored configuration."""
    return [name for name in SCHEDULED if config.get(f"{name}_schedule") not in (None, "", "constant")]


def scheduled_words(metrics: Mapping[str, float | None], options: Sequence[str]) -> str:
    """Return the values that options had in a round, which are among its metrics of training."""
    values = {name: metrics.get(f"train_{name}") for name in options}
    return ", ".join(f"{FIELDS[n].shown.label.lower()} {_written(n, v)}" for n, v in values.items() if v is not None)


def _written(name: str, value: float) -> str:
    return percent(value) if FIELDS[name].shown.unit == "percent" else f"{value:.4g}"
