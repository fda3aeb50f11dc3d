"""Migrations up and down on SQLite and PostgreSQL, and databases that are refused with a sentence."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect, select, text

from federation.run.config import RunConfig
from federation.run.events import Outcome
from tests.support.books import Books, reply
from webapp.db.database import Database
from webapp.db.database_url import DatabaseUnusable
from webapp.db.migrations import migrate_database, migration_config, newest_revision
from webapp.db.repository.clients import insert_client
from webapp.db.repository.events import newest_events, reply_problems
from webapp.db.repository.runs import insert_run, set_values
from webapp.db.tables import Row, Run
from webapp.pages.runs.log import log_of


def test_there_is_one_newest_migration() -> None:
    assert ScriptDirectory.from_config(migration_config()).get_heads() == [newest_revision()]


def test_every_migration_goes_up_down_and_up_again(database_url: str) -> None:
    database = Database(database_url)
    revisions = [script.revision for script in ScriptDirectory.from_config(migration_config()).walk_revisions()]
    with database.engine.begin() as connection:
        config = migration_config(connection)
        for revision in reversed(revisions):
            command.upgrade(config, revision)
            command.downgrade(config, "-1")
            command.upgrade(config, revision)
        command.downgrade(config, "base")
        assert inspect(connection).get_table_names() == ["alembic_version"]
    database.close()


def test_migrations_make_the_tables_that_the_code_has(database_url: str) -> None:
    migrate_database(database_url)
    database = Database(database_url)
    with database.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Row.metadata) == []
    database.close()


def test_names_of_selected_clients_become_ids_and_those_that_mean_nobody_are_told(database_url: str) -> None:
    database = Database(database_url)
    with database.engine.begin() as connection:
        command.upgrade(migration_config(connection), "0004")
    selections: list[list[str] | None] = [None, ["b", "a"], ["a", "twice", "gone", "a"], ["gone"], ["twice"], []]
    with database.write() as session:
        for key, name in enumerate(("a", "b", "twice", "twice")):
            insert_client(session, f"key {key}", {
                "name": name, "state": "admitted", "kind": "client", "lane": "stream", "left_out": False, "facts": {},
                "data": {}, "versions": {},
            })  # fmt: skip
        for names in selections:
            insert_run(session, "run", RunConfig(seed=7).model_dump(mode="json") | {"clients": names})
    database.close()

    migrate_database(database_url)
    database = Database(database_url)
    with database.read() as session:
        configs = session.scalars(select(Run.config).order_by(Run.id)).all()
        told = {event.run_id: event.data["unresolved_clients"] for event in newest_events(session, limit=10)}
        pages = [line.text for run_id in (3, 4) for line in log_of(session, run_id, {}, "trouble", None).lines]
    assert [config["clients"] for config in configs] == [None, [2, 1], [1], [], [], None]
    assert [RunConfig.model_validate(config).seed for config in configs] == [7] * len(selections)
    assert told == {3: ["twice", "gone"], 4: ["gone"], 5: ["twice"]}
    said = "No longer selected, the name is unknown or not unique"
    assert pages == [f"{said}: twice, gone", f"{said}: gone"]

    with database.engine.begin() as connection:
        command.downgrade(migration_config(connection), "0004")
    with database.read() as session:
        restored: list[Any] = [config["clients"] for config in session.scalars(select(Run.config).order_by(Run.id))]
    assert restored[:3] == [None, ["b", "a"], ["a"]]
    assert all(len(names) == 1 and names[0] not in ("a", "b", "twice") for names in restored[3:5])
    assert restored[5] is None
    database.close()


def test_a_newer_database_is_refused_with_a_sentence(database_url: str) -> None:
    migrate_database(database_url)
    engine = create_engine(database_url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(DatabaseUnusable, match=r"written by a newer Meadow.*9999.*--data-dir"):
        migrate_database(database_url)


def test_a_database_that_does_not_answer_is_named_without_its_password() -> None:
    with pytest.raises(DatabaseUnusable, match="--database-url") as caught:
        migrate_database("postgresql+psycopg://meadow:open-sesame@127.0.0.1:1/meadow")
    assert "open-sesame" not in str(caught.value)


def test_the_file_of_another_program_is_refused(tmp_path: Path) -> None:
    (tmp_path / "meadow.db").write_bytes(b"no database at all, but long enough to be looked at" * 40)
    with pytest.raises(DatabaseUnusable, match="not a database"):
        migrate_database(f"sqlite:///{tmp_path / 'meadow.db'}")


def test_migrating_twice_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "meadow.db"
    migrate_database(f"sqlite:///{file}")

    def tables() -> list[Any]:
        with sqlite3.connect(file) as connection:
            rows = connection.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()
        connection.close()
        return rows

    before = tables()
    migrate_database(f"sqlite:///{file}")
    assert tables() == before


def test_runs_of_before_keep_the_options_that_they_had(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'meadow.db'}")
    with database.engine.begin() as connection:
        command.upgrade(migration_config(connection), "0005")
    given: list[tuple[str, dict[str, float], dict[str, float]]] = [
        ("FedProx", {}, {"proximal_mu": 0.0}), ("FedProx", {"proximal_mu": 0.5}, {"proximal_mu": 0.5}),
        ("FedAvgM", {"server_learning_rate": 0.4}, {"server_learning_rate": 0.4, "server_momentum": 0.0}),
        ("FedAvg", {}, {}),
    ]  # fmt: skip
    with database.write() as session:
        for strategy, options, _ in given:
            config = RunConfig.model_validate({"strategy": strategy, "strategy_options": options})
            insert_run(session, "before", config.model_dump(mode="json"))
    with database.engine.begin() as connection:
        command.upgrade(migration_config(connection), "0006")
    with database.read() as session:
        rows = session.execute(text("SELECT config FROM runs ORDER BY id")).scalars()
        assert [json.loads(row)["strategy_options"] for row in rows] == [after for *_, after in given]
    database.close()


def test_the_best_round_of_an_earlier_run_is_one_that_was_trained(tmp_path: Path) -> None:
    books = Books(f"sqlite:///{tmp_path / 'meadow.db'}", tmp_path)
    run_id = books.start_run()
    for number, (accuracy, loss) in enumerate(((0.9, 0.2), (0.6, 0.4), (0.7, 0.5), (0.7, 0.3))):
        books.play_round(run_id, number, [], accuracy=accuracy, loss=loss, mae=number and -1.0)
    best = {f"evaluate_{name}": {"round": 0, "value": value} for name, value in (("accuracy", 0.9), ("loss", 0.2))}
    with books.database.write() as session:
        set_values(session, run_id, best_metrics={**best, "evaluate_mae": {"round": 2, "value": -1.0}})
    with books.database.engine.begin() as connection:
        command.downgrade(migration_config(connection), "0006")
        command.upgrade(migration_config(connection), "head")
    known = {name: (one.round, one.value) for name, one in books.runs.show(run_id).best_metrics.items()}
    assert known == {"evaluate_accuracy": (3, 0.7), "evaluate_loss": (3, 0.3), "evaluate_mae": (2, -1.0)}
    books.close()


OPTIONS_OF_NETWORKS = {
    "dataset", "partitioner", "batch_size", "optimizer", "loss", "steps_per_epoch", "data_seed", "local_epochs",
    "learning_rate", "synthetic_parameters", "synthetic_seconds", "initial_weights", "app_config",
}  # fmt: skip
"""Those of the release that stored them for every network."""


def test_a_stored_run_has_no_options_of_other_networks(tmp_path: Path) -> None:
    books = Books(f"sqlite:///{tmp_path / 'meadow.db'}", tmp_path)
    configs = [
        RunConfig(network="custom", initial_weights="0" * 64, app_config={"a": 1}, seed=7),
        RunConfig(network="synthetic", seed=7), RunConfig(network="cnn", dataset="mnist", seed=7),
    ]  # fmt: skip
    with books.database.engine.begin() as connection:
        command.downgrade(migration_config(connection), "0009")
    with books.database.write() as session:
        for config in configs:
            later = config.unused - OPTIONS_OF_NETWORKS
            run_id = insert_run(session, "run", config.model_dump(mode="json", exclude=later))
            set_values(session, run_id, dataset=config.dataset)
    with books.database.engine.begin() as connection:
        command.upgrade(migration_config(connection), "head")
    with books.database.read() as session:
        rows = session.execute(select(Run.dataset, Run.config).order_by(Run.id))
        assert [tuple(row) for row in rows] == [
            ("own data", configs[0].stored()), ("synthetic", configs[1].stored()), ("mnist", configs[2].stored()),
        ]  # fmt: skip
    books.close()


def test_rounds_of_before_have_the_durations_up_to_them_as_elapsed_time(books: Books) -> None:
    ids = [books.start_run(), books.start_run()]
    for number in range(3):
        for run_id in ids:
            books.play_round(run_id, number, [], accuracy=0.5)
    with books.database.engine.begin() as connection:
        connection.execute(text("UPDATE rounds SET seconds = round + run_id"))
        command.downgrade(migration_config(connection), "0013")
        command.upgrade(migration_config(connection), "head")
    with books.database.read() as session:
        found = session.execute(text("SELECT run_id, elapsed_seconds FROM rounds ORDER BY run_id, round")).all()
    assert [tuple(row) for row in found] == [(ids[0], s) for s in (1, 3, 6)] + [(ids[1], s) for s in (2, 5, 9)]


def test_problems_of_before_are_counted_from_their_events(books: Books) -> None:
    [client] = books.add_clients("site-a")
    run_id = books.start_run()
    problems: list[tuple[Outcome, str | None]] = [("failed", "a"), ("failed", "b"), ("late", None)]
    for outcome, reason in problems:
        books.runs.record(reply(run_id, 1, client, "train", outcome, reason))
        books.runs.flush(run_id)
    with books.database.read() as session:
        before = [(one.outcome, one.times, one.reason) for one in reply_problems(session, run_id)]
    with books.database.engine.begin() as connection:
        command.downgrade(migration_config(connection), "0014")
        command.upgrade(migration_config(connection), "head")
    with books.database.read() as session:
        after = [(one.outcome, one.times, one.reason) for one in reply_problems(session, run_id)]
    assert after == before == [("failed", 2, "b"), ("late", 1, None)]
