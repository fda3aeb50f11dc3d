"""Handlers of the REST API about accounts: who the caller is, API tokens, people."""

from webapp.routes.api.accounts import me, tokens, users

ROUTERS = (me.router, tokens.router, users.router)
