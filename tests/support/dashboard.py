"""A dashboard in the test's own process, on real sockets: app, Flower server and database, and a way into them."""

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from federation.protocol.connection_limit import ConnectionBounds
from federation.protocol.guarded_http import HttpLimits
from tests.support.http import NO_AUTHORITIES
from tests.support.light_client import Answering, Stage, honest
from tests.support.migrated import lay_data
from tests.support.processes import wait_until
from webapp.app import create_app
from webapp.certificates import dashboard_tls, server_tls
from webapp.http.serving import DashboardServer, bind
from webapp.parts import Parts
from webapp.settings import Settings

SYNTHETIC = {"network": "synthetic", "dataset": "synthetic", "seed": 7}


class Api:
    """What a test asks a dashboard over HTTP, wherever it runs."""

    def __init__(self, http: httpx.Client) -> None:
        self.http = http

    def start_run(self, **config: Any) -> int:
        """Start a synthetic run over the API; return its id."""
        answer = self.http.post("/api/runs", json=SYNTHETIC | config)
        assert answer.status_code == 201, answer.text
        return int(answer.json()["id"])

    def run(self, run_id: int) -> dict[str, Any]:
        answer = self.http.get(f"/api/runs/{run_id}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def wait_for_state(self, run_id: int, *states: str, timeout: float = 20.0) -> dict[str, Any]:
        """Wait until a run is in one of some states, and return it. One that waits has said what for."""

        def there() -> dict[str, Any]:
            run = self.run(run_id)
            return run if run["state"] in states and (run["state"] != "waiting" or run["blocked_on"]) else {}

        return wait_until(there, timeout, f"run {run_id} {states}")

    def wait_for_clients(self, count: int) -> list[dict[str, Any]]:
        """Wait until so many clients are online, and return them all."""

        def enough() -> tuple[list[dict[str, Any]], ...]:
            clients = self.http.get("/api/clients").json()["items"]
            return (clients,) if sum(one["state"] == "online" for one in clients) == count else ()

        return wait_until(enough, what=f"{count} clients online")[0]

    def rounds(self, run_id: int) -> list[int]:
        """Return the numbers of a run's committed rounds."""
        return [item["round"] for item in self.http.get(f"/api/runs/{run_id}/rounds").json()["items"]]

    def stream(self, path: str, enough: Callable[[list[dict[str, Any]]], bool], **headers: str) -> list[dict[str, Any]]:
        """Read an event stream until it ends or ``enough`` says so; return events as event, id and data."""
        events: list[dict[str, Any]] = []
        with self.http.stream("GET", path, headers=headers, timeout=10) as answer:
            assert answer.status_code == 200, answer.read()
            for event in read_events(answer.iter_lines()):
                events.append(event)
                if enough(events):
                    break
        return events


class Dashboard(Api):
    """A dashboard in this process: HTTP, the parts behind it, and the address for clients."""

    def __init__(self, server: DashboardServer, parts: Parts, http: httpx.Client) -> None:
        super().__init__(http)
        self.server, self.parts = server, parts

    @property
    def flower_address(self) -> str:
        return "{}:{}".format(*self.parts.flower_address)

    def stage(self) -> Stage:
        """Return a stage for light clients of the stream lane."""
        return Stage(self.flower_address)

    def know_clients(self, *names: str) -> list[int]:
        """Let clients connect for a moment, one after the other; return the ids of those that are offline then."""
        with self.stage() as stage:
            for count, name in enumerate(names, 1):
                stage.add(name)
                known = self.wait_for_clients(count)
        wait_until(lambda: all(one["state"] == "offline" for one in self.http.get("/api/clients").json()["items"]))
        return [one["id"] for one in known]


def read_events(lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    """Give the events of a stream's lines; comments and pings are passed over."""
    fields: dict[str, str] = {}
    for line in lines:
        if line:
            name, _, value = line.partition(": ")
            if name:
                fields[name] = value
        else:
            if fields.get("event") not in (None, "ping"):
                yield {"event": fields["event"], "id": fields.get("id"), "data": json.loads(fields["data"])}
            fields = {}


@contextmanager
def running(
    folder: Path, bounds: ConnectionBounds | None = None, limits: HttpLimits | None = None,
    verify: ssl.SSLContext = NO_AUTHORITIES, **settings: Any,
) -> Iterator[Dashboard]:  # fmt: skip
    """Serve a dashboard from a thread until the end of the block."""
    given: dict[str, Any] = {"data_dir": lay_data(folder / "data"), "port": 0, "flower_port": 0, **settings}
    made = Settings(**given)
    web, flower = bind(made.host, 0, "port"), bind(made.flower_host, 0, "flower-port")
    tls = server_tls(made)
    app = create_app(made, flower, tls=tls)
    server = DashboardServer(app, bounds or ConnectionBounds(proxies=made.proxies), app.state.event_hub.close,
                             limits=limits, tls=dashboard_tls(made, tls))  # fmt: skip
    thread = threading.Thread(target=server.run, args=([web],), name="dashboard")
    thread.start()
    try:
        wait_until(lambda: server.started or not thread.is_alive(), what="the dashboard's start")
        assert server.started, "the dashboard did not start"
        port = web.getsockname()[1]
        url = f"{'https' if dashboard_tls(made, tls) else 'http'}://127.0.0.1:{port}"
        with httpx.Client(base_url=url, trust_env=False, timeout=20, verify=verify) as http:
            yield Dashboard(server, app.state.parts, http)
    finally:
        server.should_exit = True
        thread.join(15)
        assert not thread.is_alive(), "the dashboard did not end"


def named(answer: httpx.Response, status: int) -> set[str]:
    """Assert that the answer is a problem with that status; return the fields that it names."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert (body["status"], bool(body["detail"])) == (status, True)
    return {error["field"] for error in body["errors"]}


def finished_run(dashboard: Dashboard, answer: Answering = honest, **config: object) -> int:
    """Let two clients do a run to its end; return its id."""
    with dashboard.stage() as stage:
        stage.add("site-a", answer)
        dashboard.wait_for_clients(1)
        stage.add("site-b", answer)
        dashboard.wait_for_clients(2)
        run_id = dashboard.start_run(**config)
        dashboard.wait_for_state(run_id, "completed")
    return run_id
