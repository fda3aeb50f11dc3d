"""Handlers of pages and their forms, one file a page. Imports what ``routes`` may."""

from webapp.routes.html import (
    accounts,
    audit,
    clients,
    compare,
    demo,
    home,
    notifications,
    run,
    run_list,
    run_notes,
    run_steering,
    server,
)

ROUTERS = (
    home.router, run_list.router, compare.router, run_notes.router, run.router, run_steering.router, clients.router,
    demo.router, server.router, audit.router, notifications.router, *accounts.ROUTERS,
)  # fmt: skip
