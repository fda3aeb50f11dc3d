"""One answer for all who ask the same at the same time: twenty viewers of a run cost the server what one costs."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

FRESH_SECONDS = 0.5
"""What clients do between two events stands in pages, too, and streams tell it: so old may an answer be."""

MOST_KEPT = 64
KEYS = ("hx-target", "accept-encoding", "cookie")

Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Answer:
    """An answer on its way or made: the newest event when it was begun, when that was, and its messages."""

    newest: int
    begun: float
    messages: "asyncio.Future[list[Message] | None]"


class SharedAnswers:
    """Shares answers to what open pages ask again at every event: their own fragment, and the series of their charts.

    An answer that was begun before the newest event is never given, so nobody sees less than the stream told.
    """

    def __init__(self, app: ASGIApp, newest: Callable[[], int]) -> None:
        self._app, self._newest = app, newest
        self._answers: OrderedDict[Key, _Answer] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or give it the answer that another one like it has or will have."""
        key = _key(scope)
        if key is None:
            return await self._app(scope, receive, send)
        now, newest, shared = asyncio.get_running_loop().time(), self._newest(), self._answers.get(key)
        if shared is not None and shared.newest == newest and now - shared.begun < FRESH_SECONDS:
            messages = await asyncio.shield(shared.messages)
            if messages is not None:
                for message in messages:
                    await send(message)
                return None
        await self._make(key, newest, now, scope, receive, send)
        return None

    async def _make(self, key: Key, newest: int, now: float, scope: Scope, receive: Receive, send: Send) -> None:
        answer = _Answer(newest, now, asyncio.get_running_loop().create_future())
        self._answers[key] = answer
        self._answers.move_to_end(key)
        if len(self._answers) > MOST_KEPT:
            self._answers.popitem(last=False)
        messages: list[Message] = []

        async def send_and_keep(message: Message) -> None:
            messages.append(message)
            await send(message)

        try:
            await self._app(scope, receive, send_and_keep)
        finally:
            whole = bool(messages) and messages[0].get("status") == 200 and not messages[-1].get("more_body", False)
            answer.messages.set_result(messages if whole else None)


def _key(scope: Scope) -> Key | None:
    """Return what makes two requests the same; None for a request that is answered by itself."""
    if scope["type"] != "http" or scope["method"] != "GET":
        return None
    headers = Headers(scope=scope)
    series = scope["path"].startswith("/api/runs/") and scope["path"].endswith("/series")
    if not series and headers.get("hx-request-type") != "partial":
        return None
    return (scope["path"], scope["query_string"].decode("latin-1"), *(headers.get(name, "") for name in KEYS))
