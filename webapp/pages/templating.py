"""Templates: one environment, and a page or one block of it from the same template and the same address.

A request of htmx names its target; when the page has a block of that name (``home-page`` is block ``home_page``), only
the block is sent. Everything else gets the whole page.
"""

import hashlib
import re
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from jinja2_fragments import render_block

from webapp import formatting
from webapp.accounts.principal import Principal
from webapp.pages import sparklines, wording
from webapp.pages.clients import holdings, rows
from webapp.pages.flash import Flash
from webapp.pages.markdown import markdown
from webapp.pages.runs import charts
from webapp.pages.start.fields import FIELDS, FOLDED, GROUPS, QUICK
from webapp.settings import asset

STREAM = "/api/events"
MACROS = ("marks.html", "fields.html", "accounts/fields.html")
"""Templates whose macros every template knows, also one that is rendered by the block."""
FILTERS = (
    markdown, sparklines.polyline, sparklines.common_scale, rows.holding, rows.machine, rows.software, holdings.brings,
    holdings.short_key, wording.listed, wording.run_word, wording.metric_word, wording.metric_title,
)  # fmt: skip
"""Filters that templates know by the names of the functions."""


@lru_cache(maxsize=1)
def _versions() -> str:
    return f"Meadow {version('meadow')} · flwr {version('flwr')}"


@dataclass(frozen=True, slots=True)
class Frame:
    """What surrounds every page: the entry of the navigation, the event stream and the id after which it continues,
    the Flower address of the footer, the message of the action that led to the page, and
    whether there is a page of Flower Apps."""

    nav: str = ""
    stream: str = ""
    last_event_id: int = 0
    flower_address: str = ""
    flash: Flash | None = None
    has_apps: bool = False
    versions: str = field(default_factory=_versions)


@lru_cache(maxsize=256)
def _fingerprint(file: Path, _changed_ns: int) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()[:12]


def static(path: str) -> str:
    """Return the address of a static file; it changes with the content, so that browsers may keep what they have."""
    file = asset("static") / path
    return f"/static/{path}?v={_fingerprint(file, file.stat().st_mtime_ns)}"


ADDRESS = re.compile(
    r"""(?<=[ \n])((?:href|src|action|formaction|hx-get|hx-post|data-stream|data-description)=")(?=/(?!/))"""
)
"""An attribute with an address of the dashboard. Text on a page cannot look like one: its quotes are escaped."""


def with_root(html: str, root_path: str) -> str:
    """Put the root path before each address of the dashboard that a page or a part of a page has."""
    return ADDRESS.sub(lambda attribute: attribute[0] + root_path, html) if root_path else html


IMPORTED = re.compile(r"""^import [^;]*?["'](\.[^"';]+)["'];""", re.MULTILINE)


@lru_cache(maxsize=8)
def modules(path: str) -> list[str]:
    """Return the addresses of all that a script imports, so that a browser asks for them at once, not link by link."""
    folder, found = asset("static").resolve(), dict[Path, None]()
    waiting = [folder / path]
    while waiting:
        file = waiting.pop(0)
        for name in IMPORTED.findall(file.read_text()):
            if (imported := (file.parent / name).resolve()) not in found:
                found[imported] = None
                waiting.append(imported)
    return [f"/static/{file.relative_to(folder).as_posix()}" for file in found]


_READER: ContextVar[Principal | None] = ContextVar("reader of the page that is rendered", default=None)
"""Macros know no context of a page, and their buttons depend on who reads it."""


def may(role: str) -> bool:
    """Return whether the reader of the page may do what needs a role: what a reader may not do has no button."""
    reader = _READER.get()
    return reader is not None and reader.may(role)


@lru_cache(maxsize=1)
def templates() -> Environment:
    """Return the environment, made at first use."""
    environment = Environment(
        loader=FileSystemLoader(asset("templates")), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.globals |= {"static": static, "modules": modules, "first_request": charts.first_request}
    environment.globals |= {"option_groups": GROUPS, "folded_groups": FOLDED, "quick_options": QUICK, "may": may}
    environment.filters |= formatting.FILTERS | {filter_.__name__: filter_ for filter_ in FILTERS}
    environment.filters |= {
        "glyph": lambda state: wording.GLYPHS.get(state, state),
        "tone": lambda state: wording.TONES.get(state, state),
        "state_word": wording.STATES.__getitem__,
        "outcome_word": wording.OUTCOMES.__getitem__,
        "work": wording.work_of,
        "network": FIELDS["network"].word,
    }
    for name in MACROS:
        environment.globals |= vars(environment.get_template(name).module)
    return environment


def render(request: Request, template: str, frame: Frame, /, status: int = 200, **context: Any) -> HTMLResponse:
    """Answer with a page, or with the block of it that htmx asks for."""
    environment = templates()
    principal: Principal | None = getattr(request.state, "principal", None)
    context |= {"request": request, "frame": frame, "principal": principal}
    block, before = wanted_block(request), _READER.set(principal)
    try:
        if block in environment.get_template(template).blocks:
            html = render_block(environment, template, block, context)
        else:
            html = environment.get_template(template).render(context)
    finally:
        _READER.reset(before)
    headers = {"Vary": "HX-Request-Type, HX-Target", "Cache-Control": "no-store"}
    return HTMLResponse(with_root(html, request.app.state.root_path), status, headers)


def wanted_block(request: Request) -> str:
    """Return the name of the block that htmx asks for; empty when it wants a page, or when the request is no htmx's."""
    if request.headers.get("HX-Request-Type") != "partial":
        return ""
    _tag, _, element = request.headers.get("HX-Target", "").partition("#")
    return element.replace("-", "_")
