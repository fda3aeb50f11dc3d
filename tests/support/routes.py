"""The routes of the dashboard's app, and addresses of them that a test can call."""

from collections.abc import Iterator
from typing import Any

IDS = {
    "run_id": 1, "client_id": 1, "round": 1, "number": 1, "user_id": 99, "token_id": 99, "channel_id": 99,
    "code_id": 99, "experiment_id": 99, "name": "wards", "app_id": 99, "call": "list-nodes",
}  # fmt: skip


def walk(routes: list[Any]) -> Iterator[Any]:
    """Give the routes of an app and of the routers in it, which FastAPI includes as wholes."""
    for route in routes:
        router = getattr(route, "original_router", None)
        yield from walk(router.routes) if router is not None else [route]


def filled(path: str) -> str:
    """Return an address for a path template."""
    return path.replace("{path:path}", "css/base.css").format(**IDS)
