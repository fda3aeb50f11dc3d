"""The colours of compared runs: as many as there are, so many runs can be compared."""

from collections.abc import Sequence

MAX_RUNS = 8


def slots_of(run_ids: Sequence[int]) -> dict[int, int]:
    """Return the colour of each run, 1 to 8: that of its number, or the next free one where an earlier run has it.

    So a run keeps its colour when others are added or taken away, unless they share it.
    """
    slots: dict[int, int] = {}
    for run_id in sorted(run_ids):
        wanted = [(run_id - 1 + step) % MAX_RUNS + 1 for step in range(MAX_RUNS)]
        slots[run_id] = next(slot for slot in wanted if slot not in slots.values())
    return slots
