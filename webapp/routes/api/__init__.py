"""Handlers of the REST API, one file a resource. Imports what ``routes`` may."""

from webapp.routes.api import (
    accounts,
    apps,
    audit,
    docs,
    events,
    experiments,
    health,
    notifications,
    options,
    records,
    runs,
    steering,
    weights,
)
from webapp.routes.api.clients import clients, data, join_codes, simulation
from webapp.routes.api.results import (
    compare,
    confusion,
    downloads,
    experiment_results,
    kinds,
    metrics,
    series,
    trackers,
)

ROUTERS = (
    compare.router, runs.router, experiments.router, experiment_results.router, records.router, steering.router,
    weights.router, metrics.router, series.router, confusion.router, kinds.router, trackers.router,
    events.router, downloads.imports, downloads.router, clients.router, simulation.router,
    join_codes.router, data.router, options.router, health.router, docs.router, *apps.ROUTERS,
    *accounts.ROUTERS, *audit.ROUTERS, notifications.router,
)  # fmt: skip
