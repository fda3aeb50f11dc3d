"""Answers to the flwr command on the dashboard's port: six calls of Flower's Control API, off by default.

Imports what ``routes`` may.
"""

from webapp.routes.flwr_cli import control, login, logs

ROUTERS = (login.router, logs.router, control.router)
"""The last one answers all other calls of the command, too."""
