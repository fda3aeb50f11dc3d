"""What a reverse proxy in front of the dashboard changes: the path under which the dashboard is reached.

The app itself knows no such path. It is taken from a request before any handler sees it, and put before the addresses
of redirects here, of pages in ``webapp.pages.templating``, of scripts in ``static/js/root.js``.
"""

from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from webapp.http.middleware import HttpMiddleware, before_answer


class RootPath(HttpMiddleware):
    """Takes the root path from the paths of requests, where the proxy has not done so, and adds it to redirects.

    A redirect to the dashboard itself is sent as a path, so that the proxy's scheme and host stay.
    """

    def __init__(self, app: ASGIApp, root_path: str) -> None:
        super().__init__(app)
        self._root = root_path

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with the path that the app knows."""
        host = Headers(scope=scope).get("host", "")

        def add_root(head: Message) -> None:
            headers = MutableHeaders(scope=head)
            if location := headers.get("location"):
                headers["location"] = self._rooted(location, host)

        scope["path"] = without_root(scope["path"], self._root)  # in place: what stands around reads it as well
        await self.app(scope, receive, before_answer(send, add_root))

    def _rooted(self, location: str, host: str) -> str:
        parts = urlsplit(location)
        if parts.netloc == host:
            location = parts._replace(scheme="", netloc="").geturl()
        return f"{self._root}{location}" if location.startswith("/") and not location.startswith("//") else location


def without_root(path: str, root: str) -> str:
    """Return a path without the root path; one that does not begin with it comes from a proxy that took it away."""
    if root and (path == root or path.startswith(f"{root}/")):
        return path[len(root) :] or "/"
    return path


def check_root_path(root_path: str, paths: Iterable[str]) -> None:
    """Raise ValueError where the root path begins as a path of the app: a request could mean either."""
    first = root_path[1:].partition("/")[0]
    if first and first in {"static", "openapi.json", *(path[1:].partition("/")[0] for path in paths)}:
        raise ValueError(f"--root-path: /{first} is the address of a page of Meadow; choose another path")
