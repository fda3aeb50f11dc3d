"""People of a dashboard in the test's own process: accounts, and HTTP clients that act as them."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from tests.support.dashboard import Dashboard
from tests.support.http import LOCAL
from webapp.accounts.principal import Kind, Principal
from webapp.accounts.roles import Role
from webapp.routes.access import COOKIE

PASSWORD = "correct horse battery"


def add_person(dashboard: Dashboard, name: str, role: str = "admin", password: str | None = None) -> int:
    """Create an account, without a password because hashes take their time; return its id."""
    return dashboard.parts.accounts.people.add(name, password, Role(role)).id


def cookie_of(dashboard: Dashboard, name: str) -> str:
    """Open a session of a person, without a password; return the Cookie header."""
    person = dashboard.parts.accounts.people.find(name)
    return f"{COOKIE}={dashboard.parts.accounts.sessions.open(person.id, '127.0.0.1', 'test')}"


def token_of(dashboard: Dashboard, name: str, role: str = "viewer", days: int = 1) -> str:
    """Make an API token of a person; return its text."""
    person = dashboard.parts.accounts.people.find(name)
    return dashboard.parts.accounts.tokens.add(
        Principal(Kind.USER, person.id, person.name, person.role), "test", Role(role), days
    )[1]


@contextmanager
def acting(dashboard: Dashboard, **headers: str) -> Iterator[httpx.Client]:
    """Give an HTTP client that sends headers, such as Cookie or Authorization, and follows no redirect."""
    url = dashboard.http.base_url
    with httpx.Client(base_url=url, headers=headers, **LOCAL, timeout=20) as http:
        yield http


def sign_in(http: httpx.Client, name: str, password: str = PASSWORD, **fields: str) -> httpx.Response:
    """Send the form of the login page."""
    return http.post("/login", data={"name": name, "password": password, **fields})


def cookie_in(answer: httpx.Response) -> str:
    """Return the Cookie header that a browser sends after an answer; fails where it sets none."""
    return answer.headers["set-cookie"].split(";")[0]
