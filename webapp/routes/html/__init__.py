"""Handlers of pages and their forms, one file a page. Imports what ``routes`` may."""

from webapp.routes.html import (
    accounts,
    apps,
    audit,
    compare,
    home,
    notifications,
    predictions,
    run,
    run_list,
    run_notes,
    run_steering,
    server,
)
from webapp.routes.html import experiments as experiment_pages
from webapp.routes.html.clients import clients, data, join_codes, simulation

ROUTERS = (
    home.router, run_list.router, compare.router, run_notes.router, run.router, predictions.router,
    run_steering.router,
    join_codes.router, clients.router, data.router, simulation.router, server.router, audit.router,
    notifications.router, *apps.ROUTERS, *accounts.ROUTERS, *experiment_pages.ROUTERS,
)  # fmt: skip
