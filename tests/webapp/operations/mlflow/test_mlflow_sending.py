"""What MLflow gets of runs, and that each round arrives once whatever fails; a server of its REST API gets it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from math import inf, isnan, nan
from typing import Any

import pytest
from sqlalchemy import update

from federation.run.states import RunState
from tests.support.books import Books
from tests.support.mlflow_server import MlflowServer, mlflow_server
from tests.support.processes import wait_until
from webapp.db.repository.events import newest_events
from webapp.db.repository.rounds import get_round
from webapp.db.repository.tracking.mlflow import run_at
from webapp.db.tables import MlflowRun
from webapp.operations.mlflow.export import Mlflow
from webapp.operations.mlflow.records import key_of
from webapp.operations.mlflow.views import MlflowView, mlflow_view
from webapp.settings import Settings

FAST = (0.02,)


@pytest.fixture
def server() -> Iterator[MlflowServer]:
    with mlflow_server() as started:
        yield started


class Sent:
    """The sending of a database's runs, which ends and starts as a process does."""

    def __init__(self, books: Books, server: MlflowServer, **settings: Any) -> None:
        self._books, self._settings = books, Settings(mlflow_url=server.url, **settings)

    @contextmanager
    def sending(self) -> Iterator[None]:
        def newest() -> int:
            return max((event.id for event in self._books.published), default=0)

        mlflow = Mlflow(self._settings, self._books.database, newest, FAST)
        mlflow.start()
        try:
            yield
        finally:
            mlflow.stop(20)

    def of(self, run_id: int) -> MlflowView | None:
        with self._books.database.read() as session:
            row = run_at(session, self._settings.mlflow_url, run_id)
            return mlflow_view(row) if row is not None else None

    def wait(self, run_id: int, sent_round: int, state: str = "sent", tries: int = 0) -> MlflowView:
        def there() -> list[MlflowView]:
            view = self.of(run_id)
            fits = view is not None and (view.sent_round, view.state) == (sent_round, state) and view.tries >= tries
            return [view] if view is not None and fits else []

        return wait_until(there, what=f"round {sent_round} {state}")[0]


def notes(books: Books, run_id: int) -> list[str]:
    with books.database.read() as session:
        return [one.data["sentence"] for one in reversed(newest_events(session, run_id=run_id, types=["note"]))]


def once_each(server: MlflowServer, rounds: int) -> None:
    """Assert that each run of the server has each round of each metric once, in order."""
    for run in server.runs.values():
        assert run.repeated() == []
        for key in {name for name, *_ in run.metrics}:
            assert run.steps(key) == list(range(rounds)), (run.tags["mlflow.runName"], key)


def test_a_run_is_there_with_its_clients_parameters_rounds_and_end(books: Books, server: MlflowServer) -> None:
    a, b = books.add_clients("site-a", "site-b")
    before = books.start_run(name="earlier")
    sent = Sent(books, server, public_url="https://meadow.example")
    with sent.sending():
        options = {"strategy": "FedProx", "strategy_options": {"proximal_mu": 0.5}, "seed": 11}
        assert books.runs.move(before, RunState.STOPPED)
        run_id = books.start_run(name="digits", num_rounds=3, **options)
        books.play_round(run_id, 0, [a, b], loss=2.0)
        for number, loss in ((1, nan), (2, inf), (3, 0.5)):
            books.play_round(run_id, number, [a, b], **{"loss": loss, "top[0]": 0.25})
        assert books.runs.move(run_id, RunState.COMPLETED)
        view = sent.wait(run_id, 3)
    (parent,) = [run for run in server.parents() if run.tags["meadow.run_id"] == str(run_id)]
    assert server.experiments == {"Meadow": "1"} and parent.experiment == "1"
    assert (parent.status, parent.run_id) == ("FINISHED", view.mlflow_run_id)
    assert parent.end is not None and parent.end >= parent.start
    assert parent.params["strategy_options.proximal_mu"] == "0.5" and parent.params["seed"] == "11"
    assert {"version.meadow", "version.flwr", "version.python"} <= set(parent.params)
    assert parent.tags["meadow.state"] == "completed" and parent.tags["mlflow.runName"] == "digits"
    assert parent.tags["meadow.link"] == f"https://meadow.example/runs/{run_id}"
    assert parent.tags["mlflow.source.name"] == "Meadow"
    values = {step: value for key, value, step, _ in parent.metrics if key == "evaluate_loss"}
    assert (values[0], values[2], values[3]) == (2.0, inf, 0.5) and isnan(values[1])
    assert parent.steps("train_top.0") == [1, 2, 3] and parent.steps("round_seconds") == [0, 1, 2, 3]
    with books.database.read() as session:
        row = get_round(session, run_id, 2)
    assert row is not None
    assert {at for _, _, step, at in parent.metrics if step == 2} == {round(row.committed_at.timestamp() * 1000)}
    children = {run.tags["mlflow.runName"]: run for run in server.children().values()}
    assert set(children) == {"site-a", "site-b"}
    for child in children.values():
        assert child.tags["mlflow.parentRunId"] == parent.run_id and child.status == "FINISHED"
        assert child.steps("train_loss") == [0, 1, 2, 3]
    assert [run.tags["meadow.run_id"] for run in server.parents()] == [str(before), str(run_id)]


