"""How a run waits: for clients, the end of a pause, or the disk; with a sentence, and a deadline where there is one."""

import errno
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from federation.coordinator.control import Control, RunStopped
from federation.coordinator.eligibility import Eligibility
from federation.coordinator.preparation import Preparation
from federation.coordinator.retrying_ledger import RetryingLedger
from federation.run.config import RunConfig
from federation.run.events import Blocked, WaitKind
from federation.run.networks import needs_dataset
from federation.run.states import RunState
from federation.transport.exchange import Member, Reply, TaskConfig

PREPARING_SECONDS = 5.0
"""Before round 0, a run with enough clients waits this long for others that are still preparing."""

CHECK_SECONDS = 0.25

DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
STORAGE_RETRY_SECONDS = 1.0

log = logging.getLogger(__name__)
_T = TypeVar("_T")


class QuorumMissed(Exception):
    """The clients that a run needs did not connect in time; the sentence says how many did."""


@dataclass(frozen=True, slots=True)
class ClientWait:
    """A wait for clients as people see it; ``deadline`` is on the monotonic clock."""

    kind: WaitKind
    sentence: str
    actions: tuple[str, ...]
    deadline: float


class WaitState:
    """The run's state (waiting, running, paused) and what it is blocked on, as the ledger has them.

    For the run's thread. Methods that move the run raise RunStopped or RunInterrupted if it is to end.
    """

    def __init__(self, run_id: int, ledger: RetryingLedger, control: Control) -> None:
        self._run_id, self._ledger, self._control = run_id, ledger, control
        self._state = RunState.WAITING
        self._is_blocked = False

    def block(self, state: RunState, kind: WaitKind, sentence: str, seconds: float | None, *actions: str) -> None:
        """Record what the run waits for, for how many seconds at most, and move it to ``state``."""
        blocked = Blocked(self._run_id, kind, sentence, seconds, (*actions, "stop"))
        self._is_blocked = True
        if state is self._state:
            self._ledger.record(blocked)
        else:
            self.move(state, blocked)

    def report(self, wait: ClientWait, reported: ClientWait | None) -> ClientWait:
        """Record which clients the run waits for, if that differs from the last report; return it."""
        if wait != reported:
            seconds = max(wait.deadline - time.monotonic(), 0.0)
            self.block(RunState.WAITING, wait.kind, wait.sentence, seconds, *wait.actions)
            self._ledger.flush()
        return wait

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
        if not self._ledger.move(self._run_id, to, blocked=blocked) and self._ledger.read_state(self._run_id) != to:
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


def pause_if_requested(
    wait_state: WaitState, ledger: RetryingLedger, control: Control, committed: int,
    handle: Callable[[Reply | None], None],
) -> None:  # fmt: skip
    """Pause until a person continues the run; clients stay connected. ``handle`` gets what arrives meanwhile."""
    if not control.pausing:
        return
    wait_state.set_running()
    after = f"after round {committed:,}" if committed >= 0 else "before round 0"
    wait_state.block(RunState.PAUSED, "paused", f"Paused by a user {after}", None, "continue")
    ledger.flush()
    while control.pausing:
        handle(control.next_reply(CHECK_SECONDS))
    wait_state.move(RunState.WAITING)


def wait_for_more(config: RunConfig, control: Control, eligibility: Eligibility, present: int) -> ClientWait:
    """Return the wait for more clients than are present, with what people can do about it."""
    needed, outsiders, elsewhere = control.min_clients, eligibility.count_ineligible(), eligibility.count_elsewhere()
    data = f" with {config.dataset}" if needs_dataset(config.network) else ""
    can = "are eligible and online" if outsiders or elsewhere else "are online"
    sentence = f"{present:,} of {needed:,} clients {can}; the run needs {needed - present:,} more{data}"
    if outsiders:
        sentence += f" ({outsiders} online but not eligible)"
    if elsewhere:
        sentence += f" ({elsewhere:,} in another run)"
    fewer = ("min_clients",) if present >= config.clients_needed else ()
    actions = (*fewer, "wait", *(("demo",) if config.demo_dataset else ()))
    return ClientWait("quorum", sentence, actions, control.deadline)


class Quorum:
    """Waits until enough clients are ready for a round; for the run's thread."""

    def __init__(
        self, config: RunConfig, wait_state: WaitState, ledger: RetryingLedger, control: Control,
        eligibility: Eligibility, preparation: Preparation,
    ) -> None:  # fmt: skip
        self._config, self._wait_state, self._ledger, self._control = config, wait_state, ledger, control
        self._eligibility, self._preparation = eligibility, preparation

    def pause_if_requested(self, committed: int) -> None:
        """Pause between two rounds until a person continues the run."""
        pause_if_requested(self._wait_state, self._ledger, self._control, committed, self._handle)

    def wait_for_clients(self, number: int, config: TaskConfig) -> dict[int, Member] | None:
        """Return the clients that are ready for round ``number``, at least ``min_clients``.

        None: a pause is requested. Raises QuorumMissed at the deadline.
        """
        self._control.begin_wait(self._config.quorum_timeout_seconds)
        try:
            ready = self._gather(number, config)
        finally:
            self._eligibility.note_wait(is_short=False, busy=self._preparation.busy)
            self._control.end_wait()
        if ready is not None:
            self._wait_state.set_running()
        return ready

    def _gather(self, number: int, config: TaskConfig) -> dict[int, Member] | None:
        enough_since: float | None = None
        reported: ClientWait | None = None
        while not self._control.pausing:
            self._handle_arrived()
            self._eligibility.reload()
            self._preparation.cancel_overdue()
            eligible = self._eligibility.eligible()
            self._preparation.send_to_new(eligible, number, config)
            ready, preparing = self._preparation.ready_of(eligible), self._preparation.count_pending(eligible)
            self._eligibility.note_wait(
                is_short=len(ready) + preparing < self._control.min_clients, busy=self._preparation.busy
            )  # fmt: skip
            now = time.monotonic()
            if len(ready) >= self._control.min_clients:
                enough_since = enough_since or now
                if number > 0 or not preparing or now - enough_since > PREPARING_SECONDS:
                    return ready
            elif (waited := self._control.expire_wait()) is not None:
                needed = self._control.min_clients
                raise QuorumMissed(f"{len(ready):,} of {needed:,} clients were online after {waited:g} s")
            reported = self._wait_state.report(self._describe(len(ready) + preparing, preparing), reported)
            self._handle(self._control.next_reply(CHECK_SECONDS))
        return None

    def _handle_arrived(self) -> None:
        """Handle the replies that have arrived, without waiting."""
        while (reply := self._control.next_reply(0.0)) is not None:
            self._handle(reply)

    def _handle(self, reply: Reply | None) -> None:
        """Handle a reply between two rounds: an answer to a prepare task, or a reply that is too late."""
        if reply is not None:
            self._preparation.handle(reply)
            reply.release()

    def _describe(self, present: int, preparing: int) -> ClientWait:
        if present < self._control.min_clients:
            return wait_for_more(self._config, self._control, self._eligibility, present)
        sentence = f"{preparing:,} of {present:,} clients are still building the network over their data"
        return ClientWait("prepare", sentence, ("wait",), self._control.deadline)
