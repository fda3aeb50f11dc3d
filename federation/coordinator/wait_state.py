"""The run's state, and what it waits for: a sentence, and a deadline where there is one, as people see them."""

import errno
import logging
import time
from collections.abc import Callable
from typing import TypeVar

from federation.coordinator.control import Control, RunStopped
from federation.coordinator.retrying_ledger import RetryingLedger
from federation.run.events import Blocked, WaitKind
from federation.run.states import RunState

DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
STORAGE_RETRY_SECONDS = 1.0

log = logging.getLogger(__name__)
_T = TypeVar("_T")


class WaitState:
    """The run's state (waiting, running, paused) and what it is blocked on, as the ledger has them.

    For the run's thread. Methods that move the run raise RunStopped or RunInterrupted if it is to end.
    """

    def __init__(self, run_id: int, ledger: RetryingLedger, control: Control) -> None:
        self._run_id, self._ledger, self._control = run_id, ledger, control
        self._state = RunState.WAITING
        self._is_blocked = False
        self._reported: tuple[object, ...] | None = None

    def block(self, state: RunState, kind: WaitKind, sentence: str, seconds: float | None, *actions: str) -> None:
        """Record what the run waits for, for how many seconds at most, and move it to ``state``."""
        blocked = Blocked(self._run_id, kind, sentence, seconds, (*actions, "stop"))
        self._is_blocked, self._reported = True, None
        if state is self._state:
            self._ledger.record(blocked)
        else:
            self.move(state, blocked)

    def report(self, kind: WaitKind, sentence: str, actions: tuple[str, ...]) -> None:
        """Record which clients the run waits for until its deadline, if that differs from the last report."""
        wait = (kind, sentence, actions, self._control.deadline)
        if wait != self._reported:
            seconds = max(self._control.deadline - time.monotonic(), 0.0)
            self.block(RunState.WAITING, kind, sentence, seconds, *actions)
            self._reported = wait
            self._ledger.flush()

    def unblock(self) -> None:
        """Record that the run does not wait any more."""
        if self._is_blocked:
            self._is_blocked = False
            self._ledger.record(Blocked(self._run_id, None))

    def set_running(self) -> None:
        """Record that the run has what it needs and works."""
        if self._state is RunState.PAUSED:
            self.move(RunState.WAITING)
        if self._state is RunState.RUNNING:
            self.unblock()
        else:
            self.move(RunState.RUNNING)
            self._is_blocked = False

    def move(self, to: RunState, blocked: Blocked | None = None) -> None:
        """Move the run to a state.

        A refused move is a stop: the run was moved to stopping, or ended, by a request that this thread was not told
        of. It is none if the run is in that state, because the answer to a first try may have been lost.
        """
        self._control.check()
        if not self._ledger.move(to, blocked=blocked) and self._ledger.read_state() != to:
            raise RunStopped
        self._state = to

    def retry_storage(self, write: Callable[[], _T], what: str, state: RunState) -> _T:
        """Call ``write`` until the disk takes it; meanwhile the run is in ``state`` and blocked on storage."""
        blocked = False
        while True:
            try:
                result = write()
            except OSError as error:
                if not blocked:
                    log.warning("run %s: %s cannot be written: %s", self._run_id, what, error)
                    blocked = True
                    advice = "Make room" if error.errno in DISK_FULL else "Check the data directory"
                    sentence = f"{what} cannot be written: {error.strerror or error}. {advice}"
                    self.block(state, "storage", sentence, None)
                self._control.sleep(STORAGE_RETRY_SECONDS)
                continue
            if blocked and state is RunState.PAUSED:
                self.set_running()
            elif blocked:
                self.unblock()
            return result
