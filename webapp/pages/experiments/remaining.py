"""How long the rest of an experiment will take, by the rounds of its runs so far."""

from collections.abc import Sequence
from statistics import median

from sqlalchemy.orm import Session

from federation.run.states import ACTIVE, RunState
from webapp.db.repository.rounds import recent_seconds
from webapp.db.tables import Run
from webapp.pages.start.preview import pace_of

LAST_RUNS = 3
"""So many runs of each kind tell how long a round takes: those that have rounds and were queued last."""


def remaining_seconds(session: Session, runs: Sequence[Run]) -> float | None:
    """Return the seconds that the queued and active runs will take; None where any kind of them has no round yet.

    As many runs as are active now are expected to be active at a time until the end.
    """
    rounds: dict[tuple[object, ...], int] = {}
    measured: dict[tuple[object, ...], list[int]] = {}
    for run in sorted(runs, key=lambda one: one.id):
        if run.current_round > 0:
            measured.setdefault(pace_of(run), []).append(run.id)
        if run.state in (*ACTIVE, RunState.QUEUED):
            left = max(0, run.num_rounds - run.current_round)
            rounds[pace_of(run)] = rounds.get(pace_of(run), 0) + left
    newest = {pace: measured.get(pace, [])[-LAST_RUNS:] for pace in rounds}
    recent = recent_seconds(session, {run_id for of in newest.values() for run_id in of})
    known = {pace: [one for run_id in of for one in recent.get(run_id, ())] for pace, of in newest.items()}
    if not rounds or not all(known.values()):
        return None
    at_a_time = max(1, sum(run.state in ACTIVE for run in runs))
    return sum(median(known[pace]) * amount for pace, amount in rounds.items()) / at_a_time