def test_each_round_arrives_once_while_mlflow_is_away_refuses_and_does_not_answer(
    books: Books, server: MlflowServer
) -> None:
    clients = books.add_clients("site-a", "site-b")
    sent, done = Sent(books, server), 0
    run_id = 0

    def play(rounds: int) -> None:
        nonlocal done
        for number in range(done, done + rounds):
            books.play_round(run_id, number, clients, loss=1.0 / (number + 1))
        done += rounds

    with sent.sending():
        run_id = books.start_run(num_rounds=100)
        server.answers = {"experiments/create": [500, -1], "runs/create": [503, -1, 429], "runs/log-batch": [-1, 500]}
        play(3)
        sent.wait(run_id, 2)
        assert len(server.parents()) == 1 and len(server.children()) == 2
        server.answers = {"runs/log-batch": [409, -1, -1, 429, 200, -1], "runs/get": [502]}
        play(2)
        sent.wait(run_id, 4)
        told = len(notes(books, run_id))
        server.down()
        play(5)
        view = sent.wait(run_id, 4, "failing", tries=3)
        assert "does not answer" in view.error and view.next_try_at is not None
        server.up()
        sent.wait(run_id, 9)
    away, again = notes(books, run_id)[told:]
    assert away == f"This run is not sent to MLflow: {view.error}; its rounds are kept and sent later", "once"
    assert again == "MLflow has all rounds again"
    with sent.sending():  # another process, which knows nothing of what has arrived
        play(1)
        assert books.runs.move(run_id, RunState.STOPPED, "enough")
        wait_until(lambda: server.parents()[0].status == "KILLED")
        sent.wait(run_id, 10)
    once_each(server, 11)
    assert server.parents()[0].tags["meadow.reason"] == "enough"


def test_what_was_not_sent_by_one_process_is_sent_by_the_next(books: Books, server: MlflowServer) -> None:
    clients = books.add_clients("site-a")
    sent = Sent(books, server)
    with sent.sending():
        pass
    run_id = books.start_run(num_rounds=3000)
    for number in range(700):
        books.play_round(run_id, number, clients, loss=0.5, accuracy=0.5)
    with sent.sending():
        sent.wait(run_id, 699)
    once_each(server, 700)
    assert max(len(run.metrics) for run in server.runs.values()) == 700 * 8
    assert server.calls.count("runs/log-batch") < 30, "rounds are sent together, at most 1,000 values a request"


def test_a_clock_that_is_set_back_holds_no_run_up(books: Books, server: MlflowServer) -> None:
    sent = Sent(books, server)
    with sent.sending():
        pass
    run_id = books.start_run(num_rounds=2)
    books.play_round(run_id, 1, books.add_clients("site-a"), loss=0.5)
    server.down()
    with sent.sending():
        sent.wait(run_id, -1, "failing", tries=1)
    with books.database.write() as session:
        session.execute(update(MlflowRun).values(next_try_at=datetime.now(UTC) + timedelta(days=365)))
    server.up()
    with sent.sending():
        sent.wait(run_id, 1)


def test_only_so_many_clients_become_child_runs_and_deleted_ones_are_passed_over(
    books: Books, server: MlflowServer
) -> None:
    clients = books.add_clients(*(f"site-{number}" for number in range(5)))
    sent = Sent(books, server, mlflow_clients=2)
    with sent.sending():
        run_id = books.start_run(num_rounds=9)
        books.play_round(run_id, 0, clients, loss=0.5)
        sent.wait(run_id, 0)
        assert set(server.children()) == {"site-0", "site-1"}
        server.children()["site-0"].deleted = True
        books.play_round(run_id, 1, clients, loss=0.5)
        sent.wait(run_id, 1)
        assert server.children()["site-1"].steps("train_loss") == [0, 1]
        server.parents()[0].deleted = True
        books.play_round(run_id, 2, clients, loss=0.5)
        assert sent.wait(run_id, 1, "gone").error
        other = books.start_run(num_rounds=9)
        books.play_round(other, 0, clients, loss=0.5)
        sent.wait(other, 0)


def test_tokens_are_sent_and_never_shown(
    books: Books, server: MlflowServer, tmp_path: Any, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    (tmp_path / "token").write_text("s3cret\n")
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "ada")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "pw")
    sent = Sent(books, server)
    with sent.sending():
        run_id = books.start_run(num_rounds=9)
        sent.wait(run_id, -1)
    assert server.headers[-1]["Authorization"] == "Basic YWRhOnB3"
    sent = Sent(books, server, mlflow_token_file=tmp_path / "token")
    with sent.sending():
        server.answers = {"runs/get": [401] * 3, "runs/log-batch": [403] * 3}
        books.play_round(run_id, 0, books.add_clients("site-a"), loss=0.5)
        view = sent.wait(run_id, 0)
    assert server.headers[-1]["Authorization"] == "Bearer s3cret"
    assert "s3cret" not in caplog.text + " ".join(notes(books, run_id)) + view.model_dump_json()


def test_names_become_keys_that_mlflow_takes() -> None:
    assert [key_of(name) for name in ("evaluate_accuracy", "train_top[3]", "evaluate_val/f1")] == [
        "evaluate_accuracy", "train_top.3", "evaluate_val/f1",
    ]  # fmt: skip
    odd = ["train_" + name for name in ("a%", "a$", "a//b", "../../x", "损失", "x" * 400, "x" * 401, "a:b", "/")]
    assert len({key_of(name) for name in odd}) == len(odd)
    assert key_of("train_损失") == "train_损失"
    assert all(len(key_of(name)) <= 250 and "//" not in key_of(name) for name in odd)


def test_the_sending_ends_while_mlflow_does_not_answer(books: Books, server: MlflowServer) -> None:
    sent = Sent(books, server)
    server.holds = {"runs/create"}
    with sent.sending():
        books.start_run(num_rounds=9)
        assert server.held.wait(20)
        stopper = threading.Timer(0.2, server.close)
        stopper.start()
    stopper.join(10)
