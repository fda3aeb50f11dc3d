"""How a run ends: which exception of its loop is which state, whatever the loop does."""

from collections.abc import Callable
from typing import NamedTuple

from federation.coordinator.control import RunInterrupted, RunStopped
from federation.coordinator.quorum import QuorumMissed
from federation.coordinator.run_context import RunContext
from federation.run.events import RoundRefused
from federation.run.rounds.stop_rules import StopRule
from federation.run.states import RunState


class RunFailed(Exception):
    """The run cannot continue; the sentence says why."""


class RunEnd(NamedTuple):
    """The state that a run ends in, the reason, and the stop rule that ended it."""

    state: RunState
    reason: str | None = None
    rule: StopRule | None = None


def run_to_end(work: Callable[[], RunEnd], context: RunContext, *failures: type[Exception]) -> RunEnd:
    """Call ``work`` on the run's thread, which the lane wakes meanwhile, and return how the run ends.

    ``failures`` are the exceptions, besides RunFailed and QuorumMissed, whose text is the reason of a failed run. All
    others are raised.
    """
    told: tuple[type[Exception], ...] = (RunFailed, QuorumMissed, *failures)
    context.lane.watch(context.control.wake)
    try:
        with context.on_end:
            return work()
    except RunStopped:
        return RunEnd(RunState.STOPPED)
    except RunInterrupted:
        return RunEnd(RunState.INTERRUPTED, "the server was stopped")
    except RoundRefused as error:
        return RunEnd(RunState.INTERRUPTED, None if context.control.stopping else str(error))
    except told as error:
        return RunEnd(RunState.FAILED, str(error))
    finally:
        context.lane.unwatch(context.control.wake)
        context.control.close()
        context.ledger.flush()
