"""A small server of MLflow's REST API on a free port: it checks and keeps what comes, and fails as a test wants.

It keeps a metric as often as it comes, as MLflow's file store does. ``down`` and ``up`` close and open its port.
"""

import contextlib
import json
import posixpath
import re
import socket
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.support.processes import wait_until

KEY = re.compile(r"[/\w.\- :]{1,250}")
PREFIX = "/api/2.0/mlflow/"


class Refusal(Exception):
    """An answer that is no success."""

    def __init__(self, status: int, code: str, message: str = "no") -> None:
        super().__init__(message)
        self.status, self.body = status, {"error_code": code, "message": message}


@dataclass
class StoredRun:
    run_id: str
    experiment: str
    start: int
    tags: dict[str, str]
    params: dict[str, str] = field(default_factory=dict)
    metrics: list[tuple[str, Any, int, int]] = field(default_factory=list)
    """Key, value, step, timestamp."""
    status: str = "RUNNING"
    end: int | None = None
    deleted: bool = False

    def steps(self, key: str) -> list[int]:
        return [step for name, _, step, _ in self.metrics if name == key]

    def repeated(self) -> list[tuple[str, int]]:
        """Return keys and steps that came more than once."""
        seen = Counter((key, step) for key, _, step, _ in self.metrics)
        return [one for one, times in seen.items() if times > 1]


@dataclass
class MlflowServer:
    """``answers``: a status for each of the next requests to a path; -1 does the work and closes the connection."""

    port: int = 0
    experiments: dict[str, str] = field(default_factory=dict)
    runs: dict[str, StoredRun] = field(default_factory=dict)
    answers: dict[str, list[int]] = field(default_factory=dict)
    headers: list[dict[str, str]] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    holds: set[str] = field(default_factory=set)
    """Paths of which requests are done, and never answered."""
    held: threading.Event = field(default_factory=threading.Event)
    _released: threading.Event = field(default_factory=threading.Event)
    _server: "_Server | None" = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def parents(self) -> list[StoredRun]:
        return [run for run in self.runs.values() if "mlflow.parentRunId" not in run.tags]

    def children(self) -> dict[str, StoredRun]:
        """Return child runs by name."""
        return {run.tags["mlflow.runName"]: run for run in self.runs.values() if "mlflow.parentRunId" in run.tags}

    def up(self) -> None:
        self._server = _Server(("127.0.0.1", self.port), _handler(self))
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), name="mlflow-server", daemon=True).start()

    def down(self) -> None:
        assert self._server is not None
        self._server.shutdown()
        self._server.server_close()

    def close(self) -> None:
        self._released.set()
        self.down()
        server = self._server
        wait_until(lambda: server is None or not server.open, what="the connections of MLflow closed")

    def answer(self, path: str, given: dict[str, Any]) -> dict[str, Any] | None:
        """Return the body of an answer; None closes the connection instead."""
        self.calls.append(path)
        status = self.answers[path].pop(0) if self.answers.get(path) else 200
        if status not in (200, -1):
            raise Refusal(status, "TEMPORARILY_UNAVAILABLE" if status != 409 else "RESOURCE_CONFLICT")
        body: dict[str, Any] = getattr(self, "_" + re.sub(r"\W", "_", path))(given)
        if path in self.holds:
            self.held.set()
            self._released.wait()
        return body if status == 200 else None

    def _experiments_get_by_name(self, given: dict[str, Any]) -> dict[str, Any]:
        found = self.experiments.get(given["experiment_name"])
        if found is None:
            raise Refusal(404, "RESOURCE_DOES_NOT_EXIST")
        return {"experiment": {"experiment_id": found, "name": given["experiment_name"], "lifecycle_stage": "active"}}

    def _experiments_create(self, given: dict[str, Any]) -> dict[str, Any]:
        self.experiments[given["name"]] = str(len(self.experiments) + 1)
        return {"experiment_id": self.experiments[given["name"]]}

    def _runs_create(self, given: dict[str, Any]) -> dict[str, Any]:
        run_id = f"{len(self.runs) + 1:032x}"
        tags = {one["key"]: one["value"] for one in given["tags"]}
        self.runs[run_id] = StoredRun(run_id, given["experiment_id"], given["start_time"], tags)
        return {"run": _shown(self.runs[run_id])}

    def _runs_search(self, given: dict[str, Any]) -> dict[str, Any]:
        match = re.fullmatch(r"tags\.`([\w.]+)` = '([\w-]+)'", given["filter"])
        assert match is not None
        found = [run for run in self.runs.values() if run.tags.get(match[1]) == match[2] and not run.deleted]
        return {"runs": [_shown(run) for run in found]} if found else {}

    def _runs_get(self, given: dict[str, Any]) -> dict[str, Any]:
        return {"run": _shown(self._run(given, active=False))}

    def _runs_update(self, given: dict[str, Any]) -> dict[str, Any]:
        run = self._run(given)
        run.status, run.end = given["status"], given.get("end_time", run.end)
        if given.get("run_name"):
            run.tags["mlflow.runName"] = given["run_name"]
        return {"run_info": {}}

    def _runs_log_batch(self, given: dict[str, Any]) -> dict[str, Any]:
        run = self._run(given)
        metrics, params, tags = (given.get(name, []) for name in ("metrics", "params", "tags"))
        if len(metrics) > 1000 or len(params) > 100 or len(tags) > 100 or len(json.dumps(given)) > 1_000_000:
            raise Refusal(400, "INVALID_PARAMETER_VALUE", "too many")
        for one in (*metrics, *params, *tags):
            if not KEY.fullmatch(one["key"]) or posixpath.normpath(one["key"]) != one["key"]:
                raise Refusal(400, "INVALID_PARAMETER_VALUE", f"the key {one['key']}")
        for one in params:
            if len(one["value"]) > 6000 or run.params.setdefault(one["key"], one["value"]) != one["value"]:
                raise Refusal(400, "INVALID_PARAMETER_VALUE", f"the parameter {one['key']}")
        run.metrics += [(one["key"], float(one["value"]), one["step"], one["timestamp"]) for one in metrics]
        run.tags |= {one["key"]: one["value"] for one in tags}
        return {}

    def _run(self, given: dict[str, Any], *, active: bool = True) -> StoredRun:
        run = self.runs.get(given["run_id"])
        if run is None:
            raise Refusal(404, "RESOURCE_DOES_NOT_EXIST")
        if active and run.deleted:
            raise Refusal(400, "INVALID_PARAMETER_VALUE", "the run must be active")
        return run


