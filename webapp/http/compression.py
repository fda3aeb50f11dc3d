"""Compresses long text answers for browsers that accept it."""

import gzip

from fastapi import Request
from fastapi.responses import Response

MIN_BYTES, LEVEL = 2000, 4
"""Shorter answers are not worth it; a higher level costs more time than it saves."""


def compress(request: Request, answer: Response) -> None:
    """Compress an answer's body by gzip. Pages hold no secret that the length could reveal."""
    vary = answer.headers.get("Vary")
    answer.headers["Vary"] = f"{vary}, Accept-Encoding" if vary else "Accept-Encoding"
    if len(answer.body) >= MIN_BYTES and "gzip" in request.headers.get("Accept-Encoding", ""):
        answer.body = gzip.compress(answer.body, LEVEL, mtime=0)
        answer.headers["Content-Encoding"] = "gzip"
        answer.headers["Content-Length"] = str(len(answer.body))
