"""A needed client that goes again and again: the run waits for it, and does not count what never came as failures."""

import asyncio
from pathlib import Path

from federation.protocol import messages
from federation.run.events import AttemptFailed, RoundDone
from federation.run.states import RunState
from federation.transport.admission import Limits
from tests.support.engine import Engine, running_engine
from tests.support.light_client import LightClient, Stage


class Restarting(LightClient):
    """A process that is killed in its training ``deaths`` times; another one connects shortly after each of them."""

    deaths = 0

    async def answer_task(self, task: messages.Task) -> None:
        if task.phase == "train" and self.deaths > 0:
            self.deaths -= 1
            await self.socket.close()
        else:
            await super().answer_task(task)

    async def run(self) -> None:
        while self.deaths > 0:
            self._contents = {}
            await super().run()
            await asyncio.sleep(0.05)  # the time that the new process takes to start
        self._contents = {}
        await super().run()


def with_a_client_that_restarts(engine: Engine, stage: Stage, deaths: int) -> None:
    stage.add("site-a")
    restarting = Restarting(engine.address, "site-b")
    restarting.deaths = deaths
    stage.do(restarting.run())
    engine.wait_online(2)


def test_a_needed_client_that_restarts_four_times_in_a_round_does_not_fail_the_run(tmp_path: Path) -> None:
    with running_engine(tmp_path, Limits(reconnect_seconds=0.2)) as engine, Stage(engine.address) as stage:
        with_a_client_that_restarts(engine, stage, deaths=4)
        assert engine.ledger.wait_end(engine.start_run(num_rounds=2)) is RunState.COMPLETED
        assert [done.round for done in engine.ledger.of(RoundDone)] == [0, 1, 2]
        failed = [(f.round, f.attempt, f.reason) for f in engine.ledger.of(AttemptFailed)]
        assert failed == [(1, n, "1 of the 2 replies it needs; site-b lost the connection") for n in (1, 2, 3, 4)]


def test_a_client_that_is_lost_in_each_attempt_fails_the_run_after_the_wait_for_clients(tmp_path: Path) -> None:
    with running_engine(tmp_path, Limits(reconnect_seconds=0.2)) as engine, Stage(engine.address) as stage:
        with_a_client_that_restarts(engine, stage, deaths=1000)
        run_id = engine.start_run(num_rounds=2, quorum_timeout_seconds=1.0)
        assert engine.ledger.wait_end(run_id, 20) is RunState.FAILED
        reason = engine.ledger.reasons[run_id] or ""
        assert "attempts at round 1 lost clients in more than 1 s" in reason and "site-b" in reason
