"""What must be true of every run, whatever happened: moves that are allowed, one end a start, each round once."""

import hashlib
import itertools
import threading
from pathlib import Path

from federation.run.states import ACTIVE, ENDED, MOVES, RunState
from webapp.db.repository.events import newest_events
from webapp.db.repository.metrics import points_after
from webapp.db.repository.rounds import list_rounds
from webapp.parts import Parts


def moves_of(parts: Parts, run_id: int) -> list[tuple[str, str]]:
    """Return the moves of a run so far, oldest first, as (from, to)."""
    with parts.database.read() as session:
        events = newest_events(session, run_id=run_id, types=["run"], limit=10_000)[::-1]
    return [(event.data["from"], event.data["state"]) for event in events if event.data.get("from")]


def check_moves(parts: Parts, run_id: int) -> None:
    """Assert that each move is allowed, and that each start of the run has one end."""
    moves = moves_of(parts, run_id)
    state = str(RunState.QUEUED)
    for left, to in moves:
        assert left == state, f"run {run_id}: {moves}"
        assert RunState(to) in MOVES[RunState(left)], f"run {run_id}: {left} -> {to}"
        state = to
    assert state == parts.runs.show(run_id).state
    groups = itertools.groupby((to for _, to in moves), lambda to: to == RunState.QUEUED)
    stretches = [list(group) for queued, group in groups if not queued]
    assert all(sum(to in ENDED for to in stretch) == 1 for stretch in stretches), f"run {run_id}: {stretches}"


def check_rounds(parts: Parts, folder: Path, run_id: int) -> None:
    """Assert that the rounds of a run are there once each, with their points, and that the checkpoint is whole."""
    view = parts.runs.show(run_id)
    with parts.database.read() as session:
        rows = list_rounds(session, run_id, limit=10_000)
        points = [(p.round, p.phase, p.client_id, p.name) for p in points_after(session, run_id, limit=100_000)]
    numbers = [row.round for row in rows]
    assert numbers == list(range(len(numbers))), f"run {run_id}: {numbers}"
    assert len(points) == len(set(points)), "a point is there twice"
    assert {point[0] for point in points} <= set(numbers), "points of a round that was not committed"
    if view.state == RunState.COMPLETED:
        assert numbers[-1] == view.num_rounds == view.current_round
    if rows:
        kept = rows[-1].checkpoint
        file = folder / "runs" / str(run_id) / kept["file"]
        assert hashlib.sha256(file.read_bytes()).hexdigest() == kept["sha256"]


def is_alive(parts: Parts) -> bool:
    """Say whether each active run has a thread, no other run claims to be active, and no run waits without a reason."""
    views, supervisor = parts.runs.list((), "", 100, 0)[0], parts.supervisor
    active = supervisor.active_run_ids
    threads = {thread.name for thread in threading.enumerate()}
    if not all(f"run-{run_id}" in threads for run_id in active):
        return False
    if any(view.state in ACTIVE and view.id not in active for view in views):
        return False
    first = next((view for view in views if view.queue_position == 1), None)
    if first is None or not active or len(active) == supervisor.parallel_runs:
        return first is None or bool(active)
    lane = parts.flower.lane
    free = {member.client_id for member in lane.members()} - lane.leases.owners().keys() - set(first.excluded)
    return len(free) < int(first.config["min_clients"])
