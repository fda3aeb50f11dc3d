"""Pages and processor of a dashboard with many clients: ``python -m benchmarks.many_clients --clients 1000``."""

import argparse
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from playwright.sync_api import sync_playwright

from benchmarks.meadow import MeadowFederation
from benchmarks.processes import Children, cpu_seconds, wait_until
from scripts.chromium import find
from tests.browser.conftest import FLAGS

LIMITS = {"ms": 300.0, "kB": 200.0, "first paint ms": 2000.0, "core when idle": 0.02}
ROUNDS, TIMES, IDLE_SECONDS, OPEN_SECONDS = 40, 5, 20.0, 10.0
SETTLE_SECONDS, SETTLED = 5.0, 0.1
ENDLESS = 100_000
"""Rounds of the run that goes on while its pages are measured."""


def main() -> int:
    """Measure and print; 1 where something is over its limit."""
    parser = argparse.ArgumentParser(description="Measure the pages of a dashboard with many connected clients.")
    parser.add_argument("--clients", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=2.0, help="of work that a round is for its clients")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="meadow-many-") as name, Children(Path(name)) as children:
        meadow = MeadowFederation(Path(name) / "meadow", children, given.clients, light=True)
        try:
            over = measure(meadow, given.seconds)
        finally:
            meadow.close()
    return int(over)


def measure(meadow: MeadowFederation, seconds: float) -> int:
    """Measure without a run, then while one goes on; return how many values are over their limit."""
    while _share(meadow, SETTLE_SECONDS) > SETTLED:  # each connection is an event that is being written
        pass
    idle = _share(meadow, IDLE_SECONDS)
    over = _say("no page open", {"core when idle": idle})
    ended = meadow.start_run(1000, ROUNDS)
    meadow.wait_end(ended)
    of_run = [f"/runs/{ended}{query}" for query in ("", "?heatmap=1", "?timeline=1", "?chips=1")]
    over += sum(_page(meadow, path) for path in ("/", "/clients", "/clients?page=1", *of_run, "/runs/new", "/server"))
    active = meadow.start_run(1000, ENDLESS, synthetic_seconds=seconds)
    wait_until(lambda: int(meadow.get(f"/api/runs/{active}")["current_round"]) >= 2, 120, "two rounds")
    over += sum(_page(meadow, path) for path in ("/", "/clients", f"/runs/{active}", f"/runs/{active}?clients=1"))
    return over + _open_pages(meadow, ("/", "/clients", f"/runs/{active}"))


def _share(meadow: MeadowFederation, seconds: float) -> float:
    """Return how much of a core the dashboard takes for some seconds."""
    pid = meadow.meadow.running.pid
    before, begun = cpu_seconds(pid), time.monotonic()
    time.sleep(seconds)
    return (cpu_seconds(pid) - before) / (time.monotonic() - begun)


def _page(meadow: MeadowFederation, path: str) -> int:
    pid, took = meadow.meadow.running.pid, []
    meadow.http.get(path).raise_for_status()
    before = cpu_seconds(pid)
    for _ in range(TIMES):
        begun = time.perf_counter()
        answer = meadow.http.get(path).raise_for_status()
        took.append((time.perf_counter() - begun) * 1000)
    spent = (cpu_seconds(pid) - before) / TIMES * 1000
    return _say(path, {"ms": median(took), "server's CPU ms": spent, "kB": len(answer.content) / 1000})


def _open_pages(meadow: MeadowFederation, paths: tuple[str, ...]) -> int:
    """Open pages in a browser one after the other: the first paint, and what an open page costs the server."""
    over = 0
    with sync_playwright() as playwright:
        own = {"executable_path": found} if (found := find()) else {}
        browser = playwright.chromium.launch(args=FLAGS, **own)  # type: ignore[arg-type]
        over += _say("in a run, no page open", {"core": _share(meadow, OPEN_SECONDS)})
        for path in paths:
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            page.goto(f"{meadow.meadow.url}{path}")
            paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
            share = _share(meadow, OPEN_SECONDS)
            nodes = page.evaluate("document.querySelectorAll('*').length")
            over += _say(f"{path} open", {"first paint ms": paint, "core": share, "elements": nodes})
            page.close()
        browser.close()
    return over


def _say(what: str, figures: dict[str, float]) -> int:
    """Print a line; return how many of the figures are over their limit."""
    bad = [name for name, value in figures.items() if value > LIMITS.get(name, float("inf"))]
    words = ", ".join(f"{name} {value:.4g}{' (!)' if name in bad else ''}" for name, value in figures.items())
    print(f"{what:>24}: {words}", flush=True)
    return len(bad)


if __name__ == "__main__":
    sys.exit(main())
