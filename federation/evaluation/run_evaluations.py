"""The evaluations of one run at the server, as the run's thread uses them."""

import queue
from collections.abc import Callable, Iterator

from federation.evaluation.evaluator import Evaluation, ServerEvaluator
from federation.run.config import RunConfig
from federation.run.events import ServerEvaluated
from federation.weights.layout import Buffer, Layout


class RunEvaluations:
    """Submits the rounds of a run that is to be evaluated at the server, and hands over what was measured."""

    def __init__(self, evaluator: ServerEvaluator, run_id: int, config: RunConfig) -> None:
        self._evaluator, self._run_id, self._config = evaluator, run_id, config
        self._measured: queue.SimpleQueue[ServerEvaluated] = queue.SimpleQueue()

    @property
    def are_on(self) -> bool:
        """Whether the run's configuration asks for evaluations."""
        return self._config.server_evaluation != "off"

    def submit(self, number: int, layout: Layout, weights: Buffer) -> None:
        """Have the weights of a committed round evaluated beside the next round."""
        if self.are_on:
            done = self._measured.put
            self._evaluator.submit(Evaluation(self._run_id, number, self._config, layout, weights, done))

    def measured(self) -> Iterator[ServerEvaluated]:
        """Yield what was measured since the last call."""
        while not self._measured.empty():
            yield self._measured.get_nowait()

    def pending(self) -> set[int]:
        """Return the rounds that are not evaluated yet."""
        return self._evaluator.pending(self._run_id)

    def finish(self, sleep: Callable[[float], None]) -> None:
        """Return when all rounds are evaluated; ``sleep`` is called until then and may raise."""
        self._evaluator.finish(self._run_id, sleep)
