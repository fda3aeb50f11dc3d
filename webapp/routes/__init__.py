"""Handlers: each gets, acts and renders. ``api`` answers scripts, ``html`` answers browsers.

Imports ``pages``, ``http`` and what lies below them.
"""

from webapp.routes import api, html

ROUTERS = (*api.ROUTERS, *html.ROUTERS)
