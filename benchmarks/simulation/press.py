"""From an empty dashboard by one press: ``python -m benchmarks.simulation.press --clients 100`` in a real Chromium.

Measures the seconds until the first round is on the chart and the memory of all processes, and looks for the clients.
"""

import argparse
import sys
import tempfile
import threading
import time
from pathlib import Path

import httpx
import psutil
from playwright.sync_api import Page, sync_playwright

from scripts.chromium import find
from tests.browser.conftest import FLAGS
from tests.support.processes import Meadow, make_meadow

MB = 1e6
LIMITS = {
    "seconds to the first round on the chart": 20.0,
    "MB of all processes": 1200.0,
    "ms of the slowest page": 500.0,
}
DRAWN = """() => new Promise((resolve) => {
  document.body.addEventListener("meadow:drawn", ({ detail }) => { if (detail.round >= 1) resolve(detail.round); });
})"""


class Memory:
    """The most that a process and its children have had at once, sampled in a thread: PSS, each shared page once."""

    def __init__(self, pid: int) -> None:
        self.peak_bytes = 0
        self._pid, self._stopped = pid, threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> float:
        """Return the peak in MB."""
        self._stopped.set()
        self._thread.join(5)
        return self.peak_bytes / MB

    def _run(self) -> None:
        while not self._stopped.wait(1.0):
            try:
                family = [psutil.Process(self._pid), *psutil.Process(self._pid).children(recursive=True)]
                self.peak_bytes = max(self.peak_bytes, sum(one.memory_full_info().pss for one in family))
            except psutil.NoSuchProcess:  # one has just ended
                continue


def press(page: Page, url: str, clients: int) -> float:
    """Press the button on an empty Home; return the seconds until a trained round is on the chart."""
    page.goto(url)
    page.fill("#simulation-count", str(clients))
    began = time.monotonic()
    page.click("#simulation-cost button")
    page.wait_for_url(f"{url}/?flash=*")
    page.set_default_timeout(120_000)
    page.evaluate(DRAWN)
    return time.monotonic() - began


def named_rows(page: Page, url: str) -> set[str]:
    """Return the names of the clients on all pages of their list."""
    names: set[str] = set()
    for number in range(1, 1000):
        page.goto(f"{url}/clients?page={number}")
        found = set(page.locator(".client-list .name a").all_inner_texts())
        if found <= names:
            break
        names |= found
    return names


def slowest(url: str, run_id: int) -> tuple[float, str]:
    """Return the slowest page's milliseconds, the best of three, and its address."""
    paths = ("/", "/clients", "/clients?page=1", f"/runs/{run_id}", f"/runs/{run_id}?heatmap=1",
             f"/runs/{run_id}?timeline=1", "/runs", "/runs/new", "/server", "/api/clients",
             "/api/demo-clients")  # fmt: skip
    times = []
    with httpx.Client(base_url=url, trust_env=False, timeout=60) as http:
        for path in paths:
            took = []
            for _ in range(3):
                begun = time.perf_counter()
                http.get(path).raise_for_status()
                took.append((time.perf_counter() - begun) * 1000)
            times.append((min(took), path))
            print(f"{path:>24}: {min(took):.0f} ms", flush=True)
    return max(times)


def measure(meadow: Meadow, clients: int, images: Path | None) -> dict[str, float]:
    """Press, wait, look; return the figures."""
    memory = Memory(meadow.running.pid)
    with sync_playwright() as playwright:
        own = {"executable_path": found} if (found := find()) else {}
        browser = playwright.chromium.launch(args=FLAGS, **own)  # type: ignore[arg-type]
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        if images is not None:
            _photograph(page, meadow.url, images, "empty")
        seconds = press(page, meadow.url, clients)
        if images is not None:
            _photograph(page, meadow.url, images, "active")
            _photograph(page, f"{meadow.url}/clients", images, "clients")
        names = named_rows(page, meadow.url)
        browser.close()
    wanted = {f"sim-{number:03d}" for number in range(1, clients + 1)}
    assert names == wanted, f"{len(names)} clients are in the list, not {clients}"
    slow, path = slowest(meadow.url, 1)
    print(f"the slowest page is {path}")
    return dict(zip(LIMITS, (seconds, memory.stop(), slow), strict=True))


def _photograph(page: Page, url: str, images: Path, name: str) -> None:
    images.mkdir(parents=True, exist_ok=True)
    for width in (1280, 390):
        for theme in ("light", "dark"):
            page.set_viewport_size({"width": width, "height": 900})
            page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
            page.goto(url)
            page.wait_for_timeout(500)
            page.screenshot(path=images / f"{name}-{width}-{theme}.png", full_page=True)
    page.set_viewport_size({"width": 1280, "height": 900})
    page.emulate_media(color_scheme="light")


def main() -> int:
    """Measure and print; 1 where a figure is over its limit."""
    parser = argparse.ArgumentParser(description="One press on an empty dashboard, to the first round on the chart.")
    parser.add_argument("--clients", type=int, default=100)
    parser.add_argument("--images", type=Path, help="folder for pictures of the pages")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="meadow-press-") as name:
        meadow = make_meadow(Path(name), "--log-level", "warning")
        try:
            meadow.start()
            figures = measure(meadow, given.clients, given.images)
        finally:
            meadow.kill()
    for what, value in figures.items():
        print(f"{what}: {value:.4g}, limit {LIMITS[what]:.0f}{'' if value <= LIMITS[what] else ' (!)'}")
    return int(any(value > LIMITS[what] for what, value in figures.items()))


if __name__ == "__main__":
    sys.exit(main())
