"""Responses that stream a zip archive which is made while it is sent, and close what it is made of."""

from collections.abc import Callable, Iterable, Mapping

from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

ZIP = "application/zip"


class ZipResponse(StreamingResponse):
    """Sends the pieces of an archive and calls ``close`` afterwards, also where its reader disconnects before."""

    def __init__(self, pieces: Iterable[bytes], headers: Mapping[str, str], close: Callable[[], object]) -> None:
        self._close = close
        super().__init__(pieces, media_type=ZIP, headers=headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the archive."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._close()
