"""Fixtures that more than one test file uses: the dashboard and clients as real processes."""

import gc
import sys
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

from tests.support.books import Books
from tests.support.dashboard import Dashboard, running
from tests.support.engine import Engine, running_engine
from tests.support.light_client import Stage
from tests.support.postgres import emptied, running_postgres
from tests.support.processes import Meadow, RealProcess, make_meadow

StartClient = Callable[..., RealProcess]
IMPORT_TENSORFLOW = ("tests/federation/learning/", "tests/webapp/pages/test_try.py")


@pytest.fixture
def meadow(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Meadow]:
    """A running dashboard with its Flower server. Mark ``meadow_arguments`` for more of its command line."""
    marker = request.node.get_closest_marker("meadow_arguments")
    process = make_meadow(tmp_path, *(marker.args if marker else ()), preloaded=True)
    try:
        process.start()
        yield process
    finally:
        process.kill()
        _print_logs([process])


@pytest.fixture
def client(tmp_path: Path) -> Iterator[StartClient]:
    """A function that starts ``python -m federation.client``: server, name, then more arguments and environment."""
    started: list[RealProcess] = []

    def start(server: str, name: str = "site-a", *arguments: str, **environment: str) -> RealProcess:
        identity = ["--identity", str(tmp_path / f"{name}.json")]
        command = ["-m", "federation.client", "--server", server, "--name", name, *identity, *arguments]
        process = RealProcess(command, tmp_path / f"{name}-{len(started)}.log", environment, preloaded=True)
        started.append(process)
        process.start()
        return process

    try:
        yield start
    finally:
        for process in started:
            process.kill()
        _print_logs(started)


def _print_logs(processes: list[RealProcess]) -> None:
    """Pytest shows what is printed here when the test fails."""
    for process in processes:
        sys.stderr.write(f"---- {' '.join(process.arguments)}: {process.running.returncode}\n{process.output}\n")


@pytest.fixture
def dashboard(tmp_path: Path) -> Iterator[Dashboard]:
    """A dashboard in the test's own process, with its Flower server."""
    with running(tmp_path) as made:
        yield made


@pytest.fixture
def books_url(tmp_path: Path) -> str:
    """The database of ``books``; a test file for both kinds replaces this by ``database_url``."""
    return f"sqlite:///{tmp_path / 'meadow.db'}"


@pytest.fixture
def books(books_url: str, tmp_path: Path) -> Iterator[Books]:
    """A migrated database with a ledger over it."""
    made = Books(books_url, tmp_path / "runs")
    yield made
    made.close()


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """The federation side alone, with the usual limits."""
    with running_engine(tmp_path) as started:
        yield started


@pytest.fixture
def stage(engine: Engine) -> Iterator[Stage]:
    """A stage for light clients of the `engine` fixture."""
    with Stage(engine.address) as started:
        yield started


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The address of a PostgreSQL database, with whatever the last test left in it."""
    with running_postgres() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database, once of either kind."""
    if request.param == "postgresql":
        return emptied(request.getfixturevalue("postgres"))
    return f"sqlite:///{tmp_path / 'meadow.db'}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest: whichever process ends last then had little left to do.

    What uses PostgreSQL is marked.
    """
    for item in items:
        if {"database_url", "postgres"} & set(getattr(item, "fixturenames", ())):
            item.add_marker("database")
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


class OneProcessForTensorFlow(LoadFileScheduling):  # type: ignore[misc]  # xdist has no types
    """Files that import TensorFlow run in the same process: it takes 600 MB and seconds in each that imports it."""

    def _split_scope(self, nodeid: str) -> str:
        return IMPORT_TENSORFLOW[0] if nodeid.startswith(IMPORT_TENSORFLOW) else nodeid.split("::")[0]


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadFileScheduling:
    """Give each process whole files."""
    return OneProcessForTensorFlow(config, log)


def pytest_configure() -> None:
    """Import the test files without garbage collections, which find nothing in them and take a second."""
    gc.disable()


def pytest_collection_finish() -> None:
    """Freeze what was imported: Flower's classes force a garbage collection with each reply, which need not scan it.

    Python's own collections come rarer than usual: they took 5 % of the time of tests of pages.
    """
    gc.enable()
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


@pytest.fixture(scope="module", autouse=True)
def graphs_are_frozen() -> Iterator[None]:
    """Freeze what a file has left where TensorFlow is loaded: Keras keeps its graphs, of which a scan takes seconds."""
    yield
    if "tensorflow" in sys.modules:
        gc.collect()
        gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Escape lone surrogates in what a test logged: with one in it no report can be sent to the main process."""
    report = yield
    report.sections = [(title, _escaped(text)) for title, text in report.sections]
    if report.longrepr is not None and (text := str(report.longrepr)) != _escaped(text):
        report.longrepr = _escaped(text)
    return report


def _escaped(text: str) -> str:
    return text.encode(errors="backslashreplace").decode()
