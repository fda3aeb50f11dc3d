"""The states of a run and the moves between them. Pure data: the ledger carries moves out."""

from enum import StrEnum


class RunState(StrEnum):
    """The state of a run; the values are the words of the tables and the API."""

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
    DELETED = "deleted"
    """No page and no answer shows the run any more; its rows and files are on their way out."""


_S = RunState

MOVES: dict[RunState, frozenset[RunState]] = {
    _S.QUEUED: frozenset({_S.WAITING, _S.CANCELLED, _S.DELETED}),
    _S.WAITING: frozenset({_S.RUNNING, _S.STOPPING, _S.COMPLETED, _S.STOPPED, _S.FAILED, _S.INTERRUPTED}),
    _S.RUNNING: frozenset({_S.WAITING, _S.PAUSED, _S.STOPPING, _S.COMPLETED, _S.STOPPED, _S.FAILED, _S.INTERRUPTED}),
    _S.PAUSED: frozenset({_S.WAITING, _S.STOPPING, _S.STOPPED, _S.FAILED, _S.INTERRUPTED}),
    _S.STOPPING: frozenset({_S.STOPPED}),
    _S.STOPPED: frozenset({_S.QUEUED, _S.DELETED}),
    _S.FAILED: frozenset({_S.QUEUED, _S.DELETED}),
    _S.INTERRUPTED: frozenset({_S.QUEUED, _S.DELETED}),
    _S.COMPLETED: frozenset({_S.QUEUED, _S.DELETED}),
    _S.CANCELLED: frozenset({_S.QUEUED, _S.DELETED}),  # a resumed run has rounds to continue from
    _S.DELETED: frozenset(),
}
"""State -> the states that a run may move to.

A run fails and stops from any active state. One that is stopping ends as stopped, whatever else goes wrong: a person
asked for that, and the reason says what went wrong.
"""

ACTIVE = frozenset({_S.WAITING, _S.RUNNING, _S.PAUSED, _S.STOPPING})
"""A thread works on the run, or did when the process ended."""

COMMITTING = ACTIVE - {_S.STOPPING}
"""A round may be committed."""

ENDED = frozenset({_S.STOPPED, _S.COMPLETED, _S.FAILED, _S.INTERRUPTED, _S.CANCELLED})
RESUMABLE = frozenset({RunState.INTERRUPTED, RunState.STOPPED, RunState.FAILED})
"""A run can be queued again without more rounds."""


def sources(target: RunState) -> frozenset[RunState]:
    """Return the states from which a run may move to ``target``."""
    return frozenset(state for state, targets in MOVES.items() if target in targets)
