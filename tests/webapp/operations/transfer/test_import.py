"""A run that was exported is imported elsewhere: equal in rows and weights, marked as foreign, whole or absent."""

import json
from collections.abc import Iterator

import pytest
from sqlalchemy import func, select

from tests.support.books import Books
from tests.support.dashboard import Dashboard, running
from tests.support.markup import get_both
from tests.support.postgres import emptied
from tests.support.processes import wait_until
from tests.webapp.operations.transfer.conftest import exported, model_of, packed
from webapp.db.repository.transfer.writing import begin_import, insert_clients, insert_rows
from webapp.db.tables import Client, Run
from webapp.operations.transfer.rows import imported_key

NOT_EQUAL = {"run_id", "exported_at", "origin"}


@pytest.fixture(scope="module")
def importer(tmp_path_factory: pytest.TempPathFactory, postgres: str) -> Iterator[Dashboard]:
    """A dashboard on the other kind of database."""
    with running(tmp_path_factory.mktemp("importer"), database_url=emptied(postgres)) as dashboard:
        with dashboard.stage() as stage:  # ids of clients differ from those of the exporter
            stage.add("site-a")
            dashboard.wait_for_clients(1)
        yield dashboard


@pytest.fixture(scope="module")
def imported(exporter: Dashboard, importer: Dashboard) -> int:
    archive = exporter.http.get("/api/runs/1/export").content
    answer = importer.http.post("/api/runs/import", files={"file": ("run-1.zip", archive)})
    assert answer.status_code == 201, answer.text
    return int(answer.json()["id"])


def test_an_imported_run_is_equal_in_rows_and_weights_and_can_be_exported_again(
    exporter: Dashboard, importer: Dashboard, imported: int
) -> None:
    first, again = exported(exporter, 1), exported(importer, imported)
    for name in ("rounds.json", "replies.json", "metrics.json", "events.json", "model.npz"):
        assert first[name] == again[name], name
    before, after = json.loads(first["run.json"]), json.loads(again["run.json"])
    assert {k: v for k, v in before.items() if k not in NOT_EQUAL} == {
        k: v for k, v in after.items() if k not in NOT_EQUAL
    }
    assert (after["origin"]["run_id"], before["origin"]) == (1, None)
    assert model_of(importer, imported) == model_of(exporter, 1)
    series = [
        dashboard.http.get(f"/api/runs/{run_id}/series?metric=accuracy").json()
        for dashboard, run_id in ((exporter, 1), (importer, imported))
    ]
    assert series[0]["items"] and series[0]["items"] == series[1]["items"]
    assert "imported from run 1 of Meadow" in again["MODEL_CARD.md"].decode()


def test_an_imported_run_says_where_it_comes_from_and_cannot_be_resumed(importer: Dashboard, imported: int) -> None:
    page = get_both(importer.http, f"/runs/{imported}", "run-page")
    assert "run #1 of another Meadow" in page.text and "Add rounds" not in page.text
    assert "site-b" in page.text, "its clients have their names"
    for verb, body in (("resume", None), ("rounds", {"add": 1})):
        refused = importer.http.post(f"/api/runs/{imported}/{verb}", json=body)
        assert refused.status_code == 409 and "was imported" in refused.text
    assert importer.http.get(f"/runs/compare?id={imported}").status_code == 200


def test_clients_of_an_imported_run_are_none_of_this_server(importer: Dashboard, imported: int) -> None:
    [known] = importer.http.get("/api/clients").json()["items"]
    assert known["name"] == "site-a"
    refused = importer.http.post("/api/runs", json={"clients": ["site-b"], "min_clients": 1})
    assert refused.status_code == 422 and "No client is named site-b" in refused.text
    with importer.parts.database.read() as session:
        ids = session.scalars(select(Client.id).where(Client.kind == "imported")).all()
    for client_id in ids:
        assert importer.http.get(f"/clients/{client_id}").status_code == 200
        assert importer.http.get(f"/api/clients/{client_id}").json()["kind"] == "imported"
        assert importer.http.post(f"/api/clients/{client_id}/approve").json()["state"] == "offline", "not admitted"
    assert importer.http.post("/api/runs", json={"clients": list(ids)}).status_code == 422


def test_a_deleted_import_takes_its_clients_with_it(exporter: Dashboard, importer: Dashboard) -> None:
    archive = packed({k: v for k, v in exported(exporter, 1).items() if k != "manifest.json"})
    shown = importer.http.post("/runs/import", files={"archive": ("run.zip", archive)})
    assert shown.status_code == 303
    run_id = int(shown.headers["location"].split("/")[2].split("?")[0])
    assert "The run was imported." in importer.http.get(shown.headers["location"]).text
    with importer.parts.database.read() as session:
        before = session.scalar(select(func.count(Client.id))) or 0
    assert importer.http.delete(f"/api/runs/{run_id}").status_code == 204

    def gone() -> bool:
        with importer.parts.database.read() as session:
            return session.get(Run, run_id) is None and session.scalar(select(func.count(Client.id))) == before - 2

    wait_until(gone)
    assert not (importer.parts.settings.runs_dir / str(run_id)).exists()


def test_a_form_without_an_archive_says_what_is_missing(importer: Dashboard) -> None:
    for files in ({"archive": ("", b"")}, {"archive": ("run.zip", b"no zip")}):
        answer = importer.http.post("/runs/import", files=files, follow_redirects=True)
        assert "archive" in get_both(importer.http, "/runs", "runs-list").text or answer.status_code == 200
        assert "Choose the zip archive" in answer.text or "The archive is refused" in answer.text


def test_an_import_that_a_process_left_is_removed_by_the_next(books: Books) -> None:
    run_id = books.start_run()
    with books.database.write() as session:
        run = session.get(Run, run_id)
        assert run is not None
        values = {"name": "Half", "created_at": run.created_at, "num_rounds": 1, "tags": [], "note": "", "excluded": []}
        values |= {"current_round": 0, "last_metrics": {}, "best_metrics": {}, "active_seconds": 0.0}
        half = begin_import(session, run.config, values)
        seen = {
            "first_seen_at": run.created_at,
            "last_seen_at": run.created_at,
            "facts": {},
            "data": {},
            "versions": {},
        }
        [client] = insert_clients(session, [{"public_key": imported_key(half, 1, "0" * 64), "name": "far", **seen}])
        point = {"run_id": half, "round": 0, "phase": "train", "client_id": client, "name": "x", "value": 1.0}
        insert_rows(session, "metrics", [point | {"kind": "finite"}])
    books.deletion.start()
    assert [shown.id for shown in books.runs.list((), "", 9, 0)[0]] == [run_id]
    books.runs.restore()
    books.deletion.wake()

    def gone() -> bool:
        with books.database.read() as session:
            return session.get(Run, half) is None and session.get(Client, client) is None

    wait_until(gone)
