"""Handlers of the REST API about notifications: channels and deliveries."""

from webapp.routes.api.notifications import channels

ROUTERS = (channels.router,)
