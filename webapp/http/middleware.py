"""What middleware has in common: it passes on what is no HTTP request, and acts before an answer starts."""

from abc import ABC, abstractmethod
from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class HttpMiddleware(ABC):
    """Middleware of HTTP requests. What is none, such as the lifespan of the app, passes it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer an HTTP request, pass anything else on."""
        await (self.answer if scope["type"] == "http" else self.app)(scope, receive, send)

    @abstractmethod
    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on to ``app``."""


def before_answer(send: Send, act: Callable[[Message], object]) -> Send:
    """Return a ``send`` that calls ``act`` with the head of the answer, its status and headers, before it is sent."""

    async def send_after(message: Message) -> None:
        if message["type"] == "http.response.start":
            act(message)
        await send(message)

    return send_after
