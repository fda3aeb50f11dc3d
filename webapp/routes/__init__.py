"""Handlers: each gets, acts and renders. ``api`` answers scripts, ``html`` browsers, ``flwr_cli`` the flwr command.

Imports ``pages``, ``http`` and what lies below them.
"""

from fastapi import APIRouter, Depends
from fastapi.routing import iter_route_contexts

from webapp.routes import api, flwr_cli, html
from webapp.routes.access import refuse_unlisted

ROUTERS = (*api.ROUTERS, *html.ROUTERS, *flwr_cli.ROUTERS)


def _together() -> APIRouter:
    """Return one router of all, made whole now: FastAPI would else make each route anew at an app's first request."""
    every = APIRouter(dependencies=[Depends(refuse_unlisted)])
    for router in ROUTERS:
        every.include_router(router)
    assert list(iter_route_contexts(every.routes))
    return every


ROUTES = _together().routes
