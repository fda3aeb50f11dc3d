"""The pages of Flower Apps. Imports what ``routes.html`` may."""

from webapp.routes.html.apps import apps

ROUTERS = (apps.router,)
