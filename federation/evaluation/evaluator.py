"""Evaluates the weights of committed rounds one after the other, in a thread and a child process of its own.

It never stops a run: what fails is told as a note of the run, and the next round is evaluated again.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from federation.evaluation.child import COMMAND, ChildEnded, ChildOverdue, ChildStopped, EvaluationChild
from federation.run.config import RunConfig
from federation.run.events import Event, Record, RoundRefused, RunNote, ServerEvaluated, StoreUnavailable
from federation.weights.layout import Buffer, Layout

log = logging.getLogger(__name__)

MAX_WAITING = 3
"""Rounds of a run that wait for their evaluation; of more the oldest is not evaluated, and the run says so."""

EVALUATION_SECONDS = 600.0
"""An evaluation that takes longer is ended with its process."""

IDLE_SECONDS = 120.0
"""A process that has nothing to do for so long is ended: it holds 700 MB. The next evaluation starts another."""

RETRY_SECONDS = 0.5


@dataclass(frozen=True, eq=False)
class Evaluation:
    """A round to evaluate: its weights, and the run's configuration. ``done`` gets the metrics."""

    run_id: int
    round: int
    config: RunConfig
    layout: Layout
    weights: Buffer = field(repr=False)
    done: Callable[[ServerEvaluated], None] = lambda _: None


class ServerEvaluator:
    """The queue of evaluations, and the thread that works it. Every method may be called on any thread.

    ``command`` starts the process that evaluates, ``seconds`` is how long an evaluation may take.
    """

    def __init__(
        self, record: Record, command: Sequence[str] = COMMAND, *, seconds: float = EVALUATION_SECONDS,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:  # fmt: skip
        self._record, self._command, self._seconds, self._idle_seconds = record, command, seconds, idle_seconds
        self._changed = threading.Condition()
        self._waiting: list[Evaluation] = []
        self._current: Evaluation | None = None
        self._behind: dict[int, int] = {}
        """Run -> the first of its rounds that was skipped because the evaluation was behind."""
        self._told_behind: set[int] = set()
        self._failures: dict[int, str] = {}
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self._child: EvaluationChild | None = None

    @property
    def pid(self) -> int | None:
        """The id of the process; None while there is none."""
        child = self._child
        return child.pid if child is not None else None

    def submit(self, evaluation: Evaluation) -> None:
        """Have a round evaluated after those that wait; returns at once."""
        with self._changed:
            if self._stopped.is_set():
                return
            self._waiting.append(evaluation)
            of_run = [one for one in self._waiting if one.run_id == evaluation.run_id]
            if len(of_run) > MAX_WAITING:
                self._waiting.remove(of_run[0])
                self._behind.setdefault(evaluation.run_id, of_run[0].round)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="server-evaluation", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def pending(self, run_id: int) -> set[int]:
        """Return the rounds of a run that are being evaluated or wait for it."""
        with self._changed:
            found = [*self._waiting, *([self._current] if self._current is not None else [])]
            return {one.round for one in found if one.run_id == run_id}

    def finish(self, run_id: int, sleep: Callable[[float], None]) -> None:
        """Return when all rounds of a run are evaluated; ``sleep`` is called until then and may raise."""
        while self.pending(run_id):
            sleep(0.05)

    def stop(self) -> None:
        """End the thread and the process; what waits is not evaluated. ``wait`` sees to it."""
        with self._changed:
            self._stopped.set()
            self._waiting.clear()
            self._changed.notify_all()

    def wait(self, seconds: float) -> bool:
        """Wait for the end of the thread; False if it did not end in time."""
        if self._thread is None:
            return True
        self._thread.join(seconds)
        return not self._thread.is_alive()

    # -- on the thread ------------------------------------------------------------------------------------------------

    def _work(self) -> None:
        try:
            while (evaluation := self._next()) is not None:
                self._evaluate(evaluation)
                self._tell_behind(evaluation.run_id)
                with self._changed:
                    self._current = None
        finally:
            self._end_child()

    def _next(self) -> Evaluation | None:
        """Return the next evaluation, which is the current one then; None at the end. Ends an idle process."""
        with self._changed:
            while not self._waiting and not self._stopped.is_set():
                if not self._changed.wait(self._idle_seconds if self._child is not None else None):
                    self._end_child()
            self._current = None if self._stopped.is_set() else self._waiting.pop(0)
            return self._current

    def _evaluate(self, one: Evaluation) -> None:
        try:
            answer = self._ask(one)
            if (error := answer.get("error")) is not None:
                self._tell_failure(one, str(error))
                return
            metrics = {name: float(value) for name, value in answer["metrics"].items()}
            confusion = [[int(count) for count in row] for row in answer.get("confusion", ())]
            done = ServerEvaluated(one.run_id, one.round, metrics, int(answer["samples"]), confusion)
        except ChildStopped:
            return
        except (ChildEnded, ChildOverdue, OSError) as error:
            self._tell_failure(one, str(error))
            return
        except Exception as error:  # an answer of another form, or too few threads: the run must not wait for ever
            self._end_child()
            self._tell_failure(one, f"its process gave no usable answer ({type(error).__name__}: {error})")
            return
        self._failures.pop(one.run_id, None)
        one.done(done)
        self._tell(done)

    def _ask(self, one: Evaluation) -> dict[str, Any]:
        """Return the answer; a process that ended is started again, once for each round."""
        request = {"config": one.config.for_clients(), "layout": one.layout.to_json()}
        for is_last in (False, True):
            if self._child is None or not self._child.is_running:
                self._end_child()
                self._child = EvaluationChild(self._command)
            try:
                return self._child.evaluate(request, one.weights, self._seconds, self._stopped)
            except ChildEnded:
                self._end_child()
                if is_last:
                    raise
            except (ChildOverdue, ChildStopped):
                self._child = None
                raise
        raise AssertionError("the second try returns or raises")

    def _end_child(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.end()

    def _tell_behind(self, run_id: int) -> None:
        """Record, once for a run, that rounds were skipped."""
        if (first := self._behind.get(run_id)) is not None and run_id not in self._told_behind:
            self._told_behind.add(run_id)
            why = f"is over {MAX_WAITING:,} rounds behind; the first round that it skips is {first:,}"
            self._tell(RunNote(run_id, f"The evaluation at the server {why}"))

    def _tell_failure(self, one: Evaluation, why: str) -> None:
        """Record why a round was not evaluated, once for the same reason in a row."""
        log.warning("run %s: round %s was not evaluated at the server: %s", one.run_id, one.round, why)
        if self._failures.get(one.run_id) != why:
            self._failures[one.run_id] = why
            self._tell(RunNote(one.run_id, f"Round {one.round:,} was not evaluated at the server: {why}"))

    def _tell(self, event: Event) -> None:
        """Record an event; again and again while the store cannot write."""
        while True:
            try:
                self._record(event)
                return
            except StoreUnavailable:
                if self._stopped.wait(RETRY_SECONDS):
                    return
            except RoundRefused as error:
                log.warning("%s", error)
                return
            except Exception:
                log.exception("an event of the evaluation at the server cannot be stored")
                return
