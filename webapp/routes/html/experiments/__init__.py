"""Pages of experiments and the form that starts one. Imports what ``routes`` may."""

from webapp.routes.html.experiments import pages, start

ROUTERS = (start.router, pages.router)
