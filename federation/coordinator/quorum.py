"""How a run waits: for enough clients, for the end of a pause; with a deadline, a sentence, and an ear for people."""

import time
from typing import Any, Literal

from federation.coordinator.control import Control
from federation.coordinator.eligibility import Party
from federation.coordinator.retrying_ledger import PatientLedger
from federation.run.config import RunConfig, needs_dataset
from federation.run.events import Blocked
from federation.run.states import RunState
from federation.transport.exchange import Member, Reply

NEWCOMER_SECONDS = 5.0
"""Before round 0, clients that are still preparing are waited for this long once the quorum is there."""

LOOK_SECONDS = 0.25


Said = tuple[str, str, tuple[str, ...], float]
"""Kind, sentence, actions and deadline of a wait."""


class QuorumMissed(Exception):
    """The clients that a run needs did not come in time; the sentence says how many did."""


class Presence:
    """Keeps a run's state in step with who is there: waiting, running, paused."""

    def __init__(self, run_id: int, config: RunConfig, ledger: PatientLedger, control: Control) -> None:
        self._run_id, self._config, self._ledger, self._control = run_id, config, ledger, control
        self._state = RunState.WAITING
        self._blocked = False

    def block(self, state: RunState, kind: Any, sentence: str, seconds: float | None, *actions: str) -> None:
        """Say what the run waits for, until when, and in which state; raises where people asked for its end."""
        blocked = Blocked(self._run_id, kind, sentence, seconds, (*actions, "stop"))
        self._blocked = True
        if state is self._state:
            self._ledger.record(blocked)
        else:
            self._move(state, blocked)

    def unblock(self) -> None:
        """Say that it waits no more."""
        if self._blocked:
            self._blocked = False
            self._ledger.record(Blocked(self._run_id, None))

    def go(self) -> None:
        """The run has what it needs: it is running from now on."""
        if self._state is RunState.PAUSED:
            self._move(RunState.WAITING)
        if self._state is RunState.RUNNING:
            self.unblock()
        else:
            self._move(RunState.RUNNING)
            self._blocked = False

    def _move(self, to: RunState, blocked: Blocked | None = None) -> None:
        self._control.check()
        self._ledger.move(self._run_id, to, blocked=blocked)
        self._state = to

    # -- pause --------------------------------------------------------------------------------------------------------

    def pause_if_asked(self, committed: int, hear: Any) -> None:
        """Pause between two rounds until a person goes on; clients stay connected."""
        if not self._control.pausing:
            return
        self.go()
        after = f"after round {committed}" if committed >= 0 else "before round 0"
        self.block(RunState.PAUSED, "paused", f"Paused by a person {after}", None, "continue")
        self._ledger.flush()
        while self._control.pausing:
            hear(self._control.next(LOOK_SECONDS))
        self._move(RunState.WAITING)

    # -- quorum -------------------------------------------------------------------------------------------------------

    def wait_for_quorum(self, party: Party, number: int, config: dict[str, Any]) -> dict[int, Member] | None:
        """Return the clients that are ready, at least ``min_clients``; None as soon as a person wants a pause.

        Raises QuorumMissed at the deadline.
        """
        self._control.begin_wait(self._config.quorum_timeout_seconds)
        try:
            ready = self._gather(party, number, config)
        finally:
            self._control.end_wait()
        if ready is not None:
            self.go()
        return ready

    def _gather(self, party: Party, number: int, config: dict[str, Any]) -> dict[int, Member] | None:
        enough_since: float | None = None
        said: Said | None = None
        while not self._control.pausing:
            self.drain(party)
            party.let_in()
            party.give_up_late()
            party.ask_newcomers(number, config)
            ready, now = party.ready(), time.monotonic()
            if len(ready) >= self._control.min_clients:
                enough_since = enough_since or now
                if number > 0 or not party.preparing or now - enough_since > NEWCOMER_SECONDS:
                    return ready
            elif (waited := self._control.give_up()) is not None:
                of = self._control.min_clients
                raise QuorumMissed(f"{len(ready)} of {of} clients were there after {waited:g} s")
            said = self._say(len(ready), party.preparing, party.outsiders, said)
            self.hear(party, self._control.next(LOOK_SECONDS))
        return None

    def drain(self, party: Party) -> None:
        """Take what has come without waiting."""
        while (reply := self._control.next(0.0)) is not None:
            self.hear(party, reply)

    @staticmethod
    def hear(party: Party, reply: Reply | None) -> None:
        """Take a reply between two rounds: an answer to prepare, or one that came too late."""
        if reply is not None:
            party.hear(reply)
            reply.release()

    def _say(self, ready: int, preparing: int, outsiders: int, said: Said | None) -> Said:
        """Say what the run waits for, until when and what ends the wait, where that is not what was said last."""
        deadline = self._control.deadline
        kind, sentence, actions = self._sentence(ready + preparing, preparing, outsiders)
        if said != (now := (kind, sentence, actions, deadline)):
            self.block(RunState.WAITING, kind, sentence, max(deadline - time.monotonic(), 0.0), *actions)
            self._ledger.flush()
        return now

    def _sentence(
        self, here: int, preparing: int, outsiders: int
    ) -> tuple[Literal["prepare", "quorum"], str, tuple[str, ...]]:
        config, needed = self._config, self._control.min_clients
        if here >= needed:
            return "prepare", f"{preparing} of {here} clients are still building the network over their data", ("wait",)
        data = f" with {config.dataset}" if needs_dataset(config.network) else ""
        can = "can take part" if outsiders else "are online"
        sentence = f"{here} of {needed} clients {can}; the run needs {needed - here} more{data}"
        if outsiders:
            sentence += f" ({outsiders} online {'is' if outsiders == 1 else 'are'} not for this run)"
        fewer = ("min_clients",) if here >= config.clients_needed else ()
        return "quorum", sentence, (*fewer, "wait", *(("demo",) if config.demo_dataset else ()))
