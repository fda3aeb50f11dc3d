"""How a run ends: which exception of its loop is which state, whatever the loop does."""

from collections.abc import Callable
from typing import NamedTuple

from federation.coordinator.control import Control, RunInterrupted, RunStopped
from federation.coordinator.quorum import QuorumMissed
from federation.coordinator.retrying_ledger import RetryingLedger
from federation.run.events import RoundRefused
from federation.run.rounds.stop_rules import StopRule
from federation.run.states import RunState
from federation.transport.lane import StreamLane


class RunFailed(Exception):
    """The run cannot continue; the sentence says why."""


class RunEnd(NamedTuple):
    """The state that a run ends in, the reason, and the stop rule that ended it."""

    state: RunState
    reason: str | None = None
    rule: StopRule | None = None


def run_to_end(
    work: Callable[[], RunEnd], lane: StreamLane, control: Control, ledger: RetryingLedger,
    *failures: type[Exception],
) -> RunEnd:  # fmt: skip
    """Call ``work`` on the run's thread, which the lane wakes meanwhile, and return how the run ends.

    ``failures`` are the exceptions, besides RunFailed and QuorumMissed, whose text is the reason of a failed run. All
    others are raised.
    """
    told: tuple[type[Exception], ...] = (RunFailed, QuorumMissed, *failures)
    lane.watch(control.wake)
    try:
        return work()
    except RunStopped:
        return RunEnd(RunState.STOPPED)
    except RunInterrupted:
        return RunEnd(RunState.INTERRUPTED, "the server was stopped")
    except RoundRefused as error:
        return RunEnd(RunState.INTERRUPTED, None if control.stopping else str(error))
    except told as error:
        return RunEnd(RunState.FAILED, str(error))
    finally:
        lane.unwatch(control.wake)
        control.close()
        ledger.flush()
