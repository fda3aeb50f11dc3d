"""Apps without an evaluate function: the run goes on with training metrics, and says so once."""

import pytest

from federation.protocol.messages import Offer
from federation.run.events import ReplyRecorded, RoundDone, RunNote
from federation.run.states import RunState
from tests.conftest import StartClient
from tests.support.answers import train_only
from tests.support.engine import Engine
from tests.support.light_client import Stage
from tests.support.small_server import WEIGHTS, SmallServer


@pytest.mark.parametrize("others", [1, 0], ids=["beside another", "alone"])
def test_an_app_without_an_evaluate_function_is_noted_once_and_gets_no_more_evaluate_tasks(
    engine: Engine, stage: Stage, others: int
) -> None:
    sites = [stage.add(f"site-{letter}", train_only) for letter in "ab"]
    for number in range(others):
        stage.add(f"whole-{number}")
    engine.wait_online(2 + others)
    assert engine.ledger.wait_end(engine.start_run(num_rounds=4, min_clients=2 + others)) is RunState.COMPLETED

    rest = "are those of the other clients" if others else "are missing in this run"
    (note,) = engine.ledger.of(RunNote)
    assert note.sentence == f"No evaluate function in the app of site-a and site-b: evaluation metrics {rest}"
    assert all(reply.outcome == "accepted" for reply in engine.ledger.of(ReplyRecorded))
    for site in sites:
        assert [(task.round, task.phase) for task in site.tasks if task.phase != "prepare"] == [
            (0, "evaluate"), (1, "train"), (2, "train"), (3, "train"), (4, "train")
        ]  # fmt: skip
    done = engine.ledger.of(RoundDone)
    assert [bool(one.train_metrics) for one in done] == [False, True, True, True, True]
    assert {bool(one.evaluate_metrics) for one in done} == {bool(others)}


@pytest.mark.parametrize("app", ["train_only", "legacy_train_only"])
def test_a_client_says_that_its_app_has_no_function_for_the_phase(client: StartClient, app: str) -> None:
    with SmallServer().running() as server:
        process = client(server.address, "site-a", "--app", f"tests.support.train_only_apps:{app}")
        peer = server.next_connection().welcome()
        peer.send_task("evaluate", WEIGHTS)
        offer = peer.next(Offer)
        assert (offer.error, offer.not_implemented) == ("the app has no evaluate function", True)
        peer.send_task("train", WEIGHTS, pieces=False)
        assert peer.next(Offer).error is None
        assert process.interrupt() == 0
    assert "Traceback" not in process.output and "no evaluate function" in process.output
