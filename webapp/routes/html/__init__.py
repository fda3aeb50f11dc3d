"""Handlers of pages and their forms, one file a page. Imports what ``routes`` may."""

from webapp.routes.html import (
    accounts,
    audit,
    compare,
    home,
    notifications,
    run,
    run_list,
    run_notes,
    run_steering,
    server,
)
from webapp.routes.html.clients import clients, demo, join_codes

ROUTERS = (
    home.router, run_list.router, compare.router, run_notes.router, run.router, run_steering.router,
    join_codes.router, clients.router, demo.router, server.router, audit.router, notifications.router,
    *accounts.ROUTERS,
)  # fmt: skip
