"""HEAD for every address that has GET."""

from starlette.types import Message, Receive, Scope, Send

from webapp.http.middleware import HttpMiddleware


class HeadAsGet(HttpMiddleware):
    """Has the app answer a HEAD request as GET, and sends the head of that answer alone (RFC 9110, section 9.3.2)."""

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; drop the body of the answer to HEAD.

        The answer is complete with its head, so ``receive`` tells a stream at once that its reader has disconnected.
        """
        if scope["method"] != "HEAD":
            return await self.app(scope, receive, send)

        async def send_head(message: Message) -> None:
            if message["type"] == "http.response.start":
                await send(message)
                await send({"type": "http.response.body"})

        await self.app({**scope, "method": "GET"}, receive, send_head)
