"""Two people who press every button of one run at the same time."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from random import Random

BUTTONS = (
    "stop", "resume", "pause", "continue", "add rounds", "exclude", "include", "min clients", "wait longer", "front",
    "delete",
)  # fmt: skip


def press_from_two_places(press: Callable[[str, int, int], object], run_id: int, number: int) -> None:
    """Call ``press`` with buttons of a run on two threads, in an order of each; ``number`` decides it."""

    def person(order: Random) -> None:
        for button in order.choices(BUTTONS, (4, 4, 2, 2, 1, 1, 1, 1, 1, 1, 1), k=12):
            press(button, run_id, number)

    with ThreadPoolExecutor(2) as people:
        list(people.map(person, (Random(number), Random(number + 1000))))
