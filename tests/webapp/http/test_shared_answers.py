"""Answers that many readers share: begun once, never older than the newest event."""

import asyncio
from collections import Counter
from collections.abc import Mapping

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from tests.support.dashboard import Dashboard
from webapp.http.shared_answers import SharedAnswers

FRAGMENT = {"HX-Request-Type": "partial", "HX-Target": "div#run-page"}

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


class Counting:
    """An app that counts what it is asked, behind the middleware; ``newest`` is the newest event."""

    def __init__(self) -> None:
        self.newest, self.asked, self.let = 0, Counter[str](), asyncio.Event()
        self.let.set()
        app = Starlette(routes=[Route("/{rest:path}", self._answer)])
        app.add_middleware(SharedAnswers, newest=lambda: self.newest)
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here")

    async def _answer(self, request: Request) -> Response:
        path = request.url.path
        self.asked[path] += 1
        mine = f"{path} {self.asked[path]}"
        await self.let.wait()
        return PlainTextResponse(mine, 500 if path == "/broken" else 200)

    async def get(self, path: str, headers: Mapping[str, str] = FRAGMENT) -> str:
        return (await self.http.get(path, headers=headers)).text


async def test_readers_at_the_same_time_get_one_answer() -> None:
    app = Counting()
    app.let.clear()
    reads = [asyncio.create_task(app.get("/runs/1")) for _ in range(20)]
    while not app.asked:
        await asyncio.sleep(0)
    app.let.set()
    assert set(await asyncio.gather(*reads)) == {"/runs/1 1"}
    assert await app.get("/api/runs/1/series?after=3", {}) == await app.get("/api/runs/1/series?after=3", {})


async def test_nobody_sees_less_than_the_newest_event() -> None:
    app = Counting()
    app.let.clear()
    early = asyncio.create_task(app.get("/runs/1"))
    while not app.asked:
        await asyncio.sleep(0)
    app.newest = 1
    late = asyncio.create_task(app.get("/runs/1"))
    while app.asked["/runs/1"] < 2:
        await asyncio.sleep(0)
    app.let.set()
    assert (await early, await late) == ("/runs/1 1", "/runs/1 2")


async def test_what_is_not_the_same_is_not_shared() -> None:
    app = Counting()
    asked = [
        ("/runs/1", FRAGMENT),
        ("/runs/1", FRAGMENT | {"HX-Target": "div#other"}),
        ("/runs/1?cells=loss", FRAGMENT),
        ("/runs/1", FRAGMENT | {"Cookie": "who=else"}),
        ("/runs/1", {}),
        ("/runs/1", {}),
    ]
    assert len({await app.get(path, headers) for path, headers in asked}) == len(asked)


async def test_an_error_is_not_shared() -> None:
    app = Counting()
    assert [await app.get("/broken"), await app.get("/broken")] == ["/broken 1", "/broken 2"]


def test_a_fragment_is_new_as_soon_as_something_happened(dashboard: Dashboard) -> None:
    run_id = dashboard.start_run(num_rounds=3)
    dashboard.wait_for_state(run_id, "waiting")
    before = dashboard.http.get(f"/runs/{run_id}", headers=FRAGMENT).text
    dashboard.http.post(f"/api/runs/{run_id}/stop")
    dashboard.wait_for_state(run_id, "stopped")
    after = dashboard.http.get(f"/runs/{run_id}", headers=FRAGMENT).text
    assert "Waiting" in before
    assert "Stopped" in after
