"""The ledger as a run's thread sees it: a store that takes nothing for a while is tried again until it does."""

import logging
from collections.abc import Callable
from typing import Any, TypeVar

from federation.coordinator.control import Control
from federation.coordinator.ledger import Ledger
from federation.run.events import Event, StoreUnavailable
from federation.run.states import RunState

log = logging.getLogger(__name__)

AGAIN_SECONDS = 0.5
_T = TypeVar("_T")


class PatientLedger:
    """Passes everything on to ``ledger``. Raises as ``Control.check`` where people want the run's end meanwhile."""

    def __init__(self, ledger: Ledger, control: Control) -> None:
        self._ledger, self._control = ledger, control

    def rounds_wanted(self, run_id: int) -> int:
        """Return how many rounds people want of a run by now."""
        return self._until_taken(lambda: self._ledger.rounds_wanted(run_id))

    def clients_wanted(self, run_id: int) -> int:
        """Return how few clients people let a run do with by now."""
        return self._until_taken(lambda: self._ledger.clients_wanted(run_id))

    def move(self, run_id: int, to: RunState, **more: Any) -> bool:
        """Move a run to a state, as soon as that can be written down."""
        return self._until_taken(lambda: self._ledger.move(run_id, to, **more))

    def record(self, event: Event) -> None:
        """Keep an event, as soon as that is possible."""
        self._until_taken(lambda: self._ledger.record(event))

    def flush(self) -> None:
        """Write what is held back; what cannot be written now will be with the next event."""
        try:
            self._ledger.flush()
        except StoreUnavailable as error:
            log.warning("%s", error)

    def _until_taken(self, write: Callable[[], _T]) -> _T:
        said = False
        while True:
            try:
                return write()
            except StoreUnavailable as error:
                if not said:
                    log.warning("%s; the run waits for it", error)
                    said = True
                self._control.sleep(AGAIN_SECONDS)
