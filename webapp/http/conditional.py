"""ETags: a browser that has an answer already gets 304 without a body."""

import hashlib

from fastapi import Request
from fastapi.responses import Response


def etag_of(*parts: object) -> str:
    """Return an ETag of all that an answer depends on; a weak one, for the text may be sent compressed or not."""
    return f'W/"{hashlib.blake2b(repr(parts).encode(), digest_size=12).hexdigest()}"'


def is_known(request: Request, etag: str) -> bool:
    """Say whether the browser has the answer with this ETag."""
    return etag in (one.strip() for one in request.headers.get("If-None-Match", "").split(","))


def mark(answer: Response, etag: str) -> None:
    """Let a browser keep an answer, and ask before it uses it again."""
    answer.headers["ETag"] = etag
    answer.headers["Cache-Control"] = "private, no-cache"
