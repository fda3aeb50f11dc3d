"""The log: one entry a line, with the ids of run, round, client and request; nothing that a peer sends forges one."""

import io
import json
import logging
import sqlite3
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

import httpx
import pytest
from rich.console import Console

from federation.client.console import write_log_to
from tests.support.http import LOCAL
from tests.support.light_client import Stage
from tests.support.processes import Meadow, wait_until
from webapp.logs import configure_logging

FORGED = "x\r\n2030-01-01T00:00:00Z [error    ] forged \x1b[31mred\u2028\x9b"
ESCAPED = r"x\r\n2030-01-01T00:00:00Z [error    ] forged \x1b[31mred\u2028\x9b"


@contextmanager
def captured(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """Give what is written to standard error; the loggers are as before afterwards."""
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    for module, hook in ((sys, "excepthook"), (threading, "excepthook"), (logging, "raiseExceptions")):
        monkeypatch.setattr(module, hook, getattr(module, hook))
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    try:
        yield stream
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        logging.captureWarnings(False)


def tell_forgeries() -> None:
    """Log a peer's text in a message, in an exception, and in one that ends a thread."""
    log = logging.getLogger("test")
    log.info("client %s joined", FORGED)
    try:
        raise ValueError(FORGED)
    except ValueError:
        log.exception("cannot")
    thread = threading.Thread(target=lambda: int(FORGED), name="worker")
    thread.start()
    thread.join()


def test_a_text_of_a_peer_forges_no_line_for_people(monkeypatch: pytest.MonkeyPatch) -> None:
    with captured(monkeypatch) as stream:
        configure_logging("info")
        tell_forgeries()
    lines = stream.getvalue().splitlines()
    assert len([line for line in lines if not line.startswith("    ")]) == 3, "a traceback is indented"
    assert ESCAPED in lines[0] and "thread worker ended by an error" in stream.getvalue()
    assert stream.getvalue().replace("\n", "").isprintable()


def test_each_entry_is_one_line_of_json_where_programs_read_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with captured(monkeypatch) as stream:
        configure_logging("info", as_json=True)
        tell_forgeries()
    entries = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [entry["level"] for entry in entries] == ["info", "error", "error"]
    assert entries[0]["event"] == f"client {FORGED} joined"
    assert FORGED in entries[1]["exception"]
    assert stream.getvalue().isascii()


@pytest.mark.parametrize("terminal", [True, False])
def test_a_text_of_the_server_forges_no_line_of_a_client(monkeypatch: pytest.MonkeyPatch, terminal: bool) -> None:
    with captured(monkeypatch) as stream:
        write_log_to(Console(file=stream, force_terminal=terminal, color_system=None, width=300))
        logging.getLogger("test").info("refused: %s", FORGED)
    assert ESCAPED in stream.getvalue()
    assert stream.getvalue().count("\n") == 1


@pytest.mark.meadow_arguments("--log-format", "json", "--log-level", "debug")
def test_entries_of_a_process_have_the_ids_of_run_round_client_and_request(meadow: Meadow) -> None:
    once = httpx.Limits(max_keepalive_connections=0)  # uvicorn closes the connection on which a request failed
    with httpx.Client(base_url=meadow.url, **LOCAL, limits=once) as http, Stage(meadow.flower_address) as stage:
        stage.add("site-a")
        run = {"network": "synthetic", "dataset": "synthetic", "num_rounds": 2, "min_clients": 1}
        run_id = http.post("/api/runs", json=run).json()["id"]
        wait_until(lambda: http.get(f"/api/runs/{run_id}").json()["state"] == "completed")
        with closing(sqlite3.connect(meadow.data_dir / "meadow.db", isolation_level=None)) as database:
            database.execute("ALTER TABLE rounds RENAME TO hidden")
        answer = http.get(f"/api/runs/{run_id}/rounds", headers={"X-Request-ID": "forged"})
        page = http.get(f"/runs/{run_id}")
        refused = http.post("/api/runs", headers={"Origin": "http://evil.example"})
    assert (answer.status_code, page.status_code, refused.status_code) == (500, 500, 403)
    request_id = answer.json()["request_id"]
    assert answer.headers["X-Request-ID"] == request_id != "forged"
    assert page.headers["X-Request-ID"] in page.text
    assert refused.json()["request_id"] == refused.headers["X-Request-ID"]
    assert meadow.interrupt() == 0
    entries = [json.loads(line) for line in meadow.output.splitlines()]
    failed = [entry for entry in entries if entry.get("request_id") == request_id]
    assert "no such table: rounds" in failed[0]["exception"]
    rounds = [(entry["run_id"], entry.get("round")) for entry in entries if "run_id" in entry]
    assert {(run_id, None), (run_id, 1), (run_id, 2)} <= set(rounds)
    assert any(entry.get("client_id") == 1 for entry in entries)
    assert {"event", "level", "logger", "timestamp"} <= set.intersection(*(set(entry) for entry in entries))
