"""The states of a client's task: the moves that the table allows are made, and no other."""

import itertools

import pytest

from federation.transport.assignment_states import MOVES, AssignmentState, ForbiddenMove
from federation.transport.exchange import Assignment, Exchange, Incoming

S = AssignmentState


def test_the_table_of_moves_is_closed_and_a_task_is_settled_once() -> None:
    assert set(MOVES) == set(AssignmentState)
    assert MOVES[S.SETTLED] == frozenset()
    assert all(S.SETTLED in MOVES[state] for state in AssignmentState if state is not S.SETTLED)
    assert all(S.CREATED not in targets for targets in MOVES.values())
    assert [state for state, targets in MOVES.items() if S.AWAY in targets] == [S.SENT, S.QUEUED, S.RECEIVING]


def as_incoming(state: AssignmentState) -> Incoming | None:
    return Incoming("ab", bytearray(4), 4, 0.0) if state is S.RECEIVING else None


@pytest.mark.parametrize(("source", "target"), list(itertools.product(AssignmentState, repeat=2)))
def test_a_task_makes_the_moves_of_the_table_and_no_other(source: AssignmentState, target: AssignmentState) -> None:
    exchange = Exchange(1, 1, 1, "train", 60.0, lambda _: None)
    exchange.away = int(source is S.AWAY)
    assignment = Assignment(exchange, 1, "m", {}, state=source, incoming=as_incoming(source))
    before = (assignment.state, assignment.incoming, assignment.away_since, exchange.away)
    if target in MOVES[source]:
        assignment.advance(target, incoming=as_incoming(target))
        assert assignment.state is target
        assert (assignment.incoming is not None) == (target is S.RECEIVING), "a content lives in one state only"
        assert (assignment.away_since is not None) == (target is S.AWAY)
        assert exchange.away == (target is S.AWAY)
    else:
        with pytest.raises(ForbiddenMove):
            assignment.advance(target, incoming=as_incoming(target))
        assert (assignment.state, assignment.incoming, assignment.away_since, exchange.away) == before


def test_a_content_goes_with_its_state_only() -> None:
    for target, incoming in ((S.RECEIVING, None), (S.QUEUED, as_incoming(S.RECEIVING))):
        assignment = Assignment(Exchange(1, 1, 1, "train", 60.0, lambda _: None), 1, "m", {}, state=S.SENT)
        with pytest.raises(ForbiddenMove):
            assignment.advance(target, incoming=incoming)
