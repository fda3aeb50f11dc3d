"""Schedules: the value that an option of a run has in each round. A short text declares one; no text: it is constant.

step 10 0.5       every 10 rounds the value is multiplied by 0.5
cosine 0.001      from the option's value in round 1 along half a cosine to 0.001 in the last round
0.1, 0.1, 0.01    these values in rounds 1, 2 and 3, the last one from then on
"""

import re
from collections.abc import Callable
from functools import lru_cache
from math import cos, inf, pi
from typing import Final, NamedTuple

Schedule = Callable[[float, int, int], float]
"""Takes the option's own value, a round from 1 on, and the number of rounds; returns the value in that round."""

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
MAX_TEXT, MAX_VALUES = 2000, 500


class Limits(NamedTuple):
    """The values that a scheduled option may have; a value that a schedule computes is moved into them."""

    least: float
    most: float
    whole: bool = False


SCHEDULED: Final = {
    "learning_rate": Limits(1e-12, 100), "local_epochs": Limits(1, 1000, whole=True), "fraction_train": Limits(1e-6, 1),
}  # fmt: skip
"""The options that may have a schedule, each in the option ``NAME_schedule``."""


@lru_cache(maxsize=256)
def read_schedule(text: str) -> Schedule | None:
    """Return the schedule that a text declares; None: constant. Raises ValueError with a sentence."""
    words = text.split()
    match words:
        case [] | ["constant"]:
            return None
        case ["step", every, factor]:
            return _step(every, factor)
        case ["cosine", last]:
            return _cosine(_number(last))
        case [word, *_] if word in ("step", "cosine"):
            raise ValueError(f"{text!r} is not “step ROUNDS FACTOR”, as in “step 10 0.5”, or “cosine LAST”")
    values = [_number(part) for part in text.split(",")]
    if len(values) > MAX_VALUES:
        raise ValueError(f"has more than {MAX_VALUES:,} values")
    return lambda _base, number, _rounds: values[min(number, len(values)) - 1]


def check_schedule(text: str, limits: Limits) -> None:
    """Raise ValueError for a text that declares no schedule, or values outside the limits of its option."""
    read_schedule(text)
    words = text.split()
    if words[:1] in ([], ["constant"], ["step"]):  # a step has a factor of the option's own value
        return
    for value in [_number(words[1])] if words[0] == "cosine" else map(_number, text.split(",")):
        if not limits.least <= value <= limits.most or (limits.whole and value != int(value)):
            whole = "whole numbers " if limits.whole else ""
            raise ValueError(f"{value:g} is no value of the option: {whole}from {limits.least:g} to {limits.most:g}")


def value_in(text: str, limits: Limits, base: float, number: int, rounds: int) -> float:
    """Return the value of an option with this schedule in a round; a whole number where the option has only those."""
    schedule = read_schedule(text)
    value = base if schedule is None else schedule(base, number, rounds)
    value = min(max(value, limits.least), limits.most)
    return round(value) if limits.whole else value


def _step(every: str, factor: str) -> Schedule:
    rounds, by = _number(every), _number(factor)
    if rounds != int(rounds) or not 1 <= rounds <= 100_000 or not 0 < by <= 100:
        raise ValueError("a step needs a whole number of rounds and a factor from above 0 to 100, as in “step 10 0.5”")

    def step(base: float, number: int, _rounds: int) -> float:
        try:
            return float(base * by ** ((number - 1) // int(rounds)))
        except OverflowError:
            return inf

    return step


def _cosine(last: float) -> Schedule:
    def cosine(base: float, number: int, rounds: int) -> float:
        done = min(1.0, (number - 1) / (rounds - 1)) if rounds > 1 else 0.0
        return last + (base - last) * (1 + cos(pi * done)) / 2

    return cosine


def _number(text: str) -> float:
    if _NUMBER.fullmatch(text.strip()) is None:
        raise ValueError(
            f"“{text.strip()[:40]}” is not a number: a schedule is “step 10 0.5”, “cosine 0.001” or values with commas"
        )
    return float(text)
