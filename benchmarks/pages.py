"""How a long run's page behaves: `python -m benchmarks.pages` makes a database, serves it, and looks with a browser."""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.long_run import METRICS, OF_CLIENTS, let_it_run, make_long_run
from scripts.chromium import find
from tests.support.books import done, reply
from tests.support.dashboard import Dashboard, running

LIMITS = {"page_ms": 300.0, "first_paint_ms": 2000.0, "wire_kb": 500.0, "append_ms": 50.0}
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
TIMES, APPENDED = 9, 12
WATCH = """async () => {
  const { Curves } = await import("/static/js/charts/curves.js");
  const receive = Curves.prototype.receive;
  window.appended = [];
  Curves.prototype.receive = function (...given) {
    [window.began, window.left] = [performance.now(), 2];
    return receive.apply(this, given);
  };
  document.body.addEventListener("meadow:drawn", () => {
    if ((window.left -= 1) === 0) window.appended.push(performance.now() - window.began);
  });
}"""

DRAWN = "window.drawnAt = []; addEventListener('meadow:drawn', () => window.drawnAt.push(performance.now()));"
ZOOM = """async ([min, max]) => {
  const chart = document.querySelector("meadow-chart"), began = performance.now();
  const seen = () => chart.curve.rounds.filter((round) => round >= min && round <= max).length;
  chart.section.dispatchEvent(new CustomEvent("meadow:zoom", { detail: { min, max } }));
  while (seen() <= max - min) await new Promise(requestAnimationFrame);
  return performance.now() - began;
}"""


def main() -> int:
    """Measure and print; 1 where something takes longer than it may."""
    parser = argparse.ArgumentParser(description="Measure the page of a long run.")
    parser.add_argument("--rounds", type=int, default=10_000)
    parser.add_argument("--clients", type=int, default=50)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="meadow-pages-") as name:
        folder = Path(name) / "data"
        begun = time.monotonic()
        run_id, points = make_long_run(folder, given.rounds, given.clients)
        megabytes = sum(file.stat().st_size for file in folder.glob("meadow.db*")) / 1e6
        print(f"{given.rounds:,} rounds, {2 * len(METRICS)} metrics of the aggregate, {' and '.join(OF_CLIENTS)} of "
              f"{given.clients} clients (all 20 of each would be gigabytes): {points:,} points, {megabytes:.0f} MB, "
              f"made in {time.monotonic() - begun:.0f} s")  # fmt: skip
        with running(Path(name)) as dashboard:
            measured = measure(dashboard, run_id, given.rounds, given.clients)
    for name, value in measured.items():
        limit = LIMITS.get(name)
        print(f"{name:>22} {value:8.1f}" + (f"   (at most {limit:g})" if limit else ""))
    return int(any(measured[name] > limit for name, limit in LIMITS.items()))


def measure(dashboard: Dashboard, run_id: int, rounds: int, clients: int) -> dict[str, float]:
    """Return what was measured, by name."""
    database = dashboard.parts.database
    with database.write() as session:
        let_it_run(session, run_id)
    series = f"/api/runs/{run_id}/series?metric=accuracy&metric=loss"
    tenth = f"&after={rounds * 4 // 10}&last={rounds // 2}"
    lines = "".join(f"&clients={client_id}" for client_id in range(1, 9))
    dashboard.http.get("/runs").raise_for_status()  # so that templates are compiled
    figures = {
        "series_first_ms": _median_ms(lambda: dashboard.http.get(series).raise_for_status(), times=1),
        "page_ms": _median_ms(lambda: dashboard.http.get(f"/runs/{run_id}").raise_for_status()),
        "home_ms": _median_ms(lambda: dashboard.http.get("/").raise_for_status()),
        "series_ms": _median_ms(lambda: dashboard.http.get(series).raise_for_status()),
        "series_of_a_tenth_ms": _median_ms(lambda: dashboard.http.get(series + tenth).raise_for_status()),
        "series_8_clients_ms": _median_ms(lambda: dashboard.http.get(series + lines).raise_for_status()),
    }
    with sync_playwright() as playwright:
        own = {"executable_path": path} if (path := find()) else {}
        browser = playwright.chromium.launch(args=FLAGS, **own)  # type: ignore[arg-type]
        figures |= _look(browser, f"{dashboard.http.base_url}/runs/{run_id}".replace("//runs", "/runs"), rounds)
        figures |= _append(browser, dashboard, run_id, rounds, clients)
        browser.close()
    return figures


def _median_ms(ask: Callable[[], Any], times: int = TIMES) -> float:
    took = []
    for _ in range(times):
        begun = time.perf_counter()
        ask()
        took.append((time.perf_counter() - begun) * 1000)
    return median(took)


def _look(browser: Browser, address: str, rounds: int) -> dict[str, float]:
    """Load the page with an empty cache: bytes over the wire, the first paint, both charts; then zoom to a tenth."""
    paints, charts, zooms, wire = [], [], [], 0.0
    for _ in range(3):
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        page, sizes = context.new_page(), list[float]()
        network = context.new_cdp_session(page)
        network.send("Network.enable")
        network.on("Network.loadingFinished", lambda event, sizes=sizes: sizes.append(event["encodedDataLength"]))
        page.add_init_script(DRAWN)
        page.goto(address)
        while page.evaluate("window.drawnAt.length") < 2:
            page.wait_for_timeout(10)
        charts.append(page.evaluate("window.drawnAt[1]"))
        paints.append(page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime"))
        wire = sum(sizes) / 1000
        zooms.append(page.evaluate(ZOOM, [rounds * 0.4, rounds * 0.5]))
        context.close()
    return {"wire_kb": wire, "first_paint_ms": median(paints), "charts_ms": median(charts), "zoom_ms": median(zooms)}


def _append(browser: Browser, dashboard: Dashboard, run_id: int, rounds: int, clients: int) -> dict[str, float]:
    """Commit rounds while the page is open: from the answer's arrival to both charts drawn."""
    page: Page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(f"{str(dashboard.http.base_url).rstrip('/')}/runs/{run_id}?lines=1-2-3-4-5-6-7-8")
    page.wait_for_selector("meadow-chart canvas")
    page.evaluate(WATCH)
    for number in range(rounds + 1, rounds + 1 + APPENDED):
        for client_id in range(1, clients + 1):
            for phase in ("train", "evaluate"):
                told = reply(
                    run_id, number, client_id, "train" if phase == "train" else "evaluate", accuracy=0.9, loss=0.4
                )
                dashboard.parts.runs.record(replace(told, round=number))
        dashboard.parts.runs.record(done(run_id, number, 1, **dict.fromkeys(METRICS, 0.9)))
        while page.evaluate("document.querySelector('meadow-chart').curve.rounds.at(-1)") != number:
            page.wait_for_timeout(20)
        page.wait_for_timeout(600)  # until the rest of the page has been refreshed, too
    return {"append_ms": median(page.evaluate("window.appended"))}


if __name__ == "__main__":
    sys.exit(main())
