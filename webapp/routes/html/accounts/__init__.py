"""Handlers of the pages about accounts: sign in and out, the first account, the own account, people."""

from webapp.routes.html.accounts import account, flwr_login, login, openid, people, setup

ROUTERS = (login.router, openid.router, setup.router, account.router, flwr_login.router, people.router)
