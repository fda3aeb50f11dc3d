"""A Chromium, pages that must not complain, and a dashboard whose runs can be looked at."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect

from federation.protocol.messages import Task
from federation.weights.layout import Layout
from scripts.chromium import find
from tests.support.dashboard import Dashboard, running
from tests.support.http import LOCAL
from tests.support.light_client import Answer, honest
from tests.support.processes import Meadow, RealProcess, make_meadow, wait_until

FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip

LISTEN = """() => {
  window.committed = {}; window.drawn = {accuracy: {}, loss: {}}; window.heard = []; window.since = Date.now();
  document.body.addEventListener("meadow:round", ({ detail }) => {
    window.heard.push(detail.id);
    if (detail.committed) window.committed[detail.round] = Date.parse(detail.at);
  });
  document.body.addEventListener("meadow:drawn", ({ detail }) => {
    const times = window.drawn[detail.metric];
    for (let round = 0; round <= detail.round; round += 1) times[round] ??= Date.now();
  });
}"""
"""Keeps in a page's window when a round was committed and when it was drawn."""

OpenPage = Callable[..., Page]


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    """Take the machine's own Chromium where it has one."""
    own = {"executable_path": path} if (path := find()) else {}
    return {**browser_type_launch_args, **own, "args": FLAGS}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is in this folder."""
    for item in items:
        if "tests/browser" in item.nodeid:
            item.add_marker(pytest.mark.browser)


@pytest.fixture
def open_page(browser: Browser) -> Iterator[OpenPage]:
    """A function that opens an address in a window of its own. Whatever a page complains of fails the test."""
    complaints: list[str] = []

    def hear(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            complaints.append(f"{message.type}: {message.text}")

    def open_(address: str, *, width: int = 1280, height: int = 900, theme: str = "light", **more: Any) -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme="dark" if theme == "dark" else "light",
            timezone_id="UTC", **more,
        )  # fmt: skip
        page = context.new_page()
        page.on("console", hear)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.set_default_timeout(10_000)
        page.set_default_navigation_timeout(30_000)  # TensorFlow may begin in several processes at the same time
        page.goto(address)
        return page

    open_.complaints = complaints  # type: ignore[attr-defined]
    yield open_
    for context in browser.contexts:
        context.close()
    assert not complaints


def wait_for_clients(url: str, count: int) -> None:
    """Wait until so many clients are online."""

    def enough() -> bool:
        clients = httpx.get(f"{url}/api/clients", **LOCAL).json()["items"]
        return len([client for client in clients if client["state"] == "online"]) >= count

    wait_until(enough, 60, f"{count} clients online")


@pytest.fixture(scope="module")
def federation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Meadow]:
    """A dashboard process and two client processes with synthetic data, online; one test after the other uses it."""
    folder = tmp_path_factory.mktemp("federation")
    meadow = make_meadow(folder, preloaded=True)
    processes: list[RealProcess] = [meadow, *(synthetic_client(meadow, folder, part, 2) for part in range(2))]
    try:
        for process in processes:
            process.start()
        wait_for_clients(meadow.url, 2)
        yield meadow
    finally:
        for process in processes:
            process.kill()


def synthetic_client(meadow: Meadow, folder: Path, part: int, parts: int) -> RealProcess:
    """Return a client process with synthetic data that is not started yet: site-1, site-2 and so on."""
    name = f"site-{part + 1}"
    command = ["-m", "federation.client", "--server", meadow.flower_address, "--name", name]
    command += ["--identity", str(folder / f"{name}.json"), "--dataset", "synthetic"]
    command += ["--partition", str(part), "--partitions", str(parts)]
    return RealProcess(command, folder / f"{name}.log", preloaded=True)


def start_run(url: str, **config: Any) -> int:
    """Start a synthetic run over the API; return its id."""
    body = {"network": "synthetic", "dataset": "synthetic", "seed": 7} | config
    answer = httpx.post(f"{url}/api/runs", json=body, **LOCAL)
    assert answer.status_code == 201, answer.text
    return int(json.loads(answer.text)["id"])


def url_of(dashboard: Dashboard) -> str:
    """Return the address of a dashboard without a slash at the end."""
    return str(dashboard.http.base_url).rstrip("/")


def unhurried(task: Task, weights: bytes | None, layout: Layout | None) -> Answer:
    answer = honest(task, weights, layout)
    answer.metrics = answer.metrics and {**answer.metrics, "f1": 0.5}
    answer.delay_seconds = 0.05 if task.phase == "train" and task.round > 12 else 0.0
    return answer


@pytest.fixture(scope="module")
def going(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    """A run with ten clients that goes on for longer than the tests look at it."""
    with running(tmp_path_factory.mktemp("going")) as dashboard, dashboard.stage() as stage:
        for place in range(10):
            stage.add(f"site-{place}", unhurried)
        dashboard.wait_for_clients(10)
        run_id = dashboard.start_run(num_rounds=5000, name="Going on")
        wait_until(lambda: dashboard.run(run_id)["current_round"] > 12, what="12 rounds")
        yield dashboard
        dashboard.http.post(f"/runs/{run_id}/stop")


def open_run(dashboard: Dashboard, open_page: OpenPage, query: str = "") -> Page:
    page = open_page(f"{url_of(dashboard)}/runs/1{query}")
    expect(page.locator("meadow-chart canvas").first).to_be_visible()
    return page
