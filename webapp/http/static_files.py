"""Static files, and how long browsers may keep them: with a fingerprint for ever, without one until they ask again."""

from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

FOR_EVER = "public, max-age=31536000, immutable"
ASK_ANEW = "no-cache"


class FingerprintedFiles(StaticFiles):
    """Files of one folder. Scripts import each other without a fingerprint: a changed one is fetched at once."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Return the file, or the answer that the browser's copy still holds."""
        answer = await super().get_response(path, scope)
        has_fingerprint = scope["query_string"].startswith(b"v=")
        answer.headers["Cache-Control"] = FOR_EVER if has_fingerprint and answer.status_code < 400 else ASK_ANEW
        return answer
