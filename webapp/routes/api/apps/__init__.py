"""/api/apps. Imports what ``routes.api`` may."""

from webapp.routes.api.apps import apps, outputs

ROUTERS = (apps.router, outputs.router)
