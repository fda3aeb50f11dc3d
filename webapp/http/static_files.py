"""Static files and their caching: a file with a fingerprint is cached for ever, any other is revalidated."""

from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

IMMUTABLE = "public, max-age=31536000, immutable"
REVALIDATE = "no-cache"


class FingerprintedFiles(StaticFiles):
    """Files of one folder. Scripts import each other without a fingerprint, so a changed one is fetched at once."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Return the file, or 304 where the browser's copy is still valid."""
        answer = await super().get_response(path, scope)
        has_fingerprint = scope["query_string"].startswith(b"v=")
        answer.headers["Cache-Control"] = IMMUTABLE if has_fingerprint and answer.status_code < 400 else REVALIDATE
        return answer
