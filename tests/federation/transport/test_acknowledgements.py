"""Acknowledgements wait for the next task, and are sent without one after a moment."""

from pathlib import Path

from federation.run.states import RunState
from tests.support.engine import running_engine
from tests.support.light_client import Stage
from tests.support.processes import wait_until


def test_each_reply_is_acknowledged_also_the_last_one_with_no_task_behind_it(tmp_path: Path) -> None:
    with running_engine(tmp_path) as engine, Stage(engine.address) as stage:
        clients = [stage.add(name) for name in "ab"]
        engine.wait_online(2)
        assert engine.ledger.wait_end(engine.start_run(num_rounds=30)) is RunState.COMPLETED
        wait_until(lambda: all(len(one.acks) == len(one.tasks) for one in clients))
        for one in clients:
            assert [ack.message_id for ack in one.acks] == [task.message_id for task in one.tasks]
