"""The sward: one blade a round, as tall as its accuracy; above 60 rounds a blade stands for several."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, isfinite
from typing import Literal

from webapp.formatting import count, percent

MOST_BLADES = 60
TALLEST, GROUND, STUBBLE = 40.0, 52.0, 4.0


@dataclass(frozen=True, slots=True)
class Blade:
    """One bar: where it stands (percent of the width), how tall it is, and the words above or below it."""

    kind: Literal["blade", "best", "now", "to-come"]
    x: float
    y: float
    height: float
    middle: float
    above: str = ""
    below: str = ""


@dataclass(frozen=True, slots=True)
class Sward:
    """All blades of a run, their width in percent, and the sentence that says the same."""

    blades: list[Blade]
    width: float
    sentence: str


def grow(accuracy: Mapping[int, float | None], current_round: int, num_rounds: int, *, active: bool) -> Sward:
    """Draw the rounds of a run; ``accuracy`` maps a round (from 1) to the mean accuracy of the clients.

    A round without a value is a stub: it was committed, its height is not known.
    """
    each = max(1, ceil(num_rounds / MOST_BLADES))
    amount = ceil(num_rounds / each)
    step = 100 / amount
    width = min(step * 0.32, 1.2)
    known = {r: value for r, value in accuracy.items() if r > 0 and value is not None and isfinite(value)}
    best = max(known, key=lambda r: known[r], default=0)
    blades: list[Blade] = []
    for place in range(amount):
        rounds = range(place * each + 1, min(num_rounds, (place + 1) * each) + 1)
        shown = best if best in rounds else max((r for r in rounds if r in known), default=0)
        height = max(STUBBLE, min(1.0, known.get(shown, 0.0)) * TALLEST)
        kind: Literal["blade", "best", "now", "to-come"] = "blade"
        if best in rounds:
            kind = "best"
        elif rounds[0] > current_round:
            under_way = active and rounds[0] <= current_round + 1
            kind, height = ("now", blades[-1].height if blades else 12.0) if under_way else ("to-come", STUBBLE)
        middle = step * (place + 0.5)
        blades.append(Blade(
            kind, round(middle - width / 2, 3), round(GROUND - height, 1), round(height, 1), round(middle, 3),
            above=f"best {percent(known[best])}" if kind == "best" else "",
            below=_tick(place, amount, each, num_rounds),
        ))  # fmt: skip
    return Sward(blades, round(width, 3), _sentence(current_round, num_rounds, active))


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
