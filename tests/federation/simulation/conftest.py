"""A dashboard and simulations that connect to it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.http import LOCAL
from tests.support.processes import Meadow, RealProcess, make_meadow

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
        process = RealProcess(command, tmp_path / f"simulation-{len(started)}.log", environment)
        started.append(process)
        process.start()
        return process

    yield start
    for process in started:
        process.kill()


@pytest.fixture
def http(meadow: Meadow) -> Iterator[httpx.Client]:
    """The dashboard's REST API."""
    with httpx.Client(base_url=meadow.url, **LOCAL, timeout=20) as connected:
        yield connected


def online(http: httpx.Client, count: int) -> list[dict[str, Any]]:
    """Return the clients that are online when they are so many, else an empty list."""
    items = [one for one in http.get("/api/clients").json()["items"] if one["state"] == "online"]
    return sorted(items, key=lambda one: str(one["name"])) if len(items) == count else []
