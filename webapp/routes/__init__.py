"""Handlers, one file a concern: each gets, acts and renders."""

from webapp.routes import (
    api_clients,
    api_compare,
    api_demo,
    api_docs,
    api_downloads,
    api_events,
    api_health,
    api_metrics,
    api_options,
    api_runs,
    api_series,
    api_shelf,
    api_steering,
    api_weights,
    client_pages,
    compare,
    demo,
    home,
    run_list,
    run_notes,
    run_pages,
    run_steering,
    server_page,
)  # fmt: skip

ROUTERS = (
    api_compare.router, api_runs.router, api_shelf.router, api_steering.router, api_weights.router,
    api_metrics.router, api_series.router,
    api_events.router, api_downloads.router, api_clients.router, api_demo.router,
    api_options.router, api_health.router, api_docs.router,
    home.router, run_list.router, compare.router, run_notes.router, run_pages.router,
    run_steering.router, client_pages.router, demo.router, server_page.router,
)  # fmt: skip
