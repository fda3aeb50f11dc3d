"""Answers that are long text go over the wire packed, where the browser takes them so."""

import gzip

from fastapi import Request
from fastapi.responses import Response

LEAST, LEVEL = 2000, 4
"""From so many bytes on it is worth it; a higher level costs more time than it saves."""


def pack(request: Request, answer: Response) -> None:
    """Pack an answer's body by gzip. Pages hold no secret that its length could give away."""
    vary = answer.headers.get("Vary")
    answer.headers["Vary"] = f"{vary}, Accept-Encoding" if vary else "Accept-Encoding"
    if len(answer.body) >= LEAST and "gzip" in request.headers.get("Accept-Encoding", ""):
        answer.body = gzip.compress(answer.body, LEVEL)
        answer.headers["Content-Encoding"] = "gzip"
        answer.headers["Content-Length"] = str(len(answer.body))
