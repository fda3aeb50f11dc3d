"""Invalid replies and metrics: they are refused with a reason, and the run continues."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from federation.protocol import messages
from federation.run.events import AttemptFailed, ReplyRecorded, RoundDone, RunNote
from federation.run.states import RunState
from federation.transport.admission import Limits
from tests.support.engine import Engine, outcomes, running_engine
from tests.support.light_client import Answer, Answering, LightClient, Stage, shifted, training


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with running_engine(tmp_path, Limits(max_reply_bytes=100_000, reconnect_seconds=0.5)) as started:
        yield started


def altered(change: Any) -> Answering:
    """Return a function that answers with ``change`` applied to good weights."""
    return training(lambda task, weights, layout: change(np.frombuffer(weights or b"", "<f4").copy()))


def with_one(value: float) -> Any:
    def change(weights: Any) -> Answer:
        weights[17] = value
        return Answer(weights.tobytes())

    return change


def examples(value: Any) -> Any:
    return lambda weights: Answer(weights.tobytes(), num_examples=value)


def as_layout(*rows: Any) -> Any:
    return lambda weights: Answer(weights.tobytes(), layout=list(rows))


NEEDED = "the run needs w float32 1000"
RANGE = "it must be from 1 to 10,000,000"
BAD = {
    "NaN": (with_one(math.nan), "1 of 1,000 values are not finite"),
    "infinity": (with_one(math.inf), "1 of 1,000 values are not finite"),
    "too large": (with_one(-3e38), "1 of 1,000 values are too large to be averaged"),
    "wrong shape": (as_layout(("w", [10, 100], "float32")), f"sends w float32 10×100, {NEEDED}"),
    "more arrays": (as_layout(("w", [1000], "float32"), ("x", [0], "float32")), "sends 2 arrays, the run needs 1"),
    "no array": (lambda w: Answer(b"1234", layout=[]), "sends 0 arrays, the run needs 1"),
    "no weights": (lambda w: Answer(None), "sends no weights"),
    "wrong dtype": (as_layout(("w", [1000], "float64")), f"sends w float64 1000, {NEEDED}"),
    "unknown dtype": (as_layout(("w", [1000], "object")), "array 'w' has dtype 'object', which is not allowed"),
    "too few bytes": (lambda w: Answer(w.tobytes()[:-4]), "sends 3,996 bytes, the run needs 4,000"),
    "over the cap": (lambda w: Answer(bytes(200_000)), "sends 200,000 bytes, the maximum is 100,000"),
    "no examples": (examples(0), f"num_examples is 0, {RANGE}"),
    "negative": (examples(-5), f"num_examples is -5, {RANGE}"),
    "a bool": (examples(True), "num_examples is 'True', not a whole number"),
    "a string": (examples("10"), "num_examples is '10', not a whole number"),
    "missing": (examples(None), "num_examples is missing"),
    "too many": (examples(10_000_001), f"num_examples is 10000001, {RANGE}"),
    "an error": (lambda w: Answer(None, error="x" * 500), "x" * 200),
}


@pytest.mark.parametrize("bad", BAD)
def test_a_bad_reply_is_refused_with_a_reason_and_the_run_continues(engine: Engine, stage: Stage, bad: str) -> None:
    change, reason = BAD[bad]
    stage.add("good-1", training(lambda task, weights, layout: Answer(shifted(weights or b"", 1.0))))
    stage.add("good-2", training(lambda task, weights, layout: Answer(shifted(weights or b"", 1.0))))
    engine.wait_online(2)
    stage.add("bad", altered(change))
    engine.wait_online(3)
    assert engine.ledger.wait_end(engine.start_run(num_rounds=2)) is RunState.COMPLETED
    bad_id = next(i for key, i in engine.clients.items() if key == stage.clients[2].public_key)
    mine = [o for o in outcomes(engine) if o[1] == bad_id]
    expected = "failed" if bad == "an error" else "refused"
    assert [(o[0], o[2], o[3]) for o in mine] == [(1, expected, reason), (2, expected, reason)]
    assert [d.round for d in engine.ledger.of(RoundDone)] == [0, 1, 2]
    assert all(math.isfinite(v) for d in engine.ledger.of(RoundDone) for v in d.train_metrics.values())
    assert stage.clients[2].closed is None


def test_if_all_replies_are_bad_nothing_is_committed_and_the_third_failure_ends_the_run(
    engine: Engine, stage: Stage
) -> None:
    for name in "ab":
        stage.add(name, altered(with_one(math.nan)))
    run_id = engine.start_run(num_rounds=2)
    assert engine.ledger.wait_end(run_id) is RunState.FAILED
    assert [d.round for d in engine.ledger.of(RoundDone)] == [0]
    assert [(f.round, f.attempt) for f in engine.ledger.of(AttemptFailed)] == [(1, 1), (1, 2), (1, 3)]
    assert "3 attempts at round 1 in a row failed" in (engine.ledger.reasons[run_id] or "")


def test_a_reply_that_is_offered_again_under_another_id_is_counted_once_and_not_kept(
    engine: Engine, stage: Stage
) -> None:
    class Twice(LightClient):
        """Offers its weights under their content id and then under another one, or ends the task with an error."""

        last = messages.Offer(message_id="")

        async def answer_task(self, task: messages.Task) -> None:
            await super().answer_task(task)
            if task.phase == "train":
                _, answer = self.offers[task.message_id]
                header = task.content.model_copy(update={"id": "cd" * 32}) if task.content else None
                again = messages.Offer(
                    message_id=task.message_id, metrics=answer.metrics, num_examples=1, content=header
                )
                error = self.last.model_copy(update={"message_id": task.message_id, "error": "changed its mind"})
                await self.socket.send(messages.encode(error if task.round == 3 else again))

        async def send_content(self, message_id: str) -> None:
            if "-3-" not in message_id:
                await super().send_content(message_id)

    twice = Twice(engine.address, "twice", training(lambda task, weights, layout: Answer(weights)))
    stage.add("a")
    stage.do(twice.run())
    engine.wait_online(2)
    assert engine.ledger.wait_end(engine.start_run(num_rounds=3, min_clients=1)) is RunState.COMPLETED
    client_id = engine.clients[twice.public_key]
    assert [(o[0], *o[2:]) for o in outcomes(engine) if o[1] == client_id] == [
        (1, "accepted", None), (2, "accepted", None), (3, "failed", "changed its mind")
    ]  # fmt: skip
    trained = [r for r in engine.ledger.of(ReplyRecorded) if (r.phase, r.client_id) == ("train", client_id)]
    assert [r.num_examples for r in trained] == [10, 10, None], "the first word stands"
    assert [connection.expected for connection in engine.server.lane.connections] == [{}, {}]


def test_metrics_are_limited_and_NaN_stays(engine: Engine, stage: Stage) -> None:
    wild: dict[str, Any] = {f"m{i}": 1.0 for i in range(10_000)}
    wild |= {"text": "y" * 1_000_000, "line\nbreak": 2.0}
    stage.add("a", training(lambda task, weights, layout: Answer(weights, {"loss": math.nan, **wild})))
    stage.add("b", training(lambda task, weights, layout: Answer(weights, {"loss": 1.0})))
    assert engine.ledger.wait_end(engine.start_run(num_rounds=1)) is RunState.COMPLETED
    trained = {r.client_id: r for r in engine.ledger.of(ReplyRecorded) if r.phase == "train"}
    wild_id = engine.clients[stage.clients[0].public_key]
    assert len(trained[wild_id].metrics) == 100
    assert math.isnan(trained[wild_id].metrics["loss"])
    assert "metrics were dropped" in (trained[wild_id].reason or "")
    assert math.isnan(engine.ledger.of(RoundDone)[1].train_metrics["loss"])
    notes = [note for note in engine.ledger.of(RunNote) if note.client_id == wild_id]
    assert len(notes) == 3, "one for each reason, in any number of phases and rounds"
    assert any("text (no number)" in note.sentence for note in notes)
