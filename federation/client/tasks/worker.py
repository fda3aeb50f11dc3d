"""The worker thread of a client: runs one task after the other, reports progress, and hands the replies over."""

import logging
import queue
import threading
import time
from collections.abc import Callable

from federation.client.console import SHOW_SECONDS, TaskConsole
from federation.client.outbox import ClientTask, Outbox
from federation.client.tasks.executor import Executor
from federation.progress import TaskCancelled
from federation.protocol.messages import PROGRESS_SECONDS, ProgressFrame

log = logging.getLogger(__name__)


class ProgressReporter:
    """Called by ``report_progress`` within a task: mostly reads the clock, seldom sends a frame or moves the bar."""

    def __init__(self, task: ClientTask, send: Callable[[ProgressFrame], None], console: TaskConsole) -> None:
        self._task, self._send, self._console = task, send, console
        self._show_at = self._send_at = time.monotonic() + SHOW_SECONDS

    def __call__(self, batch: int, batches: int | None, loss: float | None) -> None:
        """A batch is done; raises TaskCancelled when the server has cancelled the task."""
        if self._task.cancelled:
            raise TaskCancelled
        now = time.monotonic()
        if now < self._show_at:
            return
        self._show_at = now + SHOW_SECONDS
        self._console.show_progress(self._task.task, batch, batches, loss)
        if now >= self._send_at:
            self._send_at = now + PROGRESS_SECONDS
            self._send(ProgressFrame(
                message_id=self._task.task.message_id, batch=int(batch),
                batches=None if batches is None else int(batches), loss=None if loss is None else float(loss),
            ))  # fmt: skip


class Worker:
    """Runs the tasks of its clients, one after the other in one thread. Public methods may be called from any thread.

    Parameters
    ----------
    warm_up : Callable[[], None]
        Called in the thread before its first task.
    on_failure : Callable[[], None]
        Called in the thread when that ends by an error.
    """

    def __init__(self, console: TaskConsole, *, warm_up: Callable[[], None], on_failure: Callable[[], None]) -> None:
        self._console, self._warm_up, self._on_failure = console, warm_up, on_failure
        self._queue: queue.SimpleQueue[tuple[Executor, Outbox, ClientTask] | None] = queue.SimpleQueue()
        self._outboxes: list[Outbox] = []
        self._thread = threading.Thread(target=self._run, name="worker", daemon=True)

    def add_client(self, executor: Executor) -> Outbox:
        """Return the outbox of a client whose tasks that executor runs."""
        outbox = Outbox(lambda task: self._queue.put((executor, outbox, task)))
        self._outboxes.append(outbox)
        return outbox

    def start(self) -> None:
        """Begin to run tasks."""
        self._thread.start()

    @property
    def is_running(self) -> bool:
        """Whether the thread is there, at work or not."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """Cancel the task under way, which ends at its next batch, and the tasks that wait."""
        for outbox in self._outboxes:
            outbox.cancel_all()
        self._queue.put(None)

    def wait(self, seconds: float) -> bool:
        """Wait for the end of the thread; False when it is still there after ``seconds``."""
        self._thread.join(seconds)
        return not self.is_running

    def _run(self) -> None:
        try:
            self._warm_up()
            while (item := self._queue.get()) is not None:
                self._run_task(*item)
        except BaseException:  # whatever ends this thread ends the process: a client without a worker answers nothing
            try:
                log.exception("the worker thread failed")
            finally:
                self._on_failure()

    def _run_task(self, executor: Executor, outbox: Outbox, task: ClientTask) -> None:
        started = time.monotonic()
        reply = None
        if not task.cancelled:
            reporter = ProgressReporter(task, outbox.send_progress, self._console)
            reply = executor.run(task, outbox.node_id, reporter)
        outbox.finish_task(task.task.message_id, reply)
        outcome = "cancelled" if reply is None else "failed" if reply.offer.error is not None else "done"
        self._console.show_end(task.task, outcome, time.monotonic() - started)
