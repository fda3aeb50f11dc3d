"""The app as a function of its settings: middleware, error handlers, routes, and the lifespan of the parts."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI
from sse_starlette.sse import AppStatus

from federation.protocol.tls.certificates import ServerTls
from webapp.db.instance_lock import InstanceLock
from webapp.http.requests.ids import RequestIds
from webapp.http.requests.metrics import RequestMetrics, RouteTemplate
from webapp.http.reverse_proxy import RootPath, check_root_path
from webapp.http.security import guard
from webapp.http.serving import bind
from webapp.http.single_flight import SingleFlight
from webapp.http.static_files import FingerprintedFiles
from webapp.operations.event_hub import EventHub
from webapp.operations.metrics.counters import Metrics
from webapp.pages.flash import Flashes
from webapp.parts import open_parts
from webapp.routes import ROUTERS, ROUTES
from webapp.routes.access import Access, end_streams_without_access
from webapp.routes.api.docs import describe_api
from webapp.routes.error_handlers import install_errors
from webapp.routes.html.page import FRESH_SECONDS
from webapp.settings import Settings, asset


def create_app(
    settings: Settings, flower_socket: socket.socket | None = None, instance_lock: InstanceLock | None = None,
    tls: ServerTls | None = None,
) -> FastAPI:  # fmt: skip
    """Return the dashboard's app; its lifespan opens and closes the parts.

    Where ``flower_socket`` and ``instance_lock`` are not given, the lifespan binds the address of the settings, and
    takes the lock of the database. Raises ValueError where the root path is the address of a page.
    """
    # it is process-wide and is never reset; EventHub.close ends the event streams instead
    AppStatus.disable_automatic_graceful_drain()  # type: ignore[no-untyped-call]
    event_hub, metrics = EventHub(), Metrics()

    @asynccontextmanager
    async def live(app: FastAPI) -> AsyncIterator[None]:
        sock = flower_socket or bind(settings.flower_host, settings.flower_port, "flower-port")
        event_hub.open()
        parts = await asyncio.to_thread(open_parts, settings, event_hub, sock, instance_lock, metrics, tls)
        app.state.parts = parts
        watch = asyncio.create_task(end_streams_without_access(event_hub, parts.accounts))
        try:
            yield
        finally:
            watch.cancel()
            event_hub.close()
            await asyncio.to_thread(app.state.parts.close)

    app = FastAPI(
        title="Meadow", version=version("meadow"), lifespan=live, docs_url=None, redoc_url=None, openapi_url=None,
        summary="Start, watch and steer federated learning runs with Flower, and manage their clients.",
    )  # fmt: skip
    app.state.root_path = settings.root
    app.state.event_hub, app.state.flashes, app.state.fragments = event_hub, Flashes(), SingleFlight(FRESH_SECONDS)
    install_errors(app)
    _add_middleware(app, settings, metrics, tls)
    _add_routes(app, settings)
    return app


def _add_middleware(app: FastAPI, settings: Settings, metrics: Metrics, tls: ServerTls | None) -> None:
    """Add the middleware; the last one added sees a request first."""
    app.add_middleware(RouteTemplate)
    app.add_middleware(Access)
    guard(app, settings, tls)
    app.add_middleware(RequestMetrics, metrics=metrics)
    app.add_middleware(RequestIds)
    app.add_middleware(RootPath, root_path=settings.root)


def _add_routes(app: FastAPI, settings: Settings) -> None:
    check_root_path(settings.root, [getattr(route, "path", "") for router in ROUTERS for route in router.routes])
    app.router.routes.extend(ROUTES)
    app.mount("/static", FingerprintedFiles(directory=asset("static")), name="static")
    describe_api(app)
