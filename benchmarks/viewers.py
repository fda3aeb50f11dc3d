"""From commit to pixel with many viewers: ``python -m benchmarks.viewers``.

Twenty clients train, twenty viewers have the run's page open. Some viewers are windows of a Chromium here, whose charts
are looked at; the others do over HTTP what a window does: they hold the stream, ask for each round's series at once,
and for the rest of the page at most twice a second. Windows on the server's own machine take its processors.
"""

import argparse
import asyncio
import contextlib
import sys
import tempfile
import time
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import httpx
from playwright.async_api import Browser, Page, async_playwright

from benchmarks.meadow import MeadowFederation
from benchmarks.processes import Children, cpu_seconds
from scripts.chromium import find
from tests.browser.conftest import FLAGS, LISTEN

LIMIT_MS = 500.0
MOST_ROUNDS = 100_000
"""The run is stopped when enough has been seen."""

QUIET_SECONDS = 0.5
LOOK_SECONDS = 0.2
FRAGMENT = {"HX-Request": "true", "HX-Request-Type": "partial", "HX-Target": "div#run-page"}


async def read_along(http: httpx.AsyncClient, run_id: int) -> None:
    """Do what an open page does, until the run has ended."""
    last_round, waiting = -1, asyncio.Event()

    async def refresh() -> None:
        while True:
            await waiting.wait()
            waiting.clear()
            (await http.get(f"/runs/{run_id}", headers=FRAGMENT)).raise_for_status()
            await asyncio.sleep(QUIET_SECONDS)

    rest = asyncio.create_task(refresh())
    try:
        async with http.stream("GET", f"/api/runs/{run_id}/events", timeout=None) as answer:
            async for line in answer.aiter_lines():
                if line == "event: round":
                    asked: dict[str, Any] = {"phase": "evaluate", "after": last_round, "metric": ["accuracy", "loss"]}
                    series = await http.get(f"/api/runs/{run_id}/series", params=asked)
                    last_round = series.raise_for_status().json()["last_round"]
                if line.startswith("event: ") and line != "event: progress":
                    waiting.set()
    finally:
        rest.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await rest


async def _open(browser: Browser, address: str) -> Page:
    context = await browser.new_context(viewport={"width": 1280, "height": 900})
    page = await context.new_page()
    await page.goto(address)
    await page.wait_for_selector("#live:has-text('Live')")
    await page.evaluate(LISTEN)
    return page


async def watch(meadow: MeadowFederation, windows: int, viewers: int, rounds: int, seconds: float) -> dict[str, float]:
    """Let a run go on before everybody's eyes; return ms from commit to both charts drawn, over windows and rounds."""
    run_id = meadow.start_run(1000, MOST_ROUNDS, synthetic_seconds=seconds)
    address, server = f"{meadow.meadow.url}/runs/{run_id}", meadow.meadow.running.pid
    delays: list[float] = []
    limits = httpx.Limits(max_connections=None, keepalive_expiry=2.0)  # the server ends idle connections after 5 s
    async with async_playwright() as playwright:
        own: dict[str, Any] = {"executable_path": path} if (path := find()) else {}
        browser = await playwright.chromium.launch(args=FLAGS, **own)
        pages = [await _open(browser, address) for _ in range(windows)]
        async with httpx.AsyncClient(base_url=meadow.meadow.url, trust_env=False, timeout=60, limits=limits) as http:
            others = [asyncio.create_task(read_along(http, run_id)) for _ in range(viewers - windows)]
            spent, begun = cpu_seconds(server), time.monotonic()
            for page in pages:
                await page.evaluate("window.since = Date.now()")  # nobody is still opening
            last = (await _current_round(http, run_id)) + rounds
            while await _current_round(http, run_id) < last:
                await asyncio.sleep(LOOK_SECONDS)
            spent, took = cpu_seconds(server) - spent, time.monotonic() - begun
            for page in pages:
                while not await page.evaluate(f"window.drawn.accuracy[{last}] && window.drawn.loss[{last}]"):
                    await asyncio.sleep(LOOK_SECONDS)
                delays += await _delays(page, last)
            (await http.post(f"/api/runs/{run_id}/stop")).raise_for_status()
            await asyncio.gather(*others)
        await browser.close()
    p95 = quantiles(delays, n=20)[-1]
    return {"points": len(delays), "median_ms": median(delays), "p95_ms": p95, "most_ms": max(delays),
            "server_cpu_share": spent / took}  # fmt: skip


async def _current_round(http: httpx.AsyncClient, run_id: int) -> int:
    run = (await http.get(f"/api/runs/{run_id}")).raise_for_status().json()
    assert run["state"] in ("waiting", "running"), run["reason"]
    return int(run["current_round"])


async def _delays(page: Page, last: int) -> list[float]:
    """Return ms from commit to drawing of what was committed while all pages were open, both charts."""
    since, committed, drawn = await page.evaluate("[window.since, window.committed, window.drawn]")
    seen = [(r, at) for r, at in committed.items() if at >= since and int(r) <= last]
    return [drawn[metric][r] - at for r, at in seen for metric in ("accuracy", "loss")]


def main() -> int:
    """Measure and print; 1 where it takes longer than it may."""
    parser = argparse.ArgumentParser(description="Measure the time from a round's commit to its points on the charts.")
    parser.add_argument("--windows", type=int, default=2, help="viewers that are windows of a Chromium here")
    parser.add_argument("--viewers", type=int, default=20)
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--seconds", type=float, default=0.8, help="of work that a round is for its clients")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="meadow-viewers-") as name, Children(Path(name)) as children:
        meadow = MeadowFederation(Path(name) / "meadow", children, given.clients, light=True)
        try:
            figures = asyncio.run(watch(meadow, given.windows, given.viewers, given.rounds, given.seconds))
        finally:
            meadow.close()
    print(f"{given.viewers} viewers ({given.windows} windows), {given.clients} clients, {given.rounds} rounds: "
          + ", ".join(f"{name} {value:.4g}" for name, value in figures.items()))  # fmt: skip
    return int(figures["p95_ms"] > LIMIT_MS)


if __name__ == "__main__":
    sys.exit(main())
