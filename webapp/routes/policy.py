"""What each address needs, by the one list in ``needs``. A request for anything else is refused."""

import re
from collections.abc import Iterator
from enum import StrEnum
from functools import lru_cache

from starlette.routing import compile_path

from webapp.routes.needs import ADMIN, OPEN, OPERATOR, STEERING, VIEWER

MAX_KNOWN = 200
"""Characters of a method and a path whose need is remembered."""


class Need(StrEnum):
    """What a request needs: nothing, or a principal with a role; each more than the one before."""

    OPEN = "open"
    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"


def _rows() -> Iterator[tuple[tuple[str, str], Need]]:
    steering = "".join(f"POST [/api]/runs/{{run_id}}/{verb}\n" for verb in STEERING.split())
    for need, lines in zip(Need, (OPEN, VIEWER, OPERATOR + steering, ADMIN), strict=True):
        for line in filter(None, lines.split("\n")):
            *methods, path = line.split()
            for at in (path.removeprefix("[/api]"), path.replace("[/api]", "/api")):
                yield from (((method, at), need) for method in methods)


POLICY: dict[tuple[str, str], Need] = dict(_rows())
"""What the method and path template of each route needs. HEAD is GET."""


@lru_cache(maxsize=1)
def _patterns() -> list[tuple[str, re.Pattern[str], Need]]:
    return [(method, compile_path(path)[0], need) for (method, path), need in POLICY.items()]


def route_of(method: str, path: str) -> tuple[str, dict[str, str]] | None:
    """Return template and parameters of the route that a request asks for; None where none is listed.

    Of several that match it is the one with the fewest parameters: ``/runs/new`` is no run.
    """
    lines = zip(POLICY, _patterns(), strict=True)
    found = ((template, match.groupdict()) for (of, template), (_, pattern, _) in lines
             if of == method and (match := pattern.match(path)))  # fmt: skip
    return min(found, key=lambda line: len(line[1]), default=None)


def need_of(method: str, path: str) -> Need | None:
    """Return what a request needs: of all lines that match it the one that needs most; None where there is none.

    What is long is not remembered: strangers choose it.
    """
    return _known_need_of(method, path) if len(method) + len(path) <= MAX_KNOWN else _find_need_of(method, path)


def _find_need_of(method: str, path: str) -> Need | None:
    needs = (need for of, pattern, need in _patterns() if of == method and pattern.match(path))
    return max(needs, key=list(Need).index, default=None)


_known_need_of = lru_cache(maxsize=4096)(_find_need_of)