def _shown(run: StoredRun) -> dict[str, Any]:
    last: dict[str, dict[str, Any]] = {}
    for key, value, step, at in run.metrics:
        if key not in last or step >= last[key]["step"]:
            last[key] = {"key": key, "value": str(value), "timestamp": at, "step": step}
    stage = "deleted" if run.deleted else "active"
    params = [{"key": key, "value": value} for key, value in run.params.items()]
    return {
        "info": {"run_id": run.run_id, "lifecycle_stage": stage, "status": run.status},
        "data": {"metrics": list(last.values()), "params": params},
    }


class _Server(ThreadingHTTPServer):
    """Closing it closes its connections, too."""

    daemon_threads, allow_reuse_address = True, True

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.open: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        self.open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        super().shutdown_request(request)
        self.open.discard(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print what went wrong, unless the connection was closed."""
        if not isinstance(sys.exception(), OSError | ValueError):
            super().handle_error(request, client_address)

    def server_close(self) -> None:
        self.socket.close()
        for one in list(self.open):  # its thread closes it then
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


def _handler(server: MlflowServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            self._answer(parts.path, {name: values[0] for name, values in parse_qs(parts.query).items()})

        def do_POST(self) -> None:
            self._answer(self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def _answer(self, path: str, given: dict[str, Any]) -> None:
            server.headers.append(dict(self.headers.items()))
            try:
                status, body = 200, server.answer(path.removeprefix(PREFIX), given)
            except Refusal as error:
                status, body = error.status, error.body
            self.close_connection = body is None
            if body is not None:
                content = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler


@contextmanager
def mlflow_server() -> Iterator[MlflowServer]:
    server = MlflowServer()
    server.up()
    try:
        yield server
    finally:
        server.close()
