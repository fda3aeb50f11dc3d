"""An ended run as one zip: what is in it is what the API tells, and the manifest has the hash of each file."""

import csv
import hashlib
import io
import json
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np

from tests.support.dashboard import Dashboard, finished_run
from tests.support.light_client import adds
from tests.webapp.operations.transfer.conftest import exported, model_of, packed
from webapp.operations.transfer.documents import ROWS, Manifest, RunDocument


def test_an_export_holds_what_the_api_tells_and_a_hash_of_each_file(exporter: Dashboard) -> None:
    members = exported(exporter, 1)
    manifest = Manifest.model_validate_json(members.pop("manifest.json"))
    assert {(m.name, m.size_bytes, m.sha256) for m in manifest.members} == {
        (name, len(content), hashlib.sha256(content).hexdigest()) for name, content in members.items()
    }
    run, told = RunDocument.model_validate_json(members["run.json"]), exporter.run(1)
    assert (run.name, run.config, run.last_metrics) == (told["name"], told["config"], told["last_metrics"])
    assert {client.name for client in run.clients} == {"site-a", "site-b"}
    assert [client.train_samples for client in run.clients] == [10, 10]
    rows = {table: json.loads(members[f"{table}.json"]) for table in ROWS}
    for table, kind in ROWS.items():
        for line in rows[table]:
            kind.model_validate_json(json.dumps(line))
    points: list[Any] = exporter.http.get("/api/runs/1/metrics").json()["items"]
    assert [(p["round"], p["name"], p["value"], p["kind"]) for p in rows["metrics"]] == [
        (p["round"], p["name"], p["value"], p["kind"]) for p in points
    ]
    assert "nan" in {point["kind"] for point in points}
    assert len(list(csv.reader(io.StringIO(members["metrics.csv"].decode())))) == len(points) + 1
    assert [row["round"] for row in rows["rounds"]] == exporter.rounds(1)
    assert {row["type"] for row in rows["events"]} >= {"run", "round"}
    with np.load(io.BytesIO(members["model.npz"])) as mine, np.load(io.BytesIO(model_of(exporter, 1))) as theirs:
        assert mine.files == theirs.files and all(np.array_equal(mine[name], theirs[name]) for name in mine.files)


def test_the_model_card_says_what_was_learned_by_whom_and_on_what(exporter: Dashboard) -> None:
    members = exported(exporter, 1)
    card, run = members["MODEL_CARD.md"].decode(), json.loads(members["run.json"])
    assert card.startswith("# Wards \\*7\\*\n")
    for text in (
        "completed after 3 of 3 rounds", "2 clients, 20 samples", "site-a", run["clients"][0]["key_sha256"],
        hashlib.sha256(members["model.npz"]).hexdigest(), run["models"]["last"]["sha256"], "| Seed | 7 |",
        "On no data, computed values", "Meadow's synthetic app", "evaluate\\_accuracy",
    ):  # fmt: skip
        assert text in card, text


def test_an_export_names_no_key_and_addresses_only_on_request(exporter: Dashboard) -> None:
    everything = b"".join(exported(exporter, 1).values())
    for secret in (b"127.0.0.1", b"address", b"BEGIN PUBLIC KEY", b"platform"):
        assert secret not in everything
    members = exported(exporter, 1, addresses="true")
    run = RunDocument.model_validate_json(members["run.json"])
    assert [client.address for client in run.clients] == ["127.0.0.1"] * 2
    assert b"127.0.0.1" not in b"".join(content for name, content in members.items() if name != "run.json")
    answer = exporter.http.post("/api/runs/import", files={"file": ("run.zip", packed(members))})
    assert answer.status_code == 201, answer.text
    again = json.loads(exported(exporter, answer.json()["id"], addresses="true")["run.json"])
    assert [client["address"] for client in again["clients"]] == ["127.0.0.1"] * 2


def test_a_run_that_has_not_ended_is_not_exported(exporter: Dashboard) -> None:
    queued = exporter.start_run(min_clients=9)
    refused = exporter.http.get(f"/api/runs/{queued}/export")
    assert refused.status_code == 409 and "only a run that has ended" in refused.json()["detail"]
    assert f"/api/runs/{queued}/export" not in exporter.http.get(f"/runs/{queued}").text
    assert "/api/runs/1/export" in exporter.http.get("/runs/1").text
    exporter.http.post(f"/api/runs/{queued}/stop")
    assert exporter.http.get("/api/runs/99/export").status_code == 404


def test_an_export_of_large_weights_takes_little_memory(exporter: Dashboard, tmp_path: Path) -> None:
    run_id = finished_run(exporter, adds(1.0), num_rounds=1, synthetic_parameters=8_000_000)
    tracemalloc.start()
    size = 0
    with exporter.http.stream("GET", f"/api/runs/{run_id}/export") as answer:
        for piece in answer.iter_raw(65_536):
            size += len(piece)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size > 32_000_000
    assert peak < 12_000_000
