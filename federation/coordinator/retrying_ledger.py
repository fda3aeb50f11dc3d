"""The ledger as the run's thread uses it: a call that the store cannot take now is repeated until it can."""

import logging
from collections.abc import Callable
from typing import TypeVar

from federation.coordinator.control import Control
from federation.coordinator.ledger import Ledger, Participation
from federation.run.events import Blocked, Event, StoreUnavailable
from federation.run.states import RunState

log = logging.getLogger(__name__)

RETRY_SECONDS = 0.5
_T = TypeVar("_T")


class RetryingLedger:
    """Passes calls for one run on to ``ledger`` and repeats them while it raises StoreUnavailable.

    Every method but ``flush`` raises RunStopped or RunInterrupted if the run is to end meanwhile.
    """

    def __init__(self, ledger: Ledger, control: Control, run_id: int) -> None:
        self._ledger, self._control, self._run_id = ledger, control, run_id

    def read_state(self) -> RunState | None:
        """Return the state of the run; None if there is no such run."""
        return self._retry(lambda: self._ledger.read_state(self._run_id))

    def read_num_rounds(self) -> int:
        """Return the number of rounds that the run has by now."""
        return self._retry(lambda: self._ledger.read_num_rounds(self._run_id))

    def read_participation(self) -> Participation:
        """Return what people have decided of the run's clients by now."""
        return self._retry(lambda: self._ledger.read_participation(self._run_id))

    def move(self, to: RunState, *, blocked: Blocked | None = None) -> bool:
        """Move the run to a state."""
        return self._retry(lambda: self._ledger.move(self._run_id, to, blocked=blocked))

    def record(self, event: Event) -> None:
        """Keep an event."""
        self._retry(lambda: self._ledger.record(event))

    def flush(self) -> None:
        """Try once to write what the run holds back; otherwise it is written with the next event."""
        try:
            self._ledger.flush(self._run_id)
        except StoreUnavailable as error:
            log.warning("%s", error)

    def _retry(self, call: Callable[[], _T]) -> _T:
        logged = False
        while True:
            try:
                return call()
            except StoreUnavailable as error:
                if not logged:
                    log.warning("%s; the run waits for it", error)
                    logged = True
                self._control.sleep(RETRY_SECONDS)
