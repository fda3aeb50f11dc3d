"""Answers that a browser saves as a file: texts, and zip archives that are made while they are sent."""

from collections.abc import Callable, Iterable
from typing import Annotated, Any

from fastapi import Query
from fastapi.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from webapp.routes.api.errors import Responses

ZIP = "application/zip"
BINARY: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}
ZIP_ANSWER: Responses = {200: {"content": {ZIP: BINARY}}}
ByteOrderMark = Annotated[bool, Query(description="Start with a byte order mark, which Excel needs to read UTF-8.")]


def attachment(name: str) -> dict[str, str]:
    """Return the header by which a browser saves an answer under a name."""
    return {"Content-Disposition": f'attachment; filename="{name}"'}


def text_file(text: str, media_type: str, name: str) -> Response:
    """Return a text as a file."""
    return Response(text, media_type=media_type, headers=attachment(name))


class ZipResponse(StreamingResponse):
    """Sends the pieces of an archive and calls ``close`` afterwards, also where its reader disconnects before.

    ``length`` is the number of bytes, where it is known.
    """

    def __init__(
        self, pieces: Iterable[bytes], name: str, close: Callable[[], object], length: int | None = None
    ) -> None:
        self._close = close
        known = {} if length is None else {"Content-Length": str(length)}
        super().__init__(pieces, media_type=ZIP, headers=attachment(name) | known)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the archive."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._close()
