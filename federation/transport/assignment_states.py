"""The states of a client's task, as the server sees it, and the moves between them; nothing here acts."""

from enum import StrEnum


class AssignmentState(StrEnum):
    """Where a client's task stands."""

    CREATED = "created"
    """The run's thread made it; it has not been sent."""

    SENT = "sent"
    """The client has it, or it is on its way to the client. An offer is awaited."""

    QUEUED = "queued"
    """The client offered weights, which wait for room in the reply budget."""

    RECEIVING = "receiving"
    """The weights have memory and arrive."""

    AWAY = "away"
    """The client's connection is lost. When it is back, it offers its reply anew or gets the task again."""

    SETTLED = "settled"
    """The reply is delivered, or the task ended without one. A task is settled once."""


_S = AssignmentState

MOVES: dict[AssignmentState, frozenset[AssignmentState]] = {
    _S.CREATED: frozenset({_S.SENT, _S.SETTLED}),
    _S.SENT: frozenset({_S.QUEUED, _S.RECEIVING, _S.AWAY, _S.SETTLED}),
    _S.QUEUED: frozenset({_S.SENT, _S.RECEIVING, _S.AWAY, _S.SETTLED}),
    _S.RECEIVING: frozenset({_S.SENT, _S.AWAY, _S.SETTLED}),
    _S.AWAY: frozenset({_S.SENT, _S.SETTLED}),
    _S.SETTLED: frozenset(),
}
"""From QUEUED and RECEIVING back to SENT: a newer connection of the client replaced the one that the offer came over,
and the client offers anew."""


class ForbiddenMove(RuntimeError):
    """A task was to move to a state that its present one does not lead to: an internal error."""
