"""A dashboard for all tests of own data, and a stage for light clients that leave it with the test."""

from collections.abc import Iterator

import pytest

from tests.support.dashboard import Dashboard, running
from tests.support.light_client import Stage


@pytest.fixture(scope="package")
def dashboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    with running(tmp_path_factory.mktemp("own-data")) as dashboard:
        yield dashboard


@pytest.fixture
def stage(dashboard: Dashboard) -> Iterator[Stage]:
    with dashboard.stage() as stage:
        yield stage
    dashboard.wait_for_clients(0)
