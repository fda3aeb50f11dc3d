"""The queue of evaluations at the server: order, bounds, deadlines, and a process that ends, hangs or answers badly."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from federation.evaluation.evaluator import MAX_WAITING, Evaluation, ServerEvaluator
from federation.run.config import RunConfig
from federation.run.events import Event, RunNote, ServerEvaluated, StoreUnavailable
from federation.weights.layout import Layout
from tests.support.processes import wait_until

LAYOUT = Layout.of(["w"], [np.zeros(1, np.float32)])
CHILD = Path(__file__).parents[2] / "support" / "evaluation_child.py"


class Recorded:
    """Keeps events; the store is away for the first ``failures`` of them."""

    def __init__(self, failures: int = 0) -> None:
        self.events: list[Event] = []
        self.failures = failures

    def __call__(self, event: Event) -> None:
        if self.failures > 0:
            self.failures -= 1
            raise StoreUnavailable("the database is away")
        self.events.append(event)

    @property
    def accuracies(self) -> dict[int, float]:
        return {one.round: one.metrics["accuracy"] for one in self.events if isinstance(one, ServerEvaluated)}

    @property
    def notes(self) -> list[str]:
        return [one.sentence for one in self.events if isinstance(one, RunNote)]


Make = Callable[..., tuple[ServerEvaluator, Recorded]]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Make an evaluator with the light child process; all are ended with the test."""
    made: list[ServerEvaluator] = []

    def evaluator(failures: int = 0, **more: float) -> tuple[ServerEvaluator, Recorded]:
        record = Recorded(failures)
        made.append(ServerEvaluator(record, (sys.executable, str(CHILD), str(tmp_path / "once")), **more))
        return made[-1], record

    yield evaluator
    for one in made:
        one.stop()
        assert one.wait(5)
        assert one.pid is None


def submit(evaluator: ServerEvaluator, number: int, weights: bytes, run_id: int = 1) -> None:
    evaluator.submit(Evaluation(run_id, number, RunConfig(network="mlp", dataset="mnist"), LAYOUT, weights + b"..."))


def finish(evaluator: ServerEvaluator, run_id: int = 1) -> None:
    wait_until(lambda: not evaluator.pending(run_id), 20, "all rounds evaluated")


def test_rounds_are_evaluated_in_order_and_kept_until_the_store_is_back(make: Make) -> None:
    evaluator, recorded = make(failures=1)
    for number in (0, 1, 2):
        submit(evaluator, number, bytes([number + 50]))
    finish(evaluator)
    assert list(recorded.accuracies.items()) == [(0, 0.5), (1, 0.51), (2, 0.52)]
    assert not recorded.notes
    assert all(one.confusion == [[1, 2], [3, 4]] for one in recorded.events if isinstance(one, ServerEvaluated))


def test_of_too_many_rounds_the_oldest_are_skipped_and_the_run_says_so_once(make: Make) -> None:
    evaluator, recorded = make(seconds=2.0)
    submit(evaluator, 0, b"h")
    wait_until(lambda: evaluator.pid is not None)
    submit(evaluator, 9, b"2", run_id=2)
    for number in range(1, 4 + MAX_WAITING):
        submit(evaluator, number, b"2")
    assert evaluator.pending(1) == {0, *range(4, 4 + MAX_WAITING)}
    assert evaluator.pending(2) == {9}, "another run is not behind"
    finish(evaluator)
    assert list(recorded.accuracies) == [9, *range(4, 4 + MAX_WAITING)]
    assert [note for note in recorded.notes if "rounds behind" in note] == [
        "The evaluation at the server is over 3 rounds behind; the first round that it skips is 1"
    ]


def test_a_process_that_ends_is_started_again_for_the_same_round_once(make: Make) -> None:
    evaluator, recorded = make()
    submit(evaluator, 1, b"x")
    finish(evaluator)
    submit(evaluator, 2, b"e")
    submit(evaluator, 3, b"e")
    submit(evaluator, 4, b"2")
    finish(evaluator)
    assert list(recorded.accuracies) == [1, 4]
    why = "its process exited with code 1: no memory"
    assert recorded.notes == [f"Round 2 was not evaluated at the server: {why}"], "the same reason is told once"


def test_a_process_that_is_killed_between_two_rounds_costs_nothing(make: Make) -> None:
    evaluator, recorded = make()
    submit(evaluator, 1, b"2")
    finish(evaluator)
    first = evaluator.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    submit(evaluator, 2, b"2")
    finish(evaluator)
    assert list(recorded.accuracies) == [1, 2] and evaluator.pid not in (None, first)


def test_an_answer_that_does_not_come_or_is_no_answer_is_a_note_and_the_next_round_is_evaluated(make: Make) -> None:
    evaluator, recorded = make(seconds=1.0)
    submit(evaluator, 1, b"h")
    finish(evaluator)
    submit(evaluator, 2, b"g")
    submit(evaluator, 3, b"f")
    submit(evaluator, 4, b"2")
    finish(evaluator)
    submit(evaluator, 5, b"d")
    submit(evaluator, 6, b"3")
    finish(evaluator)
    assert list(recorded.accuracies) == [4, 6]
    reasons = [note.partition(": ")[2] for note in recorded.notes]
    assert reasons[0] == "it took over 1 s and was ended" and reasons[1].startswith("its process gave no usable answer")
    assert reasons[2] == "mnist is not on this machine" and "RecursionError" in reasons[3]


def test_an_idle_process_is_ended_and_an_end_does_not_wait_for_one_that_hangs(make: Make) -> None:
    evaluator, recorded = make(idle_seconds=0.2)
    submit(evaluator, 1, b"2")
    finish(evaluator)
    wait_until(lambda: evaluator.pid is None, 5, "the end of the idle process")
    submit(evaluator, 2, b"h")
    wait_until(lambda: evaluator.pid is not None)
    evaluator.stop()
    assert evaluator.wait(3) and list(recorded.accuracies) == [1]
