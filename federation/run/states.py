"""The states of a run and the moves between them; nothing here acts, the supervisor and the database both ask."""

from enum import StrEnum


class RunState(StrEnum):
    """Where a run stands; the words are those of pages, tables and the API."""

    QUEUED = "queued"
    WAITING = "waiting"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPING = "stopping"
    STOPPED = "stopped"
    COMPLETED = "completed"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    CANCELLED = "cancelled"


_S = RunState

MOVES: dict[RunState, frozenset[RunState]] = {
    _S.QUEUED: frozenset({_S.WAITING, _S.CANCELLED}),
    _S.WAITING: frozenset({_S.RUNNING, _S.STOPPING, _S.COMPLETED, _S.STOPPED, _S.FAILED, _S.INTERRUPTED}),
    _S.RUNNING: frozenset({_S.WAITING, _S.PAUSED, _S.STOPPING, _S.COMPLETED, _S.FAILED, _S.INTERRUPTED}),
    _S.PAUSED: frozenset({_S.WAITING, _S.STOPPING, _S.INTERRUPTED}),
    _S.STOPPING: frozenset({_S.STOPPED}),
    _S.STOPPED: frozenset({_S.QUEUED}),
    _S.FAILED: frozenset({_S.QUEUED}),
    _S.INTERRUPTED: frozenset({_S.QUEUED}),
    _S.COMPLETED: frozenset({_S.QUEUED}),
    _S.CANCELLED: frozenset({_S.QUEUED}),  # one that was resumed before has rounds to go on from
}

ACTIVE = frozenset({_S.WAITING, _S.RUNNING, _S.PAUSED, _S.STOPPING})
ENDED = frozenset({_S.STOPPED, _S.COMPLETED, _S.FAILED, _S.INTERRUPTED, _S.CANCELLED})
RESUMABLE = frozenset({RunState.INTERRUPTED, RunState.STOPPED, RunState.FAILED})


def sources(target: RunState) -> frozenset[RunState]:
    """Return the states from which a run may move to ``target``."""
    return frozenset(state for state, targets in MOVES.items() if target in targets)
