"""A dashboard and simulations that connect to it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.http import LOCAL
from tests.support.processes import Meadow, RealProcess, make_meadow, wait_until

Simulate = Callable[..., RealProcess]


@pytest.fixture(scope="package")
def meadow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Meadow]:
    """One dashboard for all tests; each leaves no client online."""
    process = make_meadow(tmp_path_factory.mktemp("meadow"), preloaded=True)
    try:
        process.start()
        yield process
    finally:
        process.kill()


@pytest.fixture
def simulate(tmp_path: Path, meadow: Meadow) -> Iterator[Simulate]:
    """A function that starts ``python -m federation.simulation`` with more arguments and environment variables."""
    started: list[RealProcess] = []

    def start(clients: int, *arguments: str, **environment: str) -> RealProcess:
        command = ["-m", "federation.simulation", "--server", meadow.flower_address, "--clients", str(clients),
                   "--identities", str(tmp_path / "identities"), *arguments]  # fmt: skip
        process = RealProcess(command, tmp_path / f"simulation-{len(started)}.log", environment, preloaded=True)
        started.append(process)
        process.start()
        return process

    yield start
    for process in started:
        process.kill()


@pytest.fixture
def http(meadow: Meadow) -> Iterator[httpx.Client]:
    """The dashboard's REST API, once the clients of the test before are offline."""
    with httpx.Client(base_url=meadow.url, **LOCAL, timeout=20) as connected:
        wait_until(lambda: not online(connected), what="no client is online")
        yield connected


def online(http: httpx.Client, count: int | None = None) -> list[dict[str, Any]]:
    """Return the clients that are online; an empty list where they are not ``count``."""
    items = [one for one in http.get("/api/clients").json()["items"] if one["state"] == "online"]
    return sorted(items, key=lambda one: str(one["name"])) if count in (None, len(items)) else []
