"""A way into the dashboard of the `meadow` fixture, and real clients that need neither data nor TensorFlow."""

from collections.abc import Callable, Iterator

import httpx
import pytest

from tests.conftest import StartClient
from tests.support.dashboard import Api
from tests.support.http import LOCAL
from tests.support.processes import Meadow, RealProcess

Join = Callable[..., RealProcess]


@pytest.fixture
def api(meadow: Meadow) -> Iterator[Api]:
    """The API of the dashboard of the `meadow` fixture; it may be killed and started again meanwhile."""
    with httpx.Client(base_url=meadow.url, **LOCAL, timeout=20) as http:
        yield Api(http)


@pytest.fixture
def join(client: StartClient) -> Join:
    """A function that starts a synthetic client: server's address, name, then more arguments."""
    return lambda server, name, *more: client(server, name, "--dataset", "synthetic", *more)
