"""Handlers of the page of notifications. Imports what ``routes`` may."""

from webapp.routes.html.notifications.channels import router

__all__ = ["router"]
